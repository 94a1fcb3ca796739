"""Small models that tests build: each function returns an ``onnx.ModelProto`` with seeded weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load

__all__ = ["ModelBuilder", "conv_net", "mlp", "residual_net"]


class ModelBuilder:
    """Writes a model node by node; every method returns the name of the value that it adds."""

    def __init__(self, input_shape: Sequence[int], seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._input = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *input_shape])

    def weight(self, *shape: int) -> str:
        name = f"w{len(self._initializers)}"
        values = self._rng.normal(0, 0.1, shape).astype(np.float32)
        self._initializers.append(numpy_helper.from_array(values, name))
        return name

    def ints(self, *values: int) -> str:
        name = f"i{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def scalar(self, value: float) -> str:
        name = f"s{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.array(value, dtype=np.float32), name))
        return name

    def vector(self, *values: float, shape: Sequence[int] = (-1,)) -> str:
        name = f"v{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.array(values, dtype=np.float32).reshape(shape), name))
        return name

    def node(self, op_type: str, inputs: Sequence[str], name: str = "", **attributes: object) -> str:
        name = name or f"{op_type.lower()}{len(self._nodes)}"
        output = f"{name}_out"
        self._nodes.append(helper.make_node(op_type, list(inputs), [output], name=name, **attributes))  # type: ignore[arg-type]
        return output

    def dense(self, x: str, n_in: int, n_out: int, name: str = "") -> str:
        return self.node("Gemm", (x, self.weight(n_out, n_in), self.weight(n_out)), name, transB=1)

    def conv(self, x: str, channels: tuple[int, int], kernel: int = 3, name: str = "", **attributes: object) -> str:
        c_in, c_out = channels
        group = int(attributes.get("group", 1))  # type: ignore[call-overload]
        padding = [kernel // 2] * 4
        weight = self.weight(c_out, c_in // group, kernel, kernel)
        return self.node("Conv", (x, weight, self.weight(c_out)), name, **{"pads": padding, **attributes})

    def model(self, *outputs: str) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self._nodes, "small", [self._input], infos, self._initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    def load(self, folder: Path, *outputs: str) -> Graph:
        """Save the model and load it as a user would."""
        return load_model(self.model(*outputs), folder)


def load_model(model: onnx.ModelProto, folder: Path) -> Graph:
    path = folder / "small.onnx"
    onnx.save(model, path)
    return load(path)


def mlp(sizes: Sequence[int] = (8, 16, 12, 4)) -> onnx.ModelProto:
    """Dense layers with Relu between them; layers are named fc1, fc2, ..."""
    builder = ModelBuilder(sizes[:1])
    x = "input"
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        x = builder.dense(x, n_in, n_out, f"fc{i + 1}")
        if i + 2 < len(sizes):
            x = builder.node("Relu", (x,))
    return builder.model(x)


def conv_net() -> onnx.ModelProto:
    """conv1 - Relu - MaxPool - conv2 (depthwise) - Relu - GlobalAveragePool - Flatten - fc, on 3x8x8 and 5 classes."""
    builder = ModelBuilder((3, 8, 8))
    x = builder.node("Relu", (builder.conv("input", (3, 8), name="conv1"),))
    x = builder.node("MaxPool", (x,), kernel_shape=[2, 2], strides=[2, 2])
    x = builder.node("Relu", (builder.conv(x, (8, 8), name="conv2", group=8),))
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (x,)),))
    return builder.model(builder.dense(x, 8, 5, "fc"))


def residual_net() -> onnx.ModelProto:
    """A residual block whose two convolutions of one depth share an Add, and an identity shortcut after it."""
    builder = ModelBuilder((4, 6, 6))
    left = builder.conv("input", (4, 8), name="left")
    right = builder.conv("input", (4, 8), 1, name="right")
    x = builder.node("Relu", (builder.node("Add", (left, right)),))
    y = builder.conv(x, (8, 8), name="inner")
    x = builder.node("Relu", (builder.node("Add", (x, y)),), name="joined")
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (x,)),))
    return builder.model(builder.dense(x, 8, 3, "fc"))
