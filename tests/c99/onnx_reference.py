"""ONNX's reference evaluator in float64, and how far a float32 kernel may be from it.

Tolerances are bounds, not measurements: a float32 sum of n terms, in any order, is off by at most gamma(n) times the sum of the
terms' magnitudes, gamma(n) = n u / (1 - n u) with u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
The evaluator gives that sum as well, from the magnitudes of the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.ops.references.conv import conv_input_grad

__all__ = ["UNIT_ROUNDOFF", "Array", "Real", "check_sum", "conv_input_gradient", "drawn", "on_onnxruntime", "reference"]

Array = NDArray[np.float32]
Real = NDArray[np.float64]
UNIT_ROUNDOFF = 2.0**-24


def reference(op_type: str, *inputs: NDArray[Any] | None, **attributes: Any) -> Real:
    """The operator's output in float64; integer inputs (a shape) keep their type."""
    wide = [each if each is None or each.dtype.kind == "i" else each.astype(np.float64) for each in inputs]
    model, feeds = _one_node_model(op_type, wide, attributes)
    (output,) = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(output, np.float64)


def conv_input_gradient(grad_z: NDArray[Any], w: NDArray[Any], size: Sequence[int], **window: Any) -> Real:
    """The gradient of the input (..., *size) of a Conv; the evaluator's ConvTranspose does not run with groups."""
    matrix = w.reshape(*w.shape[:2], -1).transpose(2, 1, 0).reshape(-1, len(w))
    shape = (len(grad_z), window["group"] * w.shape[1], *size)
    (grad_x,) = conv_input_grad(grad_z.astype(np.float64), matrix, input_shape=shape, **window)
    return np.asarray(grad_x, np.float64)


def on_onnxruntime(op_type: str, *inputs: Array, **attributes: Any) -> Array:
    """The operator's output in float32 on onnxruntime: for pools, whose pads the reference evaluator shifts with ceil_mode."""
    model, feeds = _one_node_model(op_type, inputs, attributes)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def _one_node_model(
    op_type: str, inputs: Sequence[NDArray[Any] | None], attributes: dict[str, Any]
) -> tuple[onnx.ModelProto, dict[str, NDArray[Any]]]:
    names = ["" if value is None else f"x{index}" for index, value in enumerate(inputs)]
    feeds = {name: value for name, value in zip(names, inputs) if value is not None}
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    infos = [helper.make_tensor_value_info(name, types[name], value.shape) for name, value in feeds.items()]
    output = helper.make_tensor_value_info("y", types["x0"], None)
    graph = helper.make_graph([helper.make_node(op_type, names, ["y"], **attributes)], op_type, infos, [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), feeds


def check_sum(actual: Array, expected: Real, magnitude: Real, roundings: int) -> None:
    """Assert that a result is the sum ``expected`` but for ``roundings`` roundings of terms that add up to ``magnitude``."""
    assert actual.shape == expected.shape
    gamma = roundings * UNIT_ROUNDOFF / (1 - roundings * UNIT_ROUNDOFF)
    assert np.all(np.abs(actual - expected) <= gamma * magnitude)


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
