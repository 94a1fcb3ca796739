"""An emitted step in float64 under onnx's reference evaluator, so that finite differences have digits to spare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from tests.ops.one_node import ConvTranspose
from tests.ops.references.pooling import places
from tinyfoa_rt.operators.geometry import explicit_window

__all__ = ["Float64Step", "in_float64", "with_defaults"]

Array = NDArray[Any]
Ints = Sequence[int]


class LRN(OpRun):
    """Of the ONNX operator set; onnx's reference evaluator normalizes only as many channels as there are samples."""

    op_domain = ""

    def _run(self, x: Array, *, alpha: float, beta: float, bias: float, size: int) -> tuple[Array]:
        before, after = (size - 1) // 2, size // 2
        energy = [(x[:, max(0, c - before) : c + after + 1] ** 2).sum(axis=1) for c in range(x.shape[1])]
        return (x * (bias + alpha / size * np.stack(energy, axis=1)) ** -beta,)


class MaxPool(OpRun):
    """Of the ONNX operator set; onnx's reference evaluator has wrong places for some windows, and does not know SAME_LOWER."""

    op_domain = ""

    def _run(
        self, x: Array, *, kernel_shape: Ints, ceil_mode: int | None = None, storage_order: int | None = None, **others: Any
    ) -> tuple[Array, ...]:  # fmt: skip
        given = {"kernel_shape": kernel_shape, **{name: value for name, value in others.items() if value is not None}}
        window: dict[str, Any] = {**explicit_window(x.shape[2:], given)}
        kernel, strides, dilations, pads = window.values()
        image, rank = x.shape[2:], x.ndim - 2
        free = [image[a] + pads[a] + pads[a + rank] - dilations[a] * (kernel[a] - 1) - 1 for a in range(rank)]
        size = [-(-free[a] // strides[a]) + 1 if ceil_mode else free[a] // strides[a] + 1 for a in range(rank)]
        # A window that would begin behind the image and its first pads is none.
        size = [min(size[a], -(-(image[a] + pads[a]) // strides[a])) for a in range(rank)]
        y, flat = np.empty((*x.shape[:2], *size)), np.empty((*x.shape[:2], *size), dtype=np.int64)
        for index in np.ndindex(*size):
            seen = [place for place, is_inside in places(index, image, (kernel, strides, dilations, pads)) if is_inside]
            spots = np.ravel_multi_index(np.transpose(seen), image)
            values = x.reshape(*x.shape[:2], -1)[:, :, spots]
            y[(..., *index)], flat[(..., *index)] = values.max(axis=2), spots[values.argmax(axis=2)]
        channels = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * rank)
        return (y, flat + channels * int(np.prod(image)))[: len(self.onnx_node.output)]


class Float64Step:
    """Runs a step on feeds of any precision."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = in_float64(model)
        onnx.checker.check_model(self.model, full_check=True)
        self._evaluator = ReferenceEvaluator(self.model, new_ops=[ConvTranspose, LRN, MaxPool])
        self.inputs = [each.name for each in self.model.graph.input]
        self._outputs = [each.name for each in self.model.graph.output]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name."""
        given = {name: _wide(np.asarray(feeds[name])) for name in self.inputs}
        outputs = self._evaluator.run(None, given)
        assert isinstance(outputs, list)
        return dict(zip(self._outputs, outputs))

    def loss(self, feeds: Mapping[str, Array]) -> float:
        return float(self.run(feeds)["#loss"])


def with_defaults(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, each call of a function with all of its attributes: onnx's inliner knows no defaults."""
    explicit: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    defaults = {each.name: list(each.attribute_proto) for each in explicit.functions}
    for nodes in (explicit.graph.node, *(each.node for each in explicit.functions)):
        for node in nodes:
            given = {attribute.name for attribute in node.attribute}
            node.attribute.extend(each for each in defaults.get(node.op_type, []) if each.name not in given)
    return explicit


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined and every float32 (inputs, outputs, constants, casts) turned into float64."""
    wide: onnx.ModelProto = onnx.inliner.inline_local_functions(with_defaults(model))
    graph = wide.graph
    for info in (*graph.input, *graph.output):
        if info.type.tensor_type.elem_type == TensorProto.FLOAT:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    del graph.value_info[:]
    for tensor in graph.initializer:
        _widen(tensor)
    for node in graph.node:
        _widen_attributes(node.op_type, node.attribute)
    return wide


def _widen_attributes(op_type: str, attributes: Iterable[onnx.AttributeProto]) -> None:
    for attribute in attributes:
        if attribute.HasField("t"):
            _widen(attribute.t)
        elif op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
        elif op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            values = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            tensor = numpy_helper.from_array(np.array(values, dtype=np.float64))
            attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def _wide(value: Array) -> Array:
    return value.astype(np.float64) if value.dtype == np.float32 else value
