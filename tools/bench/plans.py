"""Plan the models that nobody here wrote, and print what came out as a table.

python tools/bench/plans.py [FOLDER_WITH_MLPERF_TINY_MODELS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

from tinyfoa_rt import load, plan

_BUDGET = "256KB"
_TARGETS = ("ort-cpu", "c99")


def main() -> None:
    """Print a Markdown table, one row a model."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[3] / "shared" / "models"
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    print("| model | parameters | blocks | " + " | ".join(f"{t}, {_BUDGET} | floor, bytes" for t in _TARGETS) + " |")
    print("|---|---|---|" + "---|---|" * len(_TARGETS))
    for path in [*sorted(shared.glob("*.onnx")), *sorted(light.glob("light_*.onnx"))]:
        model = load(path)
        cells = []
        for target in _TARGETS:
            result = plan(model, _BUDGET, target=target, head_pool="average")
            cells += [
                _verdict(result.feasible, [b.update_fraction for b in result.blocks], result.batch),
                f"{result.floor_bytes:,}",
            ]
        parameters = sum(block.parameters for block in result.blocks)
        print(f"| {path.stem} | {parameters:,} | {len(result.blocks)} | {' | '.join(cells)} |")


def _verdict(feasible: bool, fractions: list[float], batch: int) -> str:
    if not feasible:
        return "does not fit"
    least = round(1 / min(fractions))
    return f"batch {batch}, " + ("all weights" if least == 1 else f"1/{least} and up")


if __name__ == "__main__":
    main()
