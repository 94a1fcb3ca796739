"""What onnxruntime's CPU kernels take beside their inputs and outputs, in bytes, and which results they do not store.

For one thread; tests/allocation compares it with what a counting allocator counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinyfoa_rt.allocation.packed_kernels import PACKED_KERNELS
from tinyfoa_rt.allocation.shapes import Value, broadcast

__all__ = ["ALIASES", "IN_PLACE", "working_blocks"]

# Their result is their first input under another shape.
ALIASES = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
# Their result, of the same shape, is written over their first input where onnxruntime knows shapes before it runs.
IN_PLACE = frozenset({"Clip"})
_REAL = 4  # bytes of float32
_CONV_BUFFER = 4 * 128 * 128

Rule = Callable[[Sequence[Value], Sequence[Value], Mapping[str, Any]], list[int]]


def working_blocks(
    op_type: str, inputs: Sequence[Value | None], outputs: Sequence[Value], attributes: Mapping[str, Any]
) -> list[int]:
    """Return the sizes of the blocks that a kernel takes while it runs and then gives back."""
    if op_type in PACKED_KERNELS:
        return PACKED_KERNELS[op_type](inputs, outputs, attributes)
    rule = _RULES.get(op_type)
    return rule([each for each in inputs if each is not None], outputs, attributes) if rule is not None else []


def _conv(inputs: Sequence[Value], outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """All of im2col of one image and group where there are more outputs than positions, else a buffer of fixed size.

    Nothing for windows of one element, since im2col is the image itself; nor for windows as wide as an image of one channel, as
    each of its rows is a part of that.
    """
    x, w = inputs[:2]
    ones = (1,) * (len(w.shape) - 2)
    is_dense = {*attributes.get("strides", ones)} <= {1} and not any(attributes.get("pads", ()))
    is_single = {*w.shape[2:]} <= {1}
    is_wide = w.shape[1] == 1 and len(w.shape) <= 4 and w.shape[-1] == x.shape[-1] and {*attributes.get("dilations", ones)} <= {1}
    if is_dense and (is_single or is_wide):
        return []
    filters = w.shape[0] // attributes.get("group", 1)
    positions = math.prod(outputs[0].shape[2:])
    return [_REAL * positions * math.prod(w.shape[1:]) if filters > positions else _CONV_BUFFER]


def _conv_transpose(inputs: Sequence[Value], outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """What one image hands back through the filters of one group, before it is added up."""
    errors, w = inputs[:2]
    return [_REAL * math.prod(errors.shape[2:]) * math.prod(w.shape[1:])]


def _where(inputs: Sequence[Value], outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """Both of its sides where they are chosen: each has the shape of the condition and that side."""
    condition, *sides = inputs
    return [math.prod(broadcast(condition, side)) * side.item_nbytes for side in sides]


_RULES: Mapping[str, Rule] = {"Conv": _conv, "ConvTranspose": _conv_transpose, "Where": _where}
