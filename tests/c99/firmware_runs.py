"""Firmware of an exported model: built for an emulated board or for this computer, and fed with samples from files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.exported import LIBRARY, library_sources, write_sources
from tests.c99.kernel_library import FLAGS
from tests.c99.platforms import PLATFORMS, Platform
from tests.optional_tools import required_tool
from tinyfoa_rt.export.c99 import ModelSource, lower, render_float, state_image

__all__ = ["BOARDS", "COMPUTER", "CORTEX_M0", "RISCV", "Board", "Firmware", "Report", "Run", "fastest_computer", "write_samples"]

_HERE = Path(__file__).parent / "firmware"


@dataclass(frozen=True)
class Board:
    """A machine of QEMU, its processor and its memory; where there is no machine, a platform whose C library opens files."""

    name: str
    machine: str = ""
    cpu: str = ""
    variant: str = "swar"
    origins: tuple[int, int, int] = (0, 0, 0)  # flash, RAM, storage
    instructions_a_tick: float = 0
    platform: Platform | None = None
    specs: tuple[str, ...] = ()

    @property
    def compiler(self) -> str:
        return "arm-none-eabi-gcc" if self.machine else self.platform.compiler if self.platform else "gcc"

    @property
    def flags(self) -> list[str]:
        """Of the compiler."""
        if not self.machine:
            return list(self.platform.flags) if self.platform else []
        flash, ram, storage = (f"0x{origin:08X}" for origin in self.origins)
        cpu = [f"-m{part}" for part in self.cpu.split()]
        places = [f"-Wl,--defsym=FLASH_ORIGIN={flash}", f"-Wl,--defsym=RAM_ORIGIN={ram}", f"-DSTORAGE_ORIGIN={storage}"]
        sections = ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-nostartfiles", "--specs=nosys.specs"]
        return [*cpu, "-mthumb", *sections, *self.specs, *places, "-T", str(_HERE / "board.ld")]


COMPUTER = Board("computer", variant="plain")
RISCV = Board("riscv32", platform=next(platform for platform in PLATFORMS if platform.name == "riscv32"))
_M4, _M7, _M33, _M55 = (
    "cpu=cortex-m4 fpu=fpv4-sp-d16 float-abi=hard",
    "cpu=cortex-m7 fpu=fpv5-d16 float-abi=hard",
    "cpu=cortex-m33 fpu=fpv5-sp-d16 float-abi=hard",
    "cpu=cortex-m55 float-abi=hard",
)
BOARDS = [
    Board("cortex-m4", "mps2-an386", _M4, "swar", (0, 0x20000000, 0x21000000), 40),
    Board("cortex-m7", "mps2-an500", _M7, "swar", (0, 0x20000000, 0x60000000), 40),
    Board("cortex-m33", "mps2-an505", _M33, "swar", (0x10000000, 0x38000000, 0x80000000), 50),
    Board("cortex-m55", "mps3-an547", _M55, "mve", (0, 0x21000000, 0x60000000), 31.25),
]
# The small C library: the other one keeps a kilobyte of RAM for the errno that sqrtf sets where no instruction takes a root.
CORTEX_M0 = Board(
    "cortex-m0", "mps2-an385", "cpu=cortex-m0 asm-syntax-unified", "swar", (0, 0x20000000, 0x21000000), 40,
    specs=("--specs=nano.specs",),
)  # fmt: skip


def fastest_computer() -> Board:
    """This computer with the kernels that suit its processor; the results are those of the plain ones, bit for bit."""
    platform = Platform("computer", "avx2", "gcc", ("-mavx2",), requires="avx2")
    cpu = Path("/proc/cpuinfo")
    has_avx2 = cpu.exists() and platform.requires in cpu.read_text(encoding="utf-8")
    return replace(COMPUTER, variant="avx2", platform=platform) if has_avx2 else replace(COMPUTER, variant="swar")


@dataclass(frozen=True)
class Run:
    """What a program does: steps of each block, steps of a turn, samples to measure the scale and to test on."""

    steps: tuple[int, ...]
    turn: int = 10
    calibration: int = 100
    tests: int = 100
    mean: float = 0.0
    deviation: float = 1.0


@dataclass(frozen=True)
class Report:
    """What it wrote: digests of the state and samples classified right, of each block; instructions of a step; the stack.

    ``class_correct`` are the test samples classified right of each class, and empty for a board, which keeps no such counts.
    """

    digests: tuple[int, ...]
    correct: tuple[int, ...]
    ticks: tuple[int, ...]
    test_correct: int
    stack_nbytes: int
    class_correct: tuple[int, ...] = ()


@dataclass(frozen=True)
class Firmware:
    """A built program in its folder."""

    board: Board
    binary: Path
    state: bytes

    @classmethod
    def build(cls, source: ModelSource, run: Run, board: Board, folder: Path) -> Firmware:
        program = lower(source)
        folder.mkdir(parents=True, exist_ok=True)
        generated = write_sources(program, folder, carries_state=False)
        names = ("ARENA_NBYTES", "STEP_NBYTES", "BATCH", "INPUTS", "OUTPUTS")
        values = {name: f"{program.prefix.upper()}_{name}" for name in names}
        values |= {"MODEL": f"{program.prefix}_model", "MODEL_HEADER": f'"{program.prefix}_model.h"'}
        values |= {"STEPS": ",".join(map(str, run.steps)), "TURN": str(run.turn), "TESTS": str(run.tests)}
        values |= {"CALIBRATION": str(run.calibration), "MEAN": render_float(run.mean)}
        values["RECIPROCAL_DEVIATION"] = render_float(float(1 / np.float32(run.deviation)))
        machine = "board.c" if board.machine else "computer.c"
        sources = [_HERE / "stream.c", _HERE / machine, generated, *library_sources(board.variant)]
        if not board.machine:
            sources.append(_HERE.parent / "write_line.c")
            values["COUNTS_CLASSES"] = "1"
        defined = [f"-D{name}={value}" for name, value in values.items()]
        flags = [*FLAGS, *defined, *board.flags, "-I", str(LIBRARY), "-I", str(folder)]
        binary = folder / f"{board.name}.elf"
        subprocess.run(
            [required_tool(board.compiler), *flags, *map(str, sources), "-lm", "-o", str(binary)], check=True, timeout=300
        )
        return cls(board, binary, state_image(program))

    def run(self, *, counts: bool = False, timeout: float = 600) -> Report:
        """Run in the folder of the files; with ``counts`` the clock counts instructions, which is slower."""
        (self.binary.parent / "state.bin").write_bytes(self.state)
        command = [str(self.binary)]
        if self.board.platform and self.board.platform.emulator:
            emulator, *arguments = self.board.platform.emulator
            command = [required_tool(emulator), *arguments, *command]
        elif self.board.machine:
            debugger = ["-semihosting-config", "enable=on,target=native", "-nographic", "-monitor", "none", "-serial", "null"]
            counting = ["-icount", "shift=0"] if counts else []
            command = [required_tool("qemu-system-arm"), "-M", self.board.machine, *debugger, *counting, "-kernel", *command]
        done = subprocess.run(command, cwd=self.binary.parent, capture_output=True, text=True, timeout=timeout, check=False)
        text = done.stderr if len(command) > 1 else done.stdout  # a debugger's console is QEMU's standard error
        assert done.returncode == 0, f"{self.board.name} ended with {done.returncode}:\n{text}"
        return _report(text)

    def sizes(self) -> tuple[int, int, int]:
        """Bytes of code and constants, of initialized and of zeroed data, as the compiler's ``size`` has them."""
        tool = required_tool(self.board.compiler.removesuffix("gcc") + "size")
        lines = subprocess.run([tool, str(self.binary)], check=True, capture_output=True, text=True).stdout.splitlines()
        text, data, bss = (int(number) for number in lines[1].split()[:3])
        return text, data, bss


def _report(text: str) -> Report:
    def numbers(pattern: str) -> tuple[int, ...]:
        return tuple(int(found) for found in re.findall(pattern, text, re.MULTILINE))

    correct, ticks = numbers(r"^correct (\d+) of"), numbers(r"^ticks (\d+)")
    (test_correct,) = numbers(r"^test \d+ correct (\d+)")
    (stack,) = numbers(r"^stack (\d+)")
    return Report(numbers(r"^digest (\d+)"), correct, ticks, test_correct, stack, numbers(r"^class \d+ correct (\d+)"))


def write_samples(path: Path, x: NDArray[Any], y: Sequence[int] | NDArray[Any]) -> None:
    """Samples of bytes, each with its label behind it."""
    flat = np.asarray(x, dtype=np.uint8).reshape(len(x), -1)
    path.write_bytes(np.column_stack([flat, np.asarray(y, dtype=np.uint8)]).tobytes())
