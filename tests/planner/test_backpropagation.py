"""The comparison's figures of backpropagation are peaks of plans; where an error cannot pass, they are added up."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from rich.console import Console

from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt import plan
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.report.comparison import comparison_table


@pytest.mark.parametrize("target", ["ort-cpu", "c99"])
@pytest.mark.parametrize("make", [mlp, conv_net, residual_net])
@pytest.mark.parametrize(("way", "binarize"), [("bp_float", "none"), ("bp_binary", "both")])
def test_peaks_are_those_of_plans(
    tmp_path: Path, target: str, make: Callable[[], onnx.ModelProto], way: str, binarize: str
) -> None:
    graph = load_model(make(), tmp_path)
    options: dict[str, Any] = {"target": target, "optimizer": "momentum", "batch": 3}
    account = plan(graph, "1MB", **options).baselines[way]
    whole = plan(graph, "1MB", **options, block_layers="all", binarize=binarize, schedule="full")
    assert account.is_planned
    assert account.peak_bytes == whole.peak_bytes


def test_the_tail_alone_is_compared(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    whole = plan(graph, "1MB", batch=2, train="last:2", block_layers="all", binarize="none", schedule="full", optimizer="sgd")
    tail = plan(graph, "1MB", batch=2, train="last:2", schedule="full")
    assert (
        tail.baselines["bp_float"].peak_bytes == whole.peak_bytes < plan(graph, "1MB", batch=2).baselines["bp_float"].peak_bytes
    )


def test_with_kernels_steps_of_the_whole_model_run_without_them(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    packed, plain = (plan(graph, "1MB", batch=2, target=target).baselines for target in ("ort-kernels", "ort-cpu"))
    assert packed["bp_float"] == plain["bp_float"]
    assert packed["bp_binary"] == plain["bp_binary"]


def with_a_barrier(folder: Path) -> Graph:
    """6-5-4-3, where Floor stands behind the layer in the middle: no error passes it."""
    builder = ModelBuilder((6,))
    hidden = builder.node("Relu", (builder.dense("input", 6, 5, "first"),))
    middle = builder.node("Floor", (builder.dense(hidden, 5, 4, "middle"),))
    return builder.load(folder, builder.dense(middle, 4, 3, "last"))


def test_where_no_error_passes_the_peak_is_added_up(tmp_path: Path) -> None:
    """Parameters 35 + 15, with their gradients; activations of the graph and the error of two of the largest, by hand."""
    result = plan(with_a_barrier(tmp_path), "1MB", batch=2, train="first,last", binarize="none")
    account = result.baselines["bp_float"]
    activations = 2 * (6 + 5 + 5 + 4 + 4 + 3)
    assert not account.is_planned
    assert account.peak_bytes == 4 * (2 * (35 + 15) + activations + 2 * 2 * 6)
    console = Console(width=100, record=True, file=io.StringIO())
    for part in comparison_table(result.baselines):
        console.print(part)
    note = "The peak of backpropagation float and backpropagation binarized is added up, not planned"
    assert note in " ".join(console.export_text().split())
