"""ONNX's own shape rules, asked for one node at a time: small questions, whose answers can be checked."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx.shape_inference

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.functions import KEPT_DOMAIN
from tinyfoa_rt.model.nodes import is_default_domain, node_place

__all__ = ["infer_outputs"]

_LONGEST_SHAPE = 64
# Operators that may make as many dimensions as a list has entries; a list of 2^30 entries must never reach them.
_RANK_MAKERS = frozenset(
    ("AffineGrid", "CenterCropPad", "Col2Im", "ConstantOfShape", "Expand", "Pad", "Reshape", "Resize", "Slice", "Tile",
     "Unsqueeze", "Upsample")
)  # fmt: skip
# Operators whose rule ONNX leaves to their function body, which it cannot always unfold.
_LIKE_INPUT = frozenset(("GroupNormalization", "MeanVarianceNormalization"))


def infer_outputs(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], data: Mapping[str, onnx.TensorProto], draft: Draft
) -> dict[str, onnx.TypeProto]:
    """Return the types of a node's outputs, as far as ONNX can tell.

    Args:
        node: has passed ``check_node``.
        types: of everything it reads.
        data: the small constants among its inputs.
        draft: gives operator sets and local functions.

    Raises:
        ModelError: the inputs do not fit the operator or each other.
    """
    _check_ranks(node, types)
    model = onnx.ModelProto(ir_version=10)
    for domain, version in draft.opsets.items():
        model.opset_import.add(domain=domain, version=version)
    if node.domain == KEPT_DOMAIN:
        model.functions.extend(draft.functions)
    graph = model.graph
    graph.name = "one"
    graph.node.append(node)
    for name, known in types.items():
        graph.input.add(name=name, type=known)
    graph.initializer.extend(data.values())
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:  # the bindings raise many types, all about this one node
        raise ModelError(node_place(node), _cause(error), "repair the model, or export it again") from error
    found = {value.name: value.type for value in inferred.graph.value_info}
    if is_default_domain(node) and node.op_type in _LIKE_INPUT:
        found[node.output[0]] = types[node.input[0]]
    return found


def _check_ranks(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto]) -> None:
    if node.op_type not in _RANK_MAKERS:
        return
    for name in node.input if node.op_type == "ConstantOfShape" else node.input[1:]:
        dims = types[name].tensor_type.shape.dim if name else []
        if len(dims) == 1 and dims[0].dim_value > _LONGEST_SHAPE:
            problem = f"reads '{name}' with {dims[0].dim_value} entries, a tensor has at most {_LONGEST_SHAPE} dimensions"
            raise ModelError(node_place(node), problem, "repair the model")


def _cause(error: Exception) -> str:
    """Return the last sentence of what the bindings say, without their tags and file positions."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return "is not valid: " + text.rpartition("InferenceError] ")[2][:300]
