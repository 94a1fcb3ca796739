"""What a step keeps for its gradients: a bit or a place where that is enough, the value where a layer multiplies it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.small_models import ModelBuilder, conv_net, load_model
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.options import options_of
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.planner.task import resolve_options
from tinyfoa_rt.steps import StepChoice, assemble_step


def clipped_net() -> onnx.ModelProto:
    """Pools of what Clip has bounded, and a Relu whose output the next layer multiplies, as a view."""
    builder = ModelBuilder((2, 8, 8))
    low, high = builder.scalar(0.0), builder.scalar(6.0)
    x = builder.node("Clip", (builder.conv("input", (2, 4), name="conv"), low, high), name="clip")
    x = builder.node("MaxPool", (x,), kernel_shape=[2, 2], strides=[2, 2], name="pool")
    x = builder.node("Relu", (builder.conv(x, (4, 4), name="second"),), name="relu")
    return builder.model(builder.dense(builder.node("Flatten", (x,)), 64, 3, "fc"))


def step_of(model: onnx.ModelProto, folder: Path, target: str, **options: object) -> StepGraph:
    task = resolve_options(load_model(model, folder), options_of(budget="4MB", target=target, binarize="none", **options))
    return assemble_step(task.contexts[0], StepChoice(Slices(1, 1), 2, holds_slice=False))


@pytest.mark.parametrize("model", [conv_net, clipped_net])
def test_bits_and_places_stand_for_what_only_gradients_read(tmp_path: Path, model: object) -> None:
    step = step_of(model(), tmp_path, "c99", block_layers="all")  # type: ignore[operator]
    types = [node.op_type for node in step.nodes]
    assert types.count("MaxPlaces") == types.count("MaxPlacesGrad") == 1
    assert types.count("PassMask") == types.count("StraightThroughGrad") >= 1
    assert "MaxPoolGrad" not in types
    mask = next(node for node in step.nodes if node.op_type == "PassMask")
    behind = [node for node in step.nodes if node.phase != "forward"]
    assert all(mask.inputs[0] not in node.inputs for node in behind)


def test_a_value_that_a_layer_multiplies_is_kept(tmp_path: Path) -> None:
    step = step_of(clipped_net(), tmp_path, "c99", block_layers="all")
    (relu,) = (node for node in step.nodes if node.op_type == "ReluGrad")
    assert relu.inputs[1] == "relu_out"  # a view of it is the input of the dense layer


def test_onnxruntime_and_blocks_of_one_layer_keep_values(tmp_path: Path) -> None:
    for target, layers in (("ort-cpu", "all"), ("c99", "1")):
        types = {node.op_type for node in step_of(conv_net(), tmp_path, target, block_layers=layers).nodes}
        assert not types & {"PassMask", "MaxPlaces"}
