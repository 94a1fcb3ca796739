"""Models in which the batch is more than the first axis, as exporters write them; each ends in a dense layer of 3 classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["FIXED", "OPEN", "BatchModel"]

_STEPS, _CHANNELS = 6, 8


class BatchModel:
    """A model under construction: input ``x`` of (batch, 6, 8) unless ``shape`` says otherwise."""

    def __init__(self, batch: int | str, shape: Sequence[int] = (_STEPS, _CHANNELS), opset: int = 17) -> None:
        self.batch = batch
        self.shape = tuple(shape)
        self._opset = opset
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, NDArray[Any]] = {}
        self._rng = np.random.default_rng(0)

    def add(
        self, op_type: str, inputs: Sequence[str | NDArray[Any] | int | list[int]], outputs: int = 1, **attributes: Any
    ) -> str:
        """Add a node; numbers among its inputs become initializers. Return the name of its last output."""
        names = [value if isinstance(value, str) else self.constant(np.array(value)) for value in inputs]
        made = [f"v{len(self._nodes)}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(op_type, names, made, name=made[0], **attributes))
        return made[-1]

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self._tensors)}"
        self._tensors[name] = value
        return name

    def weight(self, *shape: int) -> NDArray[np.float32]:
        return self._rng.normal(0, 0.5, shape).astype(np.float32)

    def samples(self) -> str:
        """The number of samples (1,), as exporters compute it."""
        return self.add("Unsqueeze", [self.add("Gather", [self.add("Shape", ["x"]), 0]), [0]])

    def sizes(self, *parts: str | int) -> str:
        """A shape of numbers and of what is computed."""
        return self.add("Concat", [part if isinstance(part, str) else [part] for part in parts], axis=0)

    def finish(self, features: str, num_features: int) -> bytes:
        """The model with a classifier behind ``features`` (N, num_features)."""
        weight, bias = self.constant(self.weight(3, num_features)), self.constant(self.weight(3))
        self._nodes.append(helper.make_node("Gemm", [features, weight, bias], ["y"], name="last", transB=1))
        graph = helper.make_graph(
            self._nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, *self.shape])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [self.batch, 3])],
            [numpy_helper.from_array(value, name) for name, value in self._tensors.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)], ir_version=8)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def _attention(m: BatchModel, sizes: Callable[..., str]) -> bytes:
    """nn.MultiheadAttention, sequence first: heads are merged into the batch."""
    t = m.add("Transpose", ["x"], perm=[1, 0, 2])
    heads = m.add("Mul", [m.samples(), [2]]) if isinstance(m.batch, str) else 2
    parts = []
    for _ in "qkv":
        product = m.add("MatMul", [t, m.weight(_CHANNELS, _CHANNELS)])
        parts.append(m.add("Transpose", [m.add("Reshape", [product, sizes(_STEPS, heads, 4)])], perm=[1, 0, 2]))
    score = m.add("MatMul", [parts[0], m.add("Transpose", [parts[1]], perm=[0, 2, 1])])
    mixed = m.add("Transpose", [m.add("MatMul", [m.add("Softmax", [score], axis=-1), parts[2]])], perm=[1, 0, 2])
    samples = m.samples() if isinstance(m.batch, str) else 1
    rows = -1 if isinstance(m.batch, str) else _STEPS
    flat = m.add("Reshape", [mixed, sizes(rows, _CHANNELS)])  # rows in the order of steps, not of samples
    product = m.add("Gemm", [flat, m.weight(_CHANNELS, _CHANNELS), m.weight(_CHANNELS)])
    back = m.add("Transpose", [m.add("Reshape", [product, sizes(_STEPS, samples, _CHANNELS)])], perm=[1, 0, 2])
    return m.finish(m.add("Reshape", [back, sizes(samples, _STEPS * _CHANNELS)]), _STEPS * _CHANNELS)


def attention() -> bytes:
    m = BatchModel("N")
    return _attention(m, m.sizes)


def attention_of_dynamo() -> bytes:
    """As torch's dynamo exporter writes it, batch first: heads are an axis of their own."""
    m = BatchModel("s0", opset=18)
    parts = []
    for _ in "qkv":
        product = m.add("MatMul", ["x", m.weight(_CHANNELS, _CHANNELS)])
        rows = m.add("Reshape", [product, m.sizes(m.samples(), -1, 2, 4)], allowzero=1)
        parts.append(m.add("Transpose", [rows], perm=[0, 2, 1, 3]))
    score = m.add("MatMul", [parts[0], m.add("Transpose", [parts[1]], perm=[0, 1, 3, 2])])
    mask = m.add("Expand", [m.weight(1, 1, _STEPS, _STEPS), m.sizes(m.samples(), 1, _STEPS, _STEPS)])
    weights = m.add("Softmax", [m.add("Add", [score, mask])], axis=-1)
    mixed = m.add("Transpose", [m.add("MatMul", [weights, parts[2]])], perm=[0, 2, 1, 3])
    return m.finish(m.add("Reshape", [mixed, m.sizes(m.samples(), -1)], allowzero=1), _STEPS * _CHANNELS)


def class_token(opset: int = 17) -> bytes:
    """A vision transformer's token, repeated for each sample, and what stands at its place in the end."""
    m = BatchModel("N", opset=opset)
    token = m.add("Expand", [m.weight(1, 1, _CHANNELS), m.sizes(m.samples(), 1, 1)])
    return _token(m, token)


def class_token_by_where() -> bytes:
    """PyTorch's expand(n, -1, -1) as it is exported: -1 means 1, told by Equal and Where."""
    m = BatchModel("N")
    asked = m.sizes(m.samples(), -1, -1)
    ones = m.add("ConstantOfShape", [[3]], value=numpy_helper.from_array(np.array([1])))
    is_open = m.add("Equal", [asked, m.add("Mul", [ones, -1])])
    return _token(m, m.add("Expand", [m.weight(1, 1, _CHANNELS), m.add("Where", [is_open, ones, asked])]))


def class_token_by_tile() -> bytes:
    m = BatchModel("N")
    return _token(m, m.add("Tile", [m.weight(1, 1, _CHANNELS), m.sizes(m.samples(), 1, 1)]))


def _token(m: BatchModel, token: str | NDArray[np.float32]) -> bytes:
    joined = m.add("Concat", [token, "x"], axis=1)
    mixed = m.add("MatMul", [m.weight(_STEPS + 1, _STEPS + 1), m.add("Add", [joined, m.weight(1, _STEPS + 1, _CHANNELS)])])
    first = m.add("Slice", [mixed, [0], [1], [1]])
    return m.finish(m.add("Reshape", [first, [-1, _CHANNELS]]), _CHANNELS)


def _state(m: BatchModel, directions: int) -> str:
    """torch.zeros(directions, n, 8)."""
    zeros = numpy_helper.from_array(np.zeros(1, np.float32))
    return m.add("ConstantOfShape", [m.sizes(directions, m.samples(), 8)], value=zeros)


def _recurrent(m: BatchModel, op_type: str, states: Sequence[str | NDArray[Any]], directions: int = 1) -> str:
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[op_type] * 8
    x = m.add("Transpose", ["x"], perm=[1, 0, 2])
    given = [m.weight(directions, gates, _CHANNELS), m.weight(directions, gates, 8), m.weight(directions, 2 * gates)]
    direction = "bidirectional" if directions == 2 else "forward"
    return m.add(op_type, [x, *given, "", *states], 2, hidden_size=8, direction=direction)


def lstm() -> bytes:
    m = BatchModel("N")
    hidden = _recurrent(m, "LSTM", (_state(m, 1), _state(m, 1)))
    return m.finish(m.add("Squeeze", [hidden, [0]]), 8)


def gru_both_ways() -> bytes:
    m = BatchModel("N")
    hidden = _recurrent(m, "GRU", (_state(m, 2),), 2)
    return m.finish(m.add("Reshape", [m.add("Transpose", [hidden], perm=[1, 0, 2]), [-1, 16]]), 16)


def last_step() -> bytes:
    """The last step of a sequence that comes first: Gather and Slice on axis 0."""
    m = BatchModel("N")
    t = m.add("Transpose", ["x"], perm=[1, 0, 2])
    last = m.add("Gather", [t, -1], axis=0)
    first = m.add("Squeeze", [m.add("Slice", [t, [0], [1], [0]]), [0]])
    return m.finish(m.add("Concat", [last, first], axis=1), 2 * _CHANNELS)


def resized() -> bytes:
    """nn.functional.interpolate to twice the size, told by sizes."""
    m = BatchModel("N", (2, 4, 4))
    whole = m.add("Shape", ["x"])
    front = m.add("Slice", [whole, [0], [2], [0]])
    x = m.add("Resize", ["x", "", "", m.add("Concat", [front, [8, 8]], axis=0)], mode="nearest")
    return m.finish(m.add("Flatten", [x]), 2 * 64)


def merged() -> bytes:
    """Steps merged into the batch: view(-1, 8), Linear, view(-1, 30)."""
    m = BatchModel("N")
    rows = m.add("Reshape", ["x", [-1, _CHANNELS]])
    y = m.add("Relu", [m.add("Gemm", [rows, m.weight(_CHANNELS, 5), m.weight(5)])])
    return m.finish(m.add("Reshape", [y, [-1, 5 * _STEPS]]), 5 * _STEPS)


def merged_images() -> bytes:
    """Frames merged into the batch, as TimeDistributed does."""
    m = BatchModel("N", (3, 2, 6, 6))
    frames = m.add("Reshape", ["x", [-1, 2, 6, 6]])
    y = m.add(
        "MaxPool",
        [m.add("Relu", [m.add("Conv", [frames, m.weight(4, 2, 3, 3), m.weight(4)])])],
        kernel_shape=[2, 2],
        strides=[2, 2],
    )
    y = m.add("Softmax", [m.add("Add", [y, m.weight(4, 1, 1)])], axis=1)
    pooled = m.add("Flatten", [m.add("GlobalAveragePool", [y])])
    return m.finish(m.add("Reshape", [m.add("Mul", [pooled, m.weight(4)]), m.sizes(m.samples(), 12)]), 12)


def picked() -> bytes:
    """x[arange(n), argmax], as text encoders pick their last token."""
    m = BatchModel("N")
    place = m.add("ArgMax", [m.add("ReduceSum", ["x", [2]], keepdims=0)], axis=1, keepdims=0)
    count = m.add("Squeeze", [m.samples(), [0]])
    rows = m.add("Range", [0, count, 1])
    index = m.add("Concat", [m.add("Unsqueeze", [rows, [1]]), m.add("Unsqueeze", [place, [1]])], axis=1)
    return m.finish(m.add("GatherND", ["x", index]), _CHANNELS)


def counted() -> bytes:
    """A real number that depends on the batch: it is computed as it was."""
    m = BatchModel("N")
    count = m.add("Cast", [m.samples()], to=TensorProto.FLOAT)
    y = m.add("Div", ["x", m.add("Sqrt", [count])])
    return m.finish(m.add("Flatten", [y]), _STEPS * _CHANNELS)


def _written(m: BatchModel) -> Callable[..., str]:
    return lambda *parts: m.constant(np.array(parts))


def fixed_attention() -> bytes:
    m = BatchModel(1)
    return _attention(m, _written(m))


def fixed_class_token() -> bytes:
    m = BatchModel(1)
    return _token(m, m.weight(1, 1, _CHANNELS))


def fixed_gru() -> bytes:
    """A learnt first state."""
    m = BatchModel(1)
    hidden = _recurrent(m, "GRU", (m.weight(1, 1, 8),))
    return m.finish(m.add("Squeeze", [hidden, [0]]), 8)


def fixed_resized() -> bytes:
    m = BatchModel(1, (2, 4, 4))
    x = m.add("Resize", ["x", "", "", np.array([1, 2, 8, 8])], mode="nearest")
    return m.finish(m.add("Reshape", [x, [1, -1]]), 2 * 64)


def fixed_merged() -> bytes:
    m = BatchModel(1)
    rows = m.add("Reshape", ["x", [_STEPS, _CHANNELS]])
    y = m.add("Relu", [m.add("Gemm", [rows, m.weight(_CHANNELS, 5), m.weight(5)])])
    return m.finish(m.add("Reshape", [y, [1, 5 * _STEPS]]), 5 * _STEPS)


def fixed_at_four() -> bytes:
    m = BatchModel(4)
    rows = m.add("Reshape", ["x", [4 * _STEPS, _CHANNELS]])
    y = m.add("Tanh", [m.add("Gemm", [rows, m.weight(_CHANNELS, 5), m.weight(5)])])
    return m.finish(m.add("Reshape", [y, [4, 5 * _STEPS]]), 5 * _STEPS)


# By name: how the model is made, the shape of a sample, and whether C99 has kernels for all of it.
_FULL, _IMAGE = (_STEPS, _CHANNELS), (2, 4, 4)
OPEN: dict[str, tuple[Callable[[], bytes], tuple[int, ...], bool]] = {
    "attention": (attention, _FULL, True),
    "attention of dynamo": (attention_of_dynamo, _FULL, True),
    "class token": (class_token, _FULL, True),
    "class token, opset 13": (lambda: class_token(13), _FULL, True),
    "class token by Where": (class_token_by_where, _FULL, True),
    "class token by Tile": (class_token_by_tile, _FULL, True),
    "LSTM": (lstm, _FULL, False),
    "GRU both ways": (gru_both_ways, _FULL, False),
    "last step": (last_step, _FULL, False),
    "Resize by sizes": (resized, _IMAGE, False),
    "merged steps": (merged, _FULL, True),
    "merged frames": (merged_images, (3, 2, 6, 6), True),
    "picked": (picked, _FULL, False),
    "counted": (counted, _FULL, True),
}
FIXED: dict[str, tuple[Callable[[], bytes], tuple[int, ...], bool]] = {
    "attention": (fixed_attention, _FULL, True),
    "class token": (fixed_class_token, _FULL, True),
    "GRU": (fixed_gru, _FULL, False),
    "Resize by sizes": (fixed_resized, _IMAGE, False),
    "merged steps": (fixed_merged, _FULL, True),
    "merged steps of four": (fixed_at_four, _FULL, True),
}
