"""Channels last: a Transpose before the mean over positions goes, and the result stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.exported_models import EXPORTS
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer


def model_of(permutation: list[int], axes: list[int], keepdims: int, *, reads_twice: bool = False) -> onnx.ModelProto:
    """Conv, Transpose, ReduceMean, MatMul."""
    rng = np.random.default_rng(0)
    size = [2, 3, 4, 5]  # channels 3, and positions that tell themselves apart
    kept = [[size[axis] for axis in permutation][i] for i in range(1, 4) if i not in [axis % 4 for axis in axes]]
    weights = {
        "w": rng.normal(size=(3, 2, 1, 1)), "dense": rng.normal(size=(int(np.prod(kept)), 6)), "axes": np.array(axes),
        "flat": np.array([0, -1]),
    }  # fmt: skip
    initializers = [
        numpy_helper.from_array(array.astype(np.float32 if array.dtype == float else np.int64), name)
        for name, array in weights.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"], "conv"),
        helper.make_node("Transpose", ["conv"], ["last"], "transpose", perm=permutation),
        helper.make_node("ReduceMean", ["last", "axes"], ["mean"], "mean", keepdims=keepdims),
        helper.make_node("Reshape", ["mean", "flat"], ["row"], "flat"),
        helper.make_node("MatMul", ["row", "dense"], ["y"], "matmul"),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6])]
    if reads_twice:
        nodes.append(helper.make_node("Relu", ["last"], ["z"], "relu"))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 4, 5])]
    graph = helper.make_graph(nodes, "layout", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def loaded(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "model.onnx")
    return load(folder / "model.onnx")


def test_the_transpose_goes_and_the_mean_moves(tmp_path: Path) -> None:
    graph = loaded(model_of([0, 2, 3, 1], [1, 2], 0), tmp_path)
    mean = next(node for node in graph.nodes if node.op_type == "ReduceMean")
    assert "Transpose" not in [node.op_type for node in graph.nodes]
    assert mean.inputs[0] == "conv" and graph.constants[mean.inputs[1]].as_ints() == (2, 3)
    assert "last" not in graph.values and "axes" not in graph.constants


@pytest.mark.parametrize(
    ("permutation", "axes", "keepdims"),
    [([0, 2, 3, 1], [1, 2], 1), ([0, 3, 1, 2], [2], 0), ([0, 3, 2, 1], [3], 0)],
    ids=["axes that stay", "others change places", "reversed"],
)
def test_what_would_change_stays(permutation: list[int], axes: list[int], keepdims: int, tmp_path: Path) -> None:
    graph = loaded(model_of(permutation, axes, keepdims), tmp_path)
    assert "Transpose" in [node.op_type for node in graph.nodes]


def test_a_transpose_that_others_read_stays(tmp_path: Path) -> None:
    graph = loaded(model_of([0, 2, 3, 1], [-3, -2], 0, reads_twice=True), tmp_path)
    assert "Transpose" in [node.op_type for node in graph.nodes]
    assert next(node for node in graph.nodes if node.op_type == "ReduceMean").inputs[0] == "conv"


@pytest.mark.parametrize("path", [path for path in EXPORTS if path.stem.startswith("tensorflow_")], ids=lambda path: path.stem)
def test_tensorflows_models_compute_what_they_did(path: Path) -> None:
    """Before training, and without binarization, the inference graph gives the model's own output."""
    graph = load(path)
    trainer = Trainer(build(graph, plan(graph, "1MB", train="last:1", binarize="none")))
    x = np.random.default_rng(0).normal(size=(3, *graph.shape(graph.inputs[0])[1:])).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {graph.inputs[0]: x})
    scores = trainer.scores(x)
    if path.stem.endswith("_mlp"):  # scores are what enters Softmax
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    # Sums of some dozen float32, in another order.
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
