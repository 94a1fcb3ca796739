"""Machines that the kernels run on, emulated or this one, and the variant of the kernels that each takes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.c99.kernel_library import FLAGS, KERNELS, SANITIZE
from tests.optional_tools import required_tool

__all__ = ["PLATFORMS", "Platform", "build_for", "compile_objects", "kernel_sources", "run_binary", "run_on"]

_HERE = Path(__file__).parent
_KERNELS = (
    *("packed_dot", "packed_matmul", "signed_sum", "signed_matmul", "expf", "logf", "conv", "softmax"),
    *("conv_input_grad", "conv_transpose"),
    *("activations", "batch_normalization", "follow_statistics", "lrn", "head", "box"),
    *("slope_grads", "max_pool_grad", "average_pool_grad", "integers", "gradient_run", "sgd_step", "pack_signs"),
)
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


def _riscv32() -> Platform:
    memory = {"__flash": "0x80000000", "__flash_size": "0x400000", "__ram": "0x80400000", "__ram_size": "0x400000"}
    flags = ("-march=rv32imafc", "-mabi=ilp32f", "-mcmodel=medany", "--specs=picolibc.specs", "--oslib=semihost", "--crt0=hosted")
    debugger = ("-semihosting-config", "enable=on,target=native", "-monitor", "none", "-serial", "null", "-nographic")
    emulator = ("qemu-system-riscv32", "-M", "virt", "-cpu", "rv32", "-bios", "none", *debugger, "-kernel")
    defined = tuple(f"-Wl,--defsym={name}={value}" for name, value in memory.items())
    return Platform("riscv32", "swar", "riscv64-unknown-elf-gcc", (*flags, *defined), emulator)


PLATFORMS = [
    Platform("x86-64", "plain", "clang"),
    Platform("x86-64-sanitized", "plain", "gcc", SANITIZE),
    Platform("swar", "swar", "clang"),
    Platform("swar-sanitized", "swar", "gcc", SANITIZE),
    Platform("avx2", "avx2", "clang", ("-mavx2",), requires="avx2"),
    Platform("avx2-sanitized", "avx2", "gcc", ("-mavx2", *SANITIZE), requires="avx2"),
    Platform("avx512-in-c", "avx512", "clang", ("-I", str(_HERE / "avx512_in_c"))),
    Platform("avx512-in-c-sanitized", "avx512", "gcc", ("-I", str(_HERE / "avx512_in_c"), *SANITIZE)),
    Platform(
        "avx512", "avx512", "gcc", ("-mavx512f", "-mavx512bw", "-mavx512vpopcntdq", "-mavx512vnni"), requires="avx512_vpopcntdq"
    ),
    _linux("aarch64", "aarch64", "qemu-aarch64"),
    _linux("neon", "aarch64", "qemu-aarch64", variant="neon"),
    _linux("big-endian", "powerpc64", "qemu-ppc64"),
    _linux("swar-big-endian", "powerpc64", "qemu-ppc64", variant="swar"),
    _riscv32(),
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
    return run_binary(platform, build_for(platform, folder, [program, *kernel_sources(platform.variant)]))


def build_for(platform: Platform, folder: Path, sources: Sequence[Path], include: Sequence[Path] = ()) -> Path:
    """Compile a program for a platform."""
    output = _HERE / ("cortex_m/startup.c" if platform.is_bare_metal else "write_line.c")
    binary = folder / platform.name
    folders = [part for path in (*include, _HERE) for part in ("-I", str(path))]
    command = [required_tool(platform.compiler), *FLAGS, *platform.flags, *folders, *map(str, [output, *sources]), "-lm"]
    subprocess.run([*command, "-o", str(binary)], check=True, timeout=300)
    return binary


def compile_objects(platform: Platform, sources: Sequence[Path], folder: Path) -> list[Path]:
    """Compile sources that programs share."""
    command = [required_tool(platform.compiler), *FLAGS, *platform.flags, "-c", *map(str, sources)]
    folder.mkdir()  # only now: a test that is skipped for want of the compiler leaves nothing
    linker = ("-Wl,", "-T", str(_HERE / "cortex_m" / "memory.ld"), "-static", "-nostartfiles")
    subprocess.run([part for part in command if not part.startswith(linker)], check=True, cwd=folder, timeout=300)
    return sorted(folder.glob("*.o"))


def run_binary(platform: Platform, binary: Path) -> str:
    """What a program writes."""
    emulator = [required_tool(platform.emulator[0]), *platform.emulator[1:]] if platform.emulator else []
    done = subprocess.run([*emulator, str(binary)], capture_output=True, text=True, check=True, timeout=120)
    # A debugger's console is QEMU's standard error.
    return done.stderr if platform.emulator[:1] in (("qemu-system-arm",), ("qemu-system-riscv32",)) else done.stdout
