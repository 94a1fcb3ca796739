"""The table of TinyFoA's paper, whose own is not public: dense networks on four data sets, each with every method.

    python -m tools.compare_table REPORTS mnist=FOLDER cifar10=FOLDER cifar100=FOLDER mitbih=FILE.npz [--hidden 256,256]

A data set may be left out. The networks are the paper's, four hidden layers of 2000, or have the --hidden layers that are given.
--passes N is how often each method passes over the data, whose first --samples it reads: blocks of one layer share the passes out
among them. --threads N trains on so many threads. REPORTS gets the report of `tinyfoa-rt compare` for each set, under its name,
and table.md: a row a method, the mean accuracy over the seeds, its standard deviation, and the planned RAM of a step of 100
samples. The same command goes on where it was killed, and a later one may ask for more seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

import tinyfoa_rt
from tinyfoa_rt.comparison import Comparison, Progress
from tinyfoa_rt.comparison.summary import Row
from tinyfoa_rt.comparison.table import in_a_line
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.units import format_nbytes
from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, read_spec

NETWORKS = {"mnist": "fc-784-10", "cifar10": "fc-3072-10", "cifar100": "fc-3072-100", "mitbih": "fc-169-5"}
LAYER_WISE = {
    "TinyFoA, M = 1": "tinyfoa:slices=1x1",
    "TinyFoA, M = 2": "tinyfoa:slices=2x2",
    "TinyFoA, M = 4": "tinyfoa:slices=4x4",
    "its authors' freeze-diagonal": "freeze-diagonal",
    "the same as TinyFoA, M = 1, float": "tinyfoa-float:slices=1x1",
}
WHOLE = {
    "backpropagation (BP)": "backpropagation",
    "BP + BW + BA": "backpropagation+bw+ba",
    "PEPITA": "pepita",
    "PEPITA + BW + BA": "pepita+bw+ba",
    "DRTP": "drtp",
    "DRTP + BW + BA": "drtp+bw+ba",
    "forward-forward (FF)": "forward-forward",
    "FF + BW + BA": "forward-forward+bw+ba",
}


def main() -> None:
    """Compare on each data set, and write the table of all after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("data", nargs="+", metavar="NAME=SPEC")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=_sizes, default=(2000,) * 4, help="units of the hidden layers, such as 256,256")
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--samples", type=int, help="train on the first so many samples only")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    methods = methods_of(arguments.passes, len(arguments.hidden) + 1)
    found: dict[str, Comparison] = {}
    for name, spec in (each.split("=", 1) for each in arguments.data):
        folder = arguments.reports / name
        folder.mkdir(parents=True, exist_ok=True)
        model = folder / "model.onnx"
        onnx.save_model(network(NETWORKS[name], arguments.hidden), model)
        asked = {"methods": list(methods.values()), "budgets": ["64GB"], "batch": 100, "seeds": arguments.seeds}
        data = spec if arguments.samples is None else str(_first(spec, arguments.samples, folder))
        print(f"{name}:", flush=True)
        found[name] = tinyfoa_rt.compare(model, data, folder / "report", _show, threads=arguments.threads, **asked)
        (arguments.reports / "table.md").write_text(table_of(found, methods), encoding="utf-8")
        if found[name].interrupted_by:
            break


def methods_of(passes: int, blocks: int) -> dict[str, str]:
    """The methods by their titles, as `compare` takes them."""
    each = {title: f"{method}:epochs={passes // blocks}" for title, method in LAYER_WISE.items()}
    return {**each, **{title: f"{method}:epochs={passes}" for title, method in WHOLE.items()}}


def network(name: str, hidden: Sequence[int]) -> onnx.ModelProto:
    """The network ``name`` of the zoo with other hidden layers."""
    spec = read_spec(resource_path(f"graphs/models/{name}.toml"))
    layers = [spec.layers[-1]]
    for number, units in enumerate(hidden, 1):
        dense = LayerSpec("dense", f"fc{number}", None, {"units": units})
        layers[-1:-1] = [dense, LayerSpec("relu", f"relu{number}", None, {})]
    spec = replace(spec, layers=tuple(layers))
    return assemble(spec, lay_out(spec, name))


def table_of(found: Mapping[str, Comparison], methods: Mapping[str, str]) -> str:
    """Return the Markdown of all data sets; a dash is what was not trained."""
    lines = [["method", *found], ["---", *["--:"] * len(found)]]
    for title, method in methods.items():
        lines.append([title, *(_cell(comparison.rows, method) for comparison in found.values())])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(rows: Sequence[Row], method: str) -> str:
    row = next((each for each in rows if each.method == method), None)
    accuracy = None if row is None else row.spread("accuracy")
    if row is None or accuracy is None:
        return "-"
    deviation = "" if accuracy.deviation is None else f" ± {100 * accuracy.deviation:.2f}"
    return f"{100 * accuracy.mean:.2f}{deviation} %, {format_nbytes(row.most('planned_bytes') or 0)}"


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(units) for units in text.split(","))


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
