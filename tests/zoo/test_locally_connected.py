"""LocallyConnected: its function body equals a loop over locations, in onnxruntime and in onnx's reference evaluator."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tinyfoa_rt.zoo import build_model
from tinyfoa_rt.zoo.build import locally_connected_function

Array = npt.NDArray[np.float32]
# Sums of at most 5 * 3 * 3 products of numbers below 1: 45 roundings of a partial sum below 45 stay under 1.3e-4.
TOLERANCE = 1.3e-4


@dataclass(frozen=True)
class Window:
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]


WINDOWS = [
    Window((3, 3), (1, 1), (0, 0, 0, 0)),
    Window((3, 2), (2, 1), (1, 0, 2, 1)),
    Window((1, 1), (1, 1), (0, 0, 0, 0)),
    Window((2, 3), (3, 2), (0, 1, 0, 1)),
]


def by_loop(x: Array, w: Array, b: Array, window: Window) -> npt.NDArray[np.float64]:
    """Y[n, :, i, j] = patch(n, i, j) . W[i * W_out + j] + B[:, i, j], in double precision."""
    top, left, bottom, right = window.pads
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    channels, height, width = b.shape
    result = np.zeros((len(x), channels, height, width))
    for n, i, j in np.ndindex(len(x), height, width):
        row, column = i * window.strides[0], j * window.strides[1]
        patch = padded[n, :, row : row + window.kernel[0], column : column + window.kernel[1]]
        result[n, :, i, j] = patch.reshape(-1) @ w[i * width + j].astype(np.float64) + b[:, i, j]
    return result


def example(window: Window, batch: int, channels: int) -> tuple[Array, Array, Array]:
    """X (N, C, 7, 6) with its W and B for four output channels, all in [-1, 1)."""
    rng = np.random.default_rng(3)
    height = (7 + window.pads[0] + window.pads[2] - window.kernel[0]) // window.strides[0] + 1
    width = (6 + window.pads[1] + window.pads[3] - window.kernel[1]) // window.strides[1] + 1
    rows = channels * window.kernel[0] * window.kernel[1]
    shapes = ((batch, channels, 7, 6), (height * width, rows, 4), (4, height, width))
    x, w, b = (rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes)
    return x, w, b


def one_node_model(window: Window) -> onnx.ModelProto:
    attributes: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.strides, "pads": window.pads}
    node = helper.make_node("LocallyConnected", ["X", "W", "B"], ["Y"], name="lc1", domain="tinyfoa", **attributes)
    ranks = {"X": 4, "W": 3, "B": 3}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in ranks.items()]
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None] * 4)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("tinyfoa", 1)]
    graph = helper.make_graph([node], "one_node", inputs, [output])
    return helper.make_model(graph, opset_imports=opsets, functions=[locally_connected_function()], ir_version=9)


@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (3, 5)])
@pytest.mark.parametrize("window", WINDOWS)
def test_it_equals_a_loop(window: Window, batch: int, channels: int) -> None:
    x, w, b = example(window, batch, channels)
    expected = by_loop(x, w, b, window)
    model = one_node_model(window)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"X": x, "W": w, "B": b}
    evaluators: list[Any] = [session, ReferenceEvaluator(model)]
    for evaluator in evaluators:
        (result,) = evaluator.run(None, feed)
        np.testing.assert_allclose(result, expected, rtol=0, atol=TOLERANCE)


def test_the_tolerance_refuses_an_output_that_is_one_percent_wrong() -> None:
    x, w, b = example(WINDOWS[0], 3, 5)
    expected = by_loop(x, w, b, WINDOWS[0])
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(1.01 * expected, expected, rtol=0, atol=TOLERANCE)


def test_the_models_carry_the_function_and_declare_its_outputs() -> None:
    model = build_model("lc-1x13x13-5")
    assert [(function.domain, function.name) for function in model.functions] == [("tinyfoa", "LocallyConnected")]
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18, "tinyfoa": 1}
    declared = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim[1:]] for value in model.graph.value_info}
    assert declared == {"lc1": [16, 11, 11], "lc2": [32, 9, 9], "lc3": [64, 7, 7], "lc4": [64, 5, 5]}
    assert not build_model("ds-cnn-kws").functions
