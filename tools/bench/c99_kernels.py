"""Time the kernels of packed bits against float32, and count their instructions on an emulated Cortex-M.

    python -m tools.bench.c99_kernels

On this machine, one thread: the least time of 15 runs of each variant, of the naive float loop and of NumPy's BLAS for one
product x w^T, where x are bits and w signs; the integers must agree. "signed" is the product of 16-bit numbers with signs. On
an emulated Cortex-M4 and M7: instructions, exact to 40. Needs gcc, arm-none-eabi-gcc and qemu-system-arm.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.kernel_library import as_c, build_library
from tests.c99.packed_kernels import CPU_FLAGS, NAMES, VARIANT_FLAGS, PackedShape, SignedShape, packed, signs_of
from tests.c99.platforms import PLATFORMS, kernel_sources, run_on

_HERE = Path(__file__).parent
_SHAPES = [(1, 2000, 2000), (100, 2000, 2000), (1, 784, 256)]
_RUNS = 15
_RUN_PRODUCTS = 1e8  # so many to a run: at least some milliseconds
_ONE_THREAD = "OPENBLAS_NUM_THREADS"


@dataclass(frozen=True)
class Product:
    """Operands of y = x w^T, packed and as float32."""

    x: NDArray[np.bool_]  # (batch, inputs)
    w: NDArray[np.bool_]  # (outputs, inputs)
    q: NDArray[np.int16]  # (batch, inputs)

    @property
    def count(self) -> int:
        return len(self.x) * self.w.size

    @property
    def expected(self) -> NDArray[np.float32]:
        return self.x.astype(np.float32) @ signs_of(self.w).astype(np.float32).T


def main() -> None:
    """Print both tables."""
    if os.environ.get(_ONE_THREAD) != "1":  # read when NumPy is loaded
        again = [sys.executable, "-m", "tools.bench.c99_kernels"]
        sys.exit(subprocess.run(again, env={**os.environ, _ONE_THREAD: "1"}, check=False).returncode)
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'batch x inputs x outputs':26}{'kernel':18}{'us':>10}{'products/ns':>13}{'to BLAS':>9}{'to naive':>10}")
        for shape in _SHAPES:
            _print_times(_draw(*shape), Path(folder))
        print(f"\n{'core':12}{'outputs x inputs':18}{'kernel':24}{'instructions':>14}{'to naive':>10}")
        for core, variant in (("cortex-m4", "plain"), ("cortex-m4", "swar"), ("cortex-m7", "swar")):
            _print_instructions(core, variant, Path(folder))


def _draw(batch: int, inputs: int, outputs: int) -> Product:
    rng = np.random.default_rng(0)
    x, w = rng.random((batch, inputs)) < 0.5, rng.random((outputs, inputs)) < 0.5
    return Product(x, w, rng.integers(-32640, 32640, x.shape, np.int16))


def _print_times(product: Product, folder: Path) -> None:
    times = {name: _least_time(*run) for name, run in _runs(product, folder)}
    shape = " x ".join(map(str, (*product.x.shape, len(product.w))))
    for name, seconds in times.items():
        blas, naive = (f"{times[other] / seconds:.1f}" for other in ("BLAS float", "naive float"))
        print(f"{shape:26}{name:18}{seconds * 1e6:10.1f}{product.count / seconds / 1e9:13.1f}{blas:>9}{naive:>10}", flush=True)


def _runs(product: Product, folder: Path) -> Iterator[tuple[str, tuple[Callable[[int], None], int]]]:
    """Names, functions that repeat a product, and how often to repeat it in one run."""
    repeats = max(1, int(_RUN_PRODUCTS / product.count))
    x, w = product.x.astype(np.float32), signs_of(product.w).astype(np.float32)
    y = np.empty((len(x), len(w)), np.float32)

    def multiply(times: int) -> None:
        for _ in range(times):
            np.matmul(x, w.T, out=y)

    yield "BLAS float", (multiply, max(1, repeats // 10))
    yield "naive float", (_naive(_library("plain", folder), x, w), max(1, repeats // 50))
    for variant in VARIANT_FLAGS:
        if CPU_FLAGS.get(variant, "") in Path("/proc/cpuinfo").read_text():
            library = _library(variant, folder)
            yield f"{variant} bits", (_packed(library, product), repeats)
            yield f"{variant} signed", (_signed(library, product), max(1, repeats // 10))


def _library(variant: str, folder: Path) -> ctypes.CDLL:
    place = folder / variant
    place.mkdir(exist_ok=True)
    return build_library(place, "gcc", [*kernel_sources(variant, NAMES), _HERE / "c99_kernels.c"], flags=VARIANT_FLAGS[variant])


def _naive(library: ctypes.CDLL, x: NDArray[np.float32], w: NDArray[np.float32]) -> Callable[[int], None]:
    y = np.empty((len(x), len(w)), np.float32)
    return lambda times: _call(library.repeat_naive, times, *x.shape[:1], *w.shape, x, w, y)


def _packed(library: ctypes.CDLL, product: Product) -> Callable[[int], None]:
    words = -(-product.x.shape[1] // 32)
    shape = PackedShape(len(product.x), len(product.w), words, words, words)
    x, w, dot = packed(product.x, words), packed(product.w, words), np.empty((len(product.x), len(product.w)), np.int32)
    _call(library.repeat_packed, 1, shape, x, w, dot)
    assert np.array_equal(dot, product.expected)
    return lambda times: _call(library.repeat_packed, times, shape, x, w, dot)


def _signed(library: ctypes.CDLL, product: Product) -> Callable[[int], None]:
    words = -(-product.x.shape[1] // 32)
    shape = SignedShape(len(product.q), *product.w.shape, product.q.shape[1], words)
    w, sums = packed(product.w, words), np.empty((len(product.q), len(product.w)), np.int32)
    return lambda times: _call(library.repeat_signed, times, shape, product.q, w, sums)


def _call(function: Any, *arguments: Any) -> None:
    function(*map(as_c, arguments))


def _least_time(run: Callable[[int], None], repeats: int) -> float:
    """Seconds of one product: of the fastest run, which other work on the machine disturbed least."""
    run(1)
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run(repeats)
        times.append(time.perf_counter() - start)
    return min(times) / repeats


def _print_instructions(core: str, variant: str, folder: Path) -> None:
    (machine,) = (each for each in PLATFORMS if each.name == core)
    emulator = (*machine.emulator[:-1], "-icount", "shift=0", machine.emulator[-1])
    output = run_on(replace(machine, variant=variant, emulator=emulator), folder, _HERE / "c99_kernels_cortex_m.c")
    rows = [(name, [int(number) for number in numbers]) for name, *numbers in map(str.split, output.splitlines())]
    (_, (_, known, ticks)), *counted = rows
    per_tick = round(known / ticks)
    assert per_tick == 40, "SysTick counts at 25 MHz, and an instruction takes a nanosecond"
    naive = {(outputs, inputs): count for name, (outputs, inputs, count) in counted if name == "naive_float"}
    for name, (outputs, inputs, count) in counted:
        ratio = naive[outputs, inputs] / count
        label = name if name == "naive_float" else f"{variant} {name}"
        print(f"{core:12}{f'{outputs} x {inputs}':18}{label:24}{per_tick * count:14,}{ratio:10.1f}")


if __name__ == "__main__":
    main()
