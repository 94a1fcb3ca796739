"""Machines that the kernels run on, emulated or this one, and the variant of the kernels that each takes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.c99.kernel_library import FLAGS, KERNELS, SANITIZE, required_tool

__all__ = ["PLATFORMS", "Platform", "kernel_sources", "run_on"]

_HERE = Path(__file__).parent
_KERNELS = ("packed_dot", "packed_matmul", "signed_sum", "signed_matmul", "expf", "logf", "conv", "softmax")
_BARE_METAL = ("-mthumb", "--specs=nosys.specs", "-nostartfiles", "-T", str(_HERE / "cortex_m" / "memory.ld"))


@dataclass(frozen=True)
class Platform:
    """A compiler, what it needs to know, and the command that runs the result: nothing for this machine."""

    name: str
    variant: str
    compiler: str
    flags: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()
    requires: str = ""  # a flag of this machine's CPU

    @property
    def is_bare_metal(self) -> bool:
        return self.compiler == "arm-none-eabi-gcc"


def _cortex_m(name: str, cpu: str, board: str, *, variant: str = "swar", address: str = "0") -> Platform:
    flags = (*(f"-m{part}" for part in cpu.split()), *_BARE_METAL, f"-Wl,--defsym=LOAD_ADDRESS={address}")
    debugger = ("-semihosting-config", "enable=on,target=native")
    emulator = ("qemu-system-arm", "-M", board, "-nographic", "-monitor", "none", "-serial", "null", *debugger, "-kernel")
    return Platform(name, variant, "arm-none-eabi-gcc", flags, emulator)


def _linux(name: str, target: str, emulator: str, *, variant: str = "plain") -> Platform:
    return Platform(name, variant, f"{target}-linux-gnu-gcc", ("-static",), (emulator,))


PLATFORMS = [
    Platform("x86-64", "plain", "clang"),
    Platform("x86-64-sanitized", "plain", "gcc", SANITIZE),
    Platform("swar", "swar", "clang"),
    Platform("swar-sanitized", "swar", "gcc", SANITIZE),
    Platform("avx2", "avx2", "clang", ("-mavx2",), requires="avx2"),
    Platform("avx2-sanitized", "avx2", "gcc", ("-mavx2", *SANITIZE), requires="avx2"),
    Platform("avx512-in-c", "avx512", "clang", ("-I", str(_HERE / "avx512_in_c"))),
    Platform("avx512-in-c-sanitized", "avx512", "gcc", ("-I", str(_HERE / "avx512_in_c"), *SANITIZE)),
    Platform("avx512", "avx512", "gcc", ("-mavx512f", "-mavx512bw", "-mavx512vpopcntdq"), requires="avx512_vpopcntdq"),
    _linux("aarch64", "aarch64", "qemu-aarch64"),
    _linux("neon", "aarch64", "qemu-aarch64", variant="neon"),
    _linux("big-endian", "powerpc64", "qemu-ppc64"),
    _linux("swar-big-endian", "powerpc64", "qemu-ppc64", variant="swar"),
    _cortex_m("cortex-m0", "cpu=cortex-m0", "mps2-an385"),
    _cortex_m("cortex-m3", "cpu=cortex-m3", "mps2-an385", variant="plain"),
    _cortex_m("cortex-m4", "cpu=cortex-m4 fpu=fpv4-sp-d16 float-abi=hard", "mps2-an386"),
    _cortex_m("cortex-m7", "cpu=cortex-m7 fpu=fpv5-d16 float-abi=hard", "mps2-an500"),
    _cortex_m("cortex-m33", "cpu=cortex-m33 fpu=fpv5-sp-d16 float-abi=hard", "mps2-an505", address="0x10000000"),
    _cortex_m("mve", "cpu=cortex-m55 float-abi=hard", "mps3-an547", variant="mve"),
]


def kernel_sources(variant: str, names: Sequence[str] = _KERNELS) -> list[Path]:
    """The variant of each kernel; the plain one where there is no other."""
    paths = [KERNELS / variant / f"{name}.c" for name in names]
    return [path if path.exists() else KERNELS / "plain" / path.name for path in paths]


def run_on(platform: Platform, folder: Path, program: Path) -> str:
    """What ``program``, linked with the kernels, writes there."""
    output = _HERE / ("cortex_m/startup.c" if platform.is_bare_metal else "write_line.c")
    binary = folder / platform.name
    sources = map(str, [program, output, *kernel_sources(platform.variant)])
    compiler = required_tool(platform.compiler)
    emulator = [required_tool(platform.emulator[0]), *platform.emulator[1:]] if platform.emulator else []
    subprocess.run([compiler, *FLAGS, *platform.flags, *sources, "-o", str(binary)], check=True, timeout=120)
    done = subprocess.run([*emulator, str(binary)], capture_output=True, text=True, check=True, timeout=120)
    return done.stderr if platform.is_bare_metal else done.stdout  # the debugger's console is QEMU's standard error
