"""Time updates of latent weights of few bits in C99 against those of float32: gradient and step of a dense layer, one sample.

    python -m tools.bench.integer_steps

784 inputs, 256 outputs, no input or error is zero; the least processor time of 30 runs of ten steps, all formats taking turns in
one process, compiled with -O2, -O3, and for this processor. Needs gcc.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.c99.kernel_library import KERNELS

_SOURCE = Path(__file__).with_suffix(".c")
_FILES = ("sgd_step", "normalized_step", "momentum_step", "gradient_run", "integers", "pack_signs")
_FORMATS = ("float32", "int16", "int12", "int8")
_RUNS = 30


def main() -> None:
    print(f"{'compiled':22}{'optimizer':12}" + "".join(f"{name:>10}" for name in _FORMATS) + f"{'int8 to float':>15}")
    with tempfile.TemporaryDirectory() as name:
        for options in (("-O2",), ("-O3",), ("-O3", "-march=native")):
            for line in _measured(Path(name) / "steps", options):
                optimizer, *times = line.split()
                columns = "".join(f"{float(each):8.3f}ms" for each in times)
                print(f"{' '.join(options):22}{optimizer:12}{columns}{float(times[-1]) / float(times[0]):15.2f}")


def _measured(program: Path, options: tuple[str, ...]) -> list[str]:
    sources = [str(KERNELS / "plain" / f"{each}.c") for each in _FILES]
    flags = ["-std=c99", *options, "-ffp-contract=off", "-fno-math-errno", f"-I{KERNELS}"]
    subprocess.run(["gcc", *flags, str(_SOURCE), *sources, "-lm", "-o", str(program)], check=True)
    return subprocess.run([program, str(_RUNS)], check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    main()
