"""A model exported at a fixed batch above 1: binding it to 1 must not contradict what is written into it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.infer import Inferred, infer
from tinyfoa_rt.model.nodes import is_default_domain, node_place
from tinyfoa_rt.model.shapes import bind_inputs

__all__ = ["check_reshapes", "infer_at_batch_one"]

_MEND = "export the model with batch 1 or a dynamic batch"


def infer_at_batch_one(draft: Draft, shapes: Mapping[str, Sequence[int]]) -> Inferred:
    """Type every value at batch 1, whatever batch the file was exported at.

    Raises:
        UnsupportedError: the model holds together at its own batch only.
        ModelError: it does not hold together at all.
    """
    inputs = bind_inputs(draft, shapes)
    batch = inputs.fixed_batch
    if batch == 1:
        return infer(draft, inputs)
    whole = infer(draft, bind_inputs(draft, shapes, batch=batch))
    try:
        single = infer(draft, inputs)
    except ModelError as error:
        raise UnsupportedError(error.place, f"fits batch {batch} only: at batch 1 it {error.problem}", _MEND) from error
    for node in single.nodes:
        _check_node(node, single, whole, batch)
    return single


def _check_node(node: onnx.NodeProto, single: Inferred, whole: Inferred, batch: int) -> None:
    """Refuse a node whose result keeps the file's batch as its leading dimension."""
    for name in node.output:
        one, all_ = single.tensor_shape(name), whole.tensor_shape(name)
        if one is None or all_ is None or name not in single.batched or not one[1]:
            continue
        is_stuck = one[1] == all_[1] and one[1][0] % batch == 0
        if is_stuck or _holds_batch(node, single, batch):
            problem = f"fixes the batch at {batch}: '{name}' has the shape {'x'.join(map(str, one[1]))} at batch 1"
            raise UnsupportedError(node_place(node), problem, _MEND)


def _holds_batch(node: onnx.NodeProto, single: Inferred, batch: int) -> bool:
    """Whether a Reshape writes the batch, or a multiple of it, as its leading dimension."""
    if node.op_type != "Reshape" or not is_default_domain(node) or node.input[1] not in single.constants:
        return False
    source, target = single.tensor_shape(node.input[0]), single.constants.read(node.input[1]).reshape(-1)
    if source is None or source[1][:1] != (1,) or target.size == 0:
        return False
    return int(target[0]) > 0 and int(target[0]) % batch == 0


def check_reshapes(inferred: Inferred) -> None:
    """Refuse a Reshape that changes the number of elements: ONNX's own rule does not compare them.

    Raises:
        UnsupportedError: a target needs another number of elements than there are.
    """
    for node in inferred.nodes:
        if node.op_type != "Reshape" or not is_default_domain(node):
            continue
        before, after = inferred.tensor_shape(node.input[0]), inferred.tensor_shape(node.output[0])
        if before is not None and after is not None and math.prod(before[1]) != math.prod(after[1]):
            shown = " to ".join("x".join(map(str, shape[1])) for shape in (before, after))
            raise UnsupportedError(node_place(node), f"reshapes {shown}, another number of elements", _MEND)
