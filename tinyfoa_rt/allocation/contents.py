"""Operators whose results are sizes, or lead to them, computed before the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["COMPUTED", "split_lengths"]

Attributes = Mapping[str, Any]
# By the numbers of ONNX's element types.
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 12: np.uint32}


def split_lengths(length: int, given: Sequence[int] | None, count: int) -> Sequence[int]:
    """How long the parts are that Split makes."""
    if given is not None:
        return given
    part = -(-length // count)
    return [min(part, length - part * index) for index in range(count)]


def _divide(contents: Sequence[Any], attributes: Attributes) -> list[Any]:
    a, b = contents
    return [a // b if a.dtype.kind in "iu" else a / b]


def _axes(axes: Any) -> tuple[int, ...]:
    return tuple(int(axis) for axis in axes)


def _slice_content(contents: Sequence[Any], attributes: Attributes) -> list[Any]:
    x, starts, ends, *rest = contents
    axes = rest[0] if rest and rest[0] is not None else range(len(starts))
    cut = [slice(None)] * x.ndim
    for axis, start, end in zip(axes, starts, ends):
        cut[int(axis)] = slice(int(start), int(end))
    return [x[tuple(cut)]]


def _reshape_content(contents: Sequence[Any], attributes: Attributes) -> list[Any]:
    x, target = contents
    return [x.reshape([x.shape[axis] if length == 0 else int(length) for axis, length in enumerate(target)])]


def _split_content(contents: Sequence[Any], attributes: Attributes) -> list[Any]:
    x, *given = contents
    axis = attributes.get("axis", 0)
    count = attributes.get("num_outputs", 0) or len(given[0])
    lengths = split_lengths(x.shape[axis], None if not given or given[0] is None else [int(n) for n in given[0]], count)
    return list(np.split(x, np.cumsum(lengths)[:-1], axis=axis))


def _filled(contents: Sequence[Any], attributes: Attributes) -> list[Any]:
    value = attributes.get("value", np.zeros(1, dtype=np.float32))
    return [np.full(_axes(contents[0]), value.reshape(-1)[0])]


# By operator: contents of the inputs and attributes to those of the outputs.
COMPUTED: Mapping[str, Callable[[Sequence[Any], Attributes], list[Any]]] = {
    "Add": lambda c, a: [c[0] + c[1]],
    "Sub": lambda c, a: [c[0] - c[1]],
    "Mul": lambda c, a: [c[0] * c[1]],
    "Div": _divide,
    "Mod": lambda c, a: [c[0] % c[1]],
    "Neg": lambda c, a: [-c[0]],
    "Min": lambda c, a: [np.minimum.reduce(c)],
    "Max": lambda c, a: [np.maximum.reduce(c)],
    "Cast": lambda c, a: [c[0].astype(_DTYPES[a["to"]])],
    "Concat": lambda c, a: [np.concatenate(c, axis=a["axis"])],
    "Gather": lambda c, a: [np.take(c[0], c[1], axis=a.get("axis", 0))],
    "Slice": _slice_content,
    "Split": _split_content,
    "Reshape": _reshape_content,
    "Squeeze": lambda c, a: [np.squeeze(c[0], axis=_axes(c[1]))],
    "Unsqueeze": lambda c, a: [np.expand_dims(c[0], axis=_axes(c[1]))],
    "ConstantOfShape": _filled,
    "Expand": lambda c, a: [np.broadcast_to(c[0], np.broadcast_shapes(c[0].shape, _axes(c[1])))],
    "Range": lambda c, a: [np.arange(*c, dtype=c[0].dtype)],
    "ReduceProd": lambda c, a: [np.prod(c[0], keepdims=bool(a.get("keepdims", 1)))],
}
