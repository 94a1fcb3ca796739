"""Shapes and element types of onnxruntime's own quantized operators are those that onnxruntime computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.quantized_models import quantize
from tests.small_models import ModelBuilder
from tinyfoa_rt.model import load

OPERATORS = {"QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul"}
OPERATORS |= {"QGemm", "QLinearConv", "QLinearSigmoid", "QLinearSoftmax"}


@pytest.mark.parametrize("kind", ["operators, unsigned", "operators, per channel"])
def test_they_have_the_shapes_that_onnxruntime_computes(tmp_path: Path, kind: str) -> None:
    builder = ModelBuilder((3, 9, 7))
    x = builder.conv("input", (3, 4), name="conv")
    left = builder.node("LeakyRelu", (builder.conv(x, (4, 5), 3, "left", strides=[2, 1]),))
    right = builder.node("Sigmoid", (builder.conv(x, (4, 5), 3, "right", strides=[2, 1]),))
    joined = builder.node("Concat", (left, builder.node("Mul", (left, right)), builder.node("Add", (left, right))), axis=1)
    pooled = builder.node("AveragePool", (joined,), kernel_shape=[2, 3], strides=[2, 2])
    flat = builder.node("Flatten", (builder.node("GlobalAveragePool", (pooled,)),))
    scores = builder.node("Softmax", (builder.dense(flat, 15, 6, "fc"),), "scores")
    onnx.save(builder.model(scores), tmp_path / "real.onnx")
    x_calibration = np.random.default_rng(0).normal(size=(4, 3, 9, 7)).astype(np.float32)
    path = quantize(tmp_path / "real.onnx", tmp_path / "quantized.onnx", kind, x_calibration)
    graph = load(path)
    assert {node.op_type for node in graph.nodes} >= OPERATORS
    model = onnx.load(path)
    computed = [name for node in graph.nodes for name in node.outputs]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, value in zip(computed, session.run(None, {"input": x_calibration[:1]})):
        assert (graph.shape(name), graph.values[name].dtype) == (value.shape, value.dtype.name), name
