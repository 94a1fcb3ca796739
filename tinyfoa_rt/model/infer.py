"""One walk over the nodes: types forward, constants aside, so that every later shape is known when it is asked for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.branches import take_branch
from tinyfoa_rt.model.constants import SMALL_SIZE, Constants, TensorShape
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.functions import KEPT_DOMAIN
from tinyfoa_rt.model.fused_rules import has_fused_rule, infer_fused_outputs
from tinyfoa_rt.model.loops import infer_loop_outputs
from tinyfoa_rt.model.ml_rules import infer_ml_outputs
from tinyfoa_rt.model.nodes import is_default_domain, node_place, read_names
from tinyfoa_rt.model.quantized_rules import has_quantized_rule, infer_quantized_outputs
from tinyfoa_rt.model.registered_rules import infer_registered_outputs
from tinyfoa_rt.model.rules import infer_outputs
from tinyfoa_rt.model.schema import has_schema
from tinyfoa_rt.model.shapes import BoundInputs, Dims, static_dims, tensor_type
from tinyfoa_rt.model.tensors import ELEMENT_TYPES, check_dims
from tinyfoa_rt.model.windows import without_late_windows
from tinyfoa_rt.operators import standard_operator

__all__ = ["Inferred", "Rewrite", "infer"]

_SCALE_READERS = frozenset(("Range", "Resize", "Upsample"))
_DATA_SHAPED = frozenset(("Compress", "NonMaxSuppression", "NonZero", "Unique"))


@dataclass(frozen=True)
class Inferred:
    """What the walk found.

    Attributes:
        visited: every node in topological order, ``If`` branches of known condition taken.
        nodes: those of them that compute no constant.
        types: of every value that is no constant, as far as it could be told.
        constants: all others.
        batched: the values that depend on a data input.
    """

    visited: list[onnx.NodeProto]
    nodes: list[onnx.NodeProto]
    types: dict[str, onnx.TypeProto]
    constants: Constants
    batched: set[str]

    def tensor_shape(self, name: str) -> TensorShape | None:
        """Element type and dimensions of a value, or ``None`` where they are not both known."""
        if name in self.constants:
            return self.constants.types[name]
        declared = self.types.get(name)
        dims = static_dims(declared, {})
        if declared is None or dims is None or declared.tensor_type.elem_type not in ELEMENT_TYPES:
            return None
        return declared.tensor_type.elem_type, dims


Rewrite = Callable[[onnx.NodeProto, Inferred], Sequence[onnx.NodeProto]]


def infer(draft: Draft, inputs: BoundInputs, rewrite: Rewrite | None = None) -> Inferred:
    """Type every value that the draft's nodes write, folding what is constant.

    Args:
        draft: its nodes in order.
        inputs: the types of its inputs.
        rewrite: returns what takes a node's place when all that it reads is known.

    Raises:
        ModelError: a node whose inputs do not fit together, or a tensor of an impossible size.
    """
    constants = Constants(draft.tensors, draft.folder, draft.opsets[""])
    found = Inferred([], [], dict(inputs.types), constants, set(inputs.types))
    pending = deque(draft.nodes)
    while pending:
        node = pending.popleft()
        condition = _known_condition(node, constants)
        if condition is None:
            for each in rewrite(node, found) if rewrite else (node,):
                found.visited.append(each)
                _visit(each, draft, inputs, found)
            continue
        branch = take_branch(node, condition=condition)
        for name, tensor in branch.tensors.items():
            constants.add_tensor(name, tensor)
        pending.extendleft(reversed(branch.nodes))
    return found


def _known_condition(node: onnx.NodeProto, constants: Constants) -> bool | None:
    if node.op_type != "If" or not is_default_domain(node) or node.input[0] not in constants:
        return None
    condition = constants.read_if_cheap(node.input[0])
    return bool(condition.reshape(-1)[0]) if condition is not None and condition.size == 1 else None


def _visit(node: onnx.NodeProto, draft: Draft, inputs: BoundInputs, found: Inferred) -> None:
    for name in read_names(node):
        if name not in found.constants and name not in found.types:
            raise ModelError(node_place(node), f"reads '{name}' before it is computed", "repair the model")
    if _fold_shape(node, found):
        return
    types = _infer(node, draft, found)
    if found.constants.can_fold(node) and _fold(node, types, found):
        return
    is_batched = any(name in found.batched for name in read_names(node))
    for name in node.output:
        if not name:
            continue
        declared = draft.declared.get(name)
        known = types.get(name)
        if static_dims(known, {}) is None and declared is not None:
            known = _bind_declared(declared, inputs, is_batched=is_batched)
        found.types[name] = known or onnx.TypeProto()
        _check_size(name, found, node)
    found.nodes.append(node)
    if is_batched:
        found.batched.update(name for name in node.output if name)


def _infer(node: onnx.NodeProto, draft: Draft, found: Inferred) -> Mapping[str, onnx.TypeProto]:
    is_function = node.domain == KEPT_DOMAIN and any(function.name == node.op_type for function in draft.functions)
    is_known = is_function or has_schema(node, draft.opsets)
    infer_foreign = infer_quantized_outputs if has_quantized_rule(node) else infer_fused_outputs if has_fused_rule(node) else None
    row = standard_operator(node.op_type, node.domain)
    if not is_known and infer_foreign is None and (row is None or row.shape_rule is None):
        return {}
    types: dict[str, onnx.TypeProto] = {}
    for name in read_names(node):
        shape = found.tensor_shape(name)
        types[name] = tensor_type(*shape) if shape is not None else found.types[name]
        if types[name].WhichOneof("value") is None:
            return {}
    if not is_known and row is not None and row.shape_rule is not None:
        return infer_registered_outputs(node, types, row.shape_rule)
    if not is_known and infer_foreign is not None:
        return infer_foreign(node, types, lambda standard, reals: _infer_standard(standard, reals, {}, draft))
    data = {name: tensor for name in types if (tensor := _known_data(node, name, found.constants)) is not None}
    carried = infer_loop_outputs(node, types, data, draft)
    return {**_infer_standard(node, types, data, draft), **infer_ml_outputs(node, types), **carried}


def _infer_standard(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], data: Mapping[str, onnx.TensorProto], draft: Draft
) -> Mapping[str, onnx.TypeProto]:
    return without_late_windows(node, types, infer_outputs(node, types, data, draft))


def _known_data(node: onnx.NodeProto, name: str, constants: Constants) -> onnx.TensorProto | None:
    """Return a small constant that may decide a shape: integers, and the scales of a few operators."""
    if name not in constants:
        return None
    elem_type, dims = constants.types[name]
    is_useful = elem_type in (TensorProto.INT64, TensorProto.INT32) or node.op_type in _SCALE_READERS
    if not is_useful or math.prod(dims) > SMALL_SIZE:
        return None
    array = constants.read_if_cheap(name)
    return None if array is None else numpy_helper.from_array(np.array(array, order="C"), name)


def _fold_shape(node: onnx.NodeProto, found: Inferred) -> bool:
    """Fold ``Shape`` and ``Size`` of a value whose shape is known, though its elements are not."""
    if node.op_type not in ("Shape", "Size") or not is_default_domain(node):
        return False
    known = found.tensor_shape(node.input[0])
    if known is None:
        return False
    dims: Dims = known[1]
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Size":
        found.constants.add_array(node.output[0], np.array(math.prod(dims), dtype=np.int64))
    else:
        kept = dims[bounds.get("start", 0) : bounds.get("end", len(dims))]
        found.constants.add_array(node.output[0], np.array(kept, dtype=np.int64))
    return True


def _fold(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], found: Inferred) -> bool:
    outputs = [name for name in node.output if name]
    shapes: dict[str, TensorShape] = {}
    for name in outputs:
        dims = static_dims(types.get(name), {})
        if dims is not None:
            check_dims(dims, f"value '{name}'", is_constant=True)
            shapes[name] = types[name].tensor_type.elem_type, dims
    if len(shapes) == len(outputs):
        found.constants.add_node(node, shapes)
        return True
    arrays = found.constants.run_if_cheap(node) if node.op_type in _DATA_SHAPED else None
    for name, array in (arrays or {}).items():
        found.constants.add_array(name, array)
    return arrays is not None


def _bind_declared(declared: onnx.TypeProto, inputs: BoundInputs, *, is_batched: bool) -> onnx.TypeProto:
    """Return the type that the file states for a value, at the batch that was asked for."""
    dims = static_dims(declared, inputs.symbols)
    if dims is None:
        return declared
    if is_batched and dims and dims[0] == max(1, inputs.fixed_batch):
        dims = (inputs.batch, *dims[1:])
    return tensor_type(declared.tensor_type.elem_type, dims)


def _check_size(name: str, found: Inferred, node: onnx.NodeProto) -> None:
    shape = found.tensor_shape(name)
    if shape is not None:
        check_dims(shape[1], f"value '{name}' of {node_place(node)}", is_constant=False)
