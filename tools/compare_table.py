"""The table of TinyFoA's paper, whose own is not public: its dense networks on four data sets, each with every method.

    python -m tools.compare_table REPORTS mnist=FOLDER cifar10=FOLDER cifar100=FOLDER mitbih=FILE.npz [--seeds 3]

A data set may be left out. --samples N trains on the first N samples, --threads N on so many threads. REPORTS gets the report of
`tinyfoa-rt compare` for each set, under its name, and table.md: a row a method, the mean accuracy over the seeds, its standard
deviation, and the planned RAM of a step of 100 samples. The same command goes on where it was killed. Epochs are such that each
method passes over the data about as often: five blocks of one layer have a fifth each, or a quarter, of what a whole network has.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import tinyfoa_rt
from tinyfoa_rt.comparison import Comparison, Progress
from tinyfoa_rt.comparison.summary import Row
from tinyfoa_rt.comparison.table import in_a_line
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.units import format_nbytes
from tinyfoa_rt.zoo import write_model

NETWORKS = {"mnist": "fc-784-10", "cifar10": "fc-3072-10", "cifar100": "fc-3072-100", "mitbih": "fc-169-5"}
METHODS = {
    "TinyFoA, M = 1": "tinyfoa:slices=1x1:epochs=5",
    "TinyFoA, M = 2": "tinyfoa:slices=2x2:epochs=5",
    "TinyFoA, M = 4": "tinyfoa:slices=4x4:epochs=5",
    "its authors' freeze-diagonal": "freeze-diagonal:epochs=5",
    "the same as TinyFoA, M = 1, float": "tinyfoa-float:slices=1x1:epochs=5",
    "backpropagation (BP)": "backpropagation:epochs=20",
    "BP + BW + BA": "backpropagation+bw+ba:epochs=20",
    "DRTP": "drtp:epochs=20",
    "DRTP + BW + BA": "drtp+bw+ba:epochs=20",
    "PEPITA": "pepita:epochs=20",
    "PEPITA + BW + BA": "pepita+bw+ba:epochs=20",
    "forward-forward (FF)": "forward-forward:epochs=20",
    "FF + BW + BA": "forward-forward+bw+ba:epochs=20",
}


def main() -> None:
    """Compare on each data set, and write the table of all after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("data", nargs="+", metavar="NAME=SPEC")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, help="train on the first so many samples only")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    found: dict[str, Comparison] = {}
    for name, spec in (each.split("=", 1) for each in arguments.data):
        folder = arguments.reports / name
        folder.mkdir(parents=True, exist_ok=True)
        model = folder / f"{NETWORKS[name]}.onnx"
        write_model(NETWORKS[name], model)
        asked = {"methods": list(METHODS.values()), "budgets": ["64GB"], "batch": 100, "seeds": arguments.seeds}
        data = spec if arguments.samples is None else str(_first(spec, arguments.samples, folder))
        print(f"{name}:", flush=True)
        found[name] = tinyfoa_rt.compare(model, data, folder / "report", _show, threads=arguments.threads, **asked)
        (arguments.reports / "table.md").write_text(table_of(found), encoding="utf-8")
        if found[name].interrupted_by:
            break


def table_of(found: Mapping[str, Comparison]) -> str:
    """Return the Markdown of all data sets; a dash is what was not trained."""
    lines = [["method", *found], ["---", *["--:"] * len(found)]]
    for title, method in METHODS.items():
        lines.append([title, *(_cell(comparison.rows, method) for comparison in found.values())])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(rows: Sequence[Row], method: str) -> str:
    row = next((each for each in rows if each.method == method), None)
    accuracy = None if row is None else row.spread("accuracy")
    if row is None or accuracy is None:
        return "-"
    deviation = "" if accuracy.deviation is None else f" ± {100 * accuracy.deviation:.2f}"
    return f"{100 * accuracy.mean:.2f}{deviation} %, {format_nbytes(row.most('planned_bytes') or 0)}"


def _first(spec: str, count: int, folder: Path) -> Path:
    """The first training samples and all test samples, as a file."""
    data, path = load_data(spec), folder / f"first-{count}.npz"
    np.savez(path, x_train=data.x_train[:count], y_train=data.y_train[:count], x_test=data.x_test, y_test=data.y_test)
    return path


def _show(progress: Progress) -> None:
    if progress.result is not None:
        print(f"{progress.number}/{progress.count} {progress.run.method.text}: {in_a_line(progress.result)}", flush=True)


if __name__ == "__main__":
    main()
