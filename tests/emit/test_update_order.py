"""Steps of several layers on onnxruntime: what is read has not moved yet, and weights move as soon as their error has passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.emit.drawn_networks import KINDS, draw_network
from tests.emit.drawn_steps import DrawnStep
from tests.small_models import ModelBuilder, load_model, mlp
from tinyfoa_rt.emit.inlining import inline_functions
from tinyfoa_rt.ir.inlined import InlinedGraph
from tinyfoa_rt.operators import is_view
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.steps.layer_updates import LayerUpdates

NEXT = "#next"


def read_too_late(graph: InlinedGraph) -> list[str]:
    """Tensors that a node reads after another has written what follows them: both lie in one place where a step is bound."""
    written = {name: place for place, node in enumerate(graph.nodes) for name in node.outputs if name.endswith(NEXT)}
    stands_for = {name.removesuffix(NEXT): name.removesuffix(NEXT) for name in written}
    found = []
    for place, node in enumerate(graph.nodes):
        for name in node.inputs:
            if name in stands_for and place > written[stands_for[name] + NEXT]:
                found.append(stands_for[name])
        if is_view(node.op_type, "") and node.inputs[0] in stands_for:  # which may be no copy
            stands_for[node.outputs[0]] = stands_for[node.inputs[0]]
    return found


@pytest.mark.parametrize("binarize", ["none", "weights", "both"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_tensor_is_read_after_it_has_moved(tmp_path: Path, kind: str, binarize: str) -> None:
    for seed in range(6):
        for optimizer in ("sgd", "adam"):
            drawn = DrawnStep(draw_network(kind, seed, binarize=binarize, optimizer=optimizer), tmp_path)
            assert not read_too_late(inline_functions(drawn.model)), (seed, optimizer)


@pytest.mark.parametrize("binarize", ["none", "both"])
def test_weights_would_be_read_too_late_by_a_rate_that_does_not_wait(
    tmp_path: Path, binarize: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = LayerUpdates.add

    def at_once(updates: LayerUpdates, layer: Any, tensors: Any, backward: Any, grad_z: str, waits_for: str) -> None:
        add(updates, layer, tensors, backward, grad_z, "")

    monkeypatch.setattr(LayerUpdates, "add", at_once)
    late = read_too_late(inline_functions(emitted(tmp_path, binarize=binarize)))
    assert {*late} == {"both": {"fc2#abs_sum", "fc3#abs_sum", "fc4#w"}, "none": {"fc2#w", "fc3#w", "fc4#w"}}[binarize]


def emitted(folder: Path, **options: Any) -> onnx.ModelProto:
    """The step of four layers as one block, of which each has 12 inputs."""
    graph = load_model(mlp((12, 12, 12, 12, 12)), folder)
    given = {"block_layers": "all", "batch": 1, "slices": "1x1", "optimizer": "sgd", **options}
    artifact = build(graph, plan(graph, "1MB", **given))
    return onnx.load_from_string(artifact.model(artifact.blocks[0].step, is_packed=False))


@pytest.mark.parametrize("binarize", ["none", "weights", "both"])
@pytest.mark.parametrize("optimizer", ["sgd", "normalized", "momentum", "adam"])
def test_a_layer_moves_before_the_error_goes_on_below_the_next(tmp_path: Path, binarize: str, optimizer: str) -> None:
    """By then its own gradient, and the error that made it, are gone."""
    graph = inline_functions(emitted(tmp_path, binarize=binarize, optimizer=optimizer))
    made = {name: place for place, node in enumerate(graph.nodes) for name in node.outputs}
    weights = ("w", "w#power") if optimizer == "normalized" else ("w",)
    moved = [max(made[f"fc{number}#{kept}{NEXT}"] for kept in (*weights, "bias")) for number in (4, 3, 2, 1)]
    sent = [made[f"relu{2 * number - 3}_out#by#fc{number}#grad"] for number in (4, 3, 2)]
    assert sent[0] < moved[0] < sent[1] < moved[1] < sent[2] < moved[2] < moved[3]


ORDERS: list[dict[str, Any]] = [
    {"binarize": "none"},
    {"binarize": "both"},
    {"binarize": "weights", "optimizer": "adam"},
    {"binarize": "both", "optimizer": "normalized"},
    {"binarize": "none", "slices": "2x2"},
]


@pytest.mark.parametrize("options", ORDERS, ids=str)
def test_onnxruntime_runs_nodes_in_the_order_that_is_planned(tmp_path: Path, options: dict[str, Any]) -> None:
    """By its own profile of one run, with the optimizers off as when it trains; constants are no nodes there."""
    model = emitted(tmp_path, **options)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.enable_profiling, settings.profile_file_prefix = True, str(tmp_path / "run")
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    dtypes = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(int32)": np.int32}
    feeds = {each.name: np.zeros(each.shape, dtypes.get(each.type, np.int64)) for each in session.get_inputs()}
    for name, value in feeds.items():
        if name.endswith("#origin"):
            value[2:] = 6  # inputs and outputs of a slice
    session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    ran = [event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time")]
    assert ran == [node.op_type for node in inline_functions(model).nodes]


@pytest.mark.parametrize("optimizer", ["sgd", "normalized", "adam"])
def test_convolutions_without_a_bias_move_as_early(tmp_path: Path, optimizer: str) -> None:
    """Their gradient computes no sum that nothing reads, which onnxruntime would go for first."""
    builder, x = ModelBuilder((2, 6, 6)), "input"
    for number in range(1, 5):
        x = builder.node("Conv", (x, builder.weight(2, 2, 3, 3)), f"conv{number}", pads=[1] * 4)
    graph = load_model(builder.model(builder.dense(builder.node("Flatten", (x,)), 72, 3, "fc")), tmp_path)
    options = {"block_layers": "all", "batch": 1, "slices": "1x1", "binarize": "none", "optimizer": optimizer}
    artifact = build(graph, plan(graph, "1MB", **options))
    nodes = inline_functions(onnx.load_from_string(artifact.model(artifact.blocks[0].step, is_packed=False))).nodes
    made = {name: place for place, node in enumerate(nodes) for name in node.outputs}
    moved = [made[f"conv{number}#w{NEXT}"] for number in (4, 3, 2, 1)]
    sent = [made[f"conv{number - 1}_out#by#conv{number}#grad"] for number in (4, 3, 2)]
    assert sent[0] < moved[0] < sent[1] < moved[1] < sent[2] < moved[2] < moved[3]
