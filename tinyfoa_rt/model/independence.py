"""Whether each sample of a model of a fixed batch is computed alone, told by the shapes at that batch and at twice of it.

Every value that is computed from an input must have one axis that is as many times as long as the batch, and no operator may
combine what lies along it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.model.infer import Inferred
from tinyfoa_rt.model.nodes import is_default_domain, node_place, read_attributes

__all__ = ["MEND", "Doubling", "check_branches", "check_independence"]

MEND = "export the model with a dynamic batch"
# Operators that combine positions along an axis: their attribute, and the axis where it is absent.
_ALONG_AXIS = {"Hardmax": -1, "LogSoftmax": -1, "LpNormalization": -1, "Softmax": -1}
_LAST_AS_MATRIX = 12  # up to this operator set Softmax and its like combine all axes from theirs on, by default from 1
_SAMPLES_FIRST = frozenset(
    ("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool", "GlobalMaxPool",
     "GroupNormalization", "InstanceNormalization", "LRN", "LpPool", "MaxPool", "SpaceToDepth")
)  # fmt: skip


@dataclass(frozen=True)
class Doubling:
    """Two walks over a draft: at its own batch, and at twice of it."""

    own: Inferred
    doubled: Inferred
    batch: int

    def axis(self, name: str) -> int | None:
        """The axis of a value that the samples lie along: the only one that doubles, and a multiple of the batch."""
        one, two = self.own.tensor_shape(name), self.doubled.tensor_shape(name)
        if one is None or two is None or len(one[1]) != len(two[1]):
            return None
        axes = [axis for axis, sizes in enumerate(zip(one[1], two[1])) if sizes[0] != sizes[1]]
        is_samples = len(axes) == 1 and two[1][axes[0]] == 2 * one[1][axes[0]] and one[1][axes[0]] % self.batch == 0
        return axes[0] if is_samples else None

    def is_same(self, name: str) -> bool:
        """Whether a constant is known to be the same at both batches."""
        if not name or name not in self.own.constants or name not in self.doubled.constants:
            return False
        arrays = [walk.constants.read_if_cheap(name) for walk in (self.own, self.doubled)]
        return arrays[0] is not None and arrays[1] is not None and np.array_equal(*arrays)  # type: ignore[arg-type]


def check_independence(doubling: Doubling, opset: int) -> None:
    """Refuse a draft in which samples may depend on each other, or on the batch.

    Raises:
        UnsupportedError: they may.
    """
    for node in doubling.doubled.nodes:
        axis = doubling.axis(node.input[0]) if node.input else None
        if axis is not None and is_default_domain(node) and _combines(node, axis, doubling, opset):
            raise _refuse(node, doubling, f"combines what lies along dimension {axis} of '{node.input[0]}', the samples")
        for name in node.output:
            one, two = (walk.tensor_shape(name) for walk in (doubling.own, doubling.doubled))
            if name in doubling.doubled.batched and one and two and doubling.axis(name) is None:
                shown = " and ".join("x".join(map(str, shape[1])) or "a scalar" for shape in (one, two))
                raise _refuse(node, doubling, f"'{name}' is {shown} at {doubling.batch} and {2 * doubling.batch} samples")


def check_branches(doubling: Doubling) -> None:
    """Refuse a draft that takes another branch at twice its batch.

    Raises:
        UnsupportedError: it does.
    """
    taken = {name for node in doubling.doubled.visited for name in node.output}
    for node in doubling.own.visited:
        if any(name not in taken for name in node.output):
            raise _refuse(node, doubling, "is computed at that batch only, behind an If that asks for it")


def _refuse(node: onnx.NodeProto, doubling: Doubling, why: str) -> UnsupportedError:
    return UnsupportedError(node_place(node), f"fixes the batch at {doubling.batch}, as the model's inputs do: {why}", MEND)


def _combines(node: onnx.NodeProto, axis: int, doubling: Doubling, opset: int) -> bool:
    """Whether an operator combines what lies along an axis of its first input."""
    shape = doubling.own.tensor_shape(node.input[0])
    assert shape is not None
    rank = len(shape[1])
    attributes: Mapping[str, Any] = read_attributes(node)
    if node.op_type in ("GRU", "LSTM", "RNN"):
        return axis != 1 - int(attributes.get("layout", 0))
    if node.op_type == "LayerNormalization":
        return axis >= int(attributes.get("axis", -1)) % rank
    if node.op_type == "CumSum":
        index = doubling.own.constants.read_if_cheap(node.input[1]) if node.input[1] in doubling.own.constants else None
        return index is None or axis == int(index.reshape(-1)[0]) % rank
    if node.op_type in _ALONG_AXIS:
        is_matrix = opset <= _LAST_AS_MATRIX and node.op_type != "LpNormalization"
        along = int(attributes.get("axis", 1 if is_matrix else _ALONG_AXIS[node.op_type])) % rank
        return axis >= along if is_matrix else axis == along
    return node.op_type in _SAMPLES_FIRST and axis != 0
