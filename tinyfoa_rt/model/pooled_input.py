"""Input reduction: means of K x K (images) or of K (signals) in front of a model, which then reads an input as much smaller.

Whoever runs the model gives it raw samples: the means are its first node. Weights of convolutions are used at fewer positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx
from onnx import TensorProto, helper

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.nodes import captured_names, subgraphs
from tinyfoa_rt.model.shapes import bind_inputs, static_dims

__all__ = ["MEND", "with_pooled_input"]

_LARGEST = 64
MEND = "leave it out, or make the model anew for a smaller input ('tinyfoa-rt zoo NAME --pool-input K' does)"


def with_pooled_input(draft: Draft, size: int, shapes: Mapping[str, Sequence[int]]) -> Draft:
    """Return the draft with means of its input in front; where the input does not divide evenly, the last ones are of fewer.

    What the file declares of values inside is left out: it was of the larger input.

    Args:
        draft: of a model with one input of real numbers, (N, channels, positions) or (N, channels, height, width).
        size: K, of every axis of positions.
        shapes: of inputs, as they were given to the loader.

    Raises:
        UsageError: ``size`` is out of range.
        UnsupportedError: the model has another input.
    """
    place = f"--pool-input {size}"
    if not 2 <= size <= _LARGEST:
        raise UsageError(place, f"is not between 2 and {_LARGEST}", "write 2 for means of 2x2")
    types = bind_inputs(draft, shapes).types
    name = next(iter(types))
    positions = _positions(types[name], place) if len(types) == 1 else ()
    if not positions or any(name in captured_names(graph) for node in draft.nodes for graph in subgraphs(node)):
        raise UnsupportedError(place, "is for models with one input of real numbers, (N, channels, positions) or images", MEND)
    if size > min(positions):
        raise UnsupportedError(place, f"is more than the input has, {'x'.join(map(str, positions))}", "use a smaller number")
    known = {*draft.inputs, *draft.tensors, *(output for node in draft.nodes for output in node.output)}
    pooled = f"{name}_pooled"
    while pooled in known:
        pooled += "_"
    pads = [0] * len(positions) + [-length % size for length in positions]
    window = [size] * len(positions)
    means = helper.make_node("AveragePool", [name], [pooled], name=pooled, kernel_shape=window, strides=window, pads=pads)
    return replace(draft, nodes=(means, *(_reading(node, name, pooled) for node in draft.nodes)), declared={})


def _positions(declared: onnx.TypeProto, place: str) -> tuple[int, ...]:
    """The lengths of an input's axes behind the channels; none where it has none, or holds no real numbers."""
    dims = static_dims(declared, {})
    if dims is None or len(dims) not in (3, 4) or declared.tensor_type.elem_type != TensorProto.FLOAT:
        return ()
    if len(dims) == 4 and dims[3] < min(dims[1:3]):
        raise UnsupportedError(place, f"is for channels first, and the input is {'x'.join(map(str, dims[1:]))}", MEND)
    return tuple(dims[2:])


def _reading(node: onnx.NodeProto, name: str, pooled: str) -> onnx.NodeProto:
    """The node, with the means in the place of the input."""
    if name not in node.input:
        return node
    found = onnx.NodeProto()
    found.CopyFrom(node)
    found.input[:] = [pooled if each == name else each for each in node.input]
    return found
