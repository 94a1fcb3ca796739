"""Nodes against the operator schemas of ONNX: arity and attribute types, before any library relies on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import onnx
from onnx import defs

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.fused_rules import has_fused_rule
from tinyfoa_rt.model.nodes import is_default_domain, node_place, subgraphs

__all__ = ["check_node", "has_schema"]

_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_REPAIR = "repair the model, or export it again"
_LIMITS = {("GatherND", "batch_dims"): range(64), ("LayerNormalization", "axis"): range(-64, 64)}


@dataclass(frozen=True, slots=True)
class _Signature:
    """What a schema asks of a node: counts, positions that may not be left out, attribute types by name."""

    inputs: range
    outputs: range
    required_inputs: tuple[int, ...]
    required_attributes: tuple[str, ...]
    attributes: Mapping[str, int]
    is_deprecated: bool


@lru_cache(maxsize=1024)
def _find_signature(op_type: str, domain: str, version: int) -> _Signature | None:
    try:
        schema = defs.get_schema(op_type, version, "" if domain == "ai.onnx" else domain)
    except defs.SchemaError:
        return None
    single = defs.OpSchema.FormalParameterOption.Single
    return _Signature(
        inputs=range(schema.min_input, schema.max_input + 1),
        outputs=range(schema.min_output, schema.max_output + 1),
        required_inputs=tuple(i for i, formal in enumerate(schema.inputs) if formal.option == single),
        required_attributes=tuple(name for name, attribute in schema.attributes.items() if attribute.required),
        attributes={name: attribute.type.value for name, attribute in schema.attributes.items()},  # type: ignore[attr-defined]
        is_deprecated=schema.deprecated,
    )


def has_schema(node: onnx.NodeProto, opsets: Mapping[str, int]) -> bool:
    """Whether ONNX itself defines the node's operator, and so its shapes."""
    return _signature_of(node, opsets) is not None


def _signature_of(node: onnx.NodeProto, opsets: Mapping[str, int]) -> _Signature | None:
    version = opsets.get("" if node.domain == "ai.onnx" else node.domain)
    if version is None or node.domain not in _KNOWN_DOMAINS or not 1 <= version < 2**31:
        return None
    return _find_signature(node.op_type, node.domain, version)


def check_node(node: onnx.NodeProto, opsets: Mapping[str, int], *, is_in_function: bool = False) -> None:
    """Check a node and those of its subgraphs; operators of other domains have no schema and are taken as they are.

    Raises:
        ModelError: wrong counts of inputs or outputs, a required input or attribute left out, an attribute of another type.
        UnsupportedError: a standard domain without this operator.
    """
    signature = _signature_of(node, opsets)
    if signature is not None:
        _check_arity(node, signature)
    elif node.domain in _KNOWN_DOMAINS and not has_fused_rule(node):
        domain = node.domain or "ai.onnx"
        version = opsets.get("" if domain == "ai.onnx" else domain, "(not imported)")
        raise UnsupportedError(node_place(node), f"is no operator of {domain} opset {version}", _REPAIR)
    _check_attributes(node, signature, is_in_function=is_in_function)
    for graph in subgraphs(node):
        for inner in graph.node:
            check_node(inner, opsets, is_in_function=is_in_function)


def _check_arity(node: onnx.NodeProto, signature: _Signature) -> None:
    place = node_place(node)
    if signature.is_deprecated:
        raise UnsupportedError(place, "was removed from this opset", _REPAIR)
    if len(node.input) not in signature.inputs:
        raise ModelError(place, f"has {len(node.input)} inputs, expected {_count(signature.inputs)}", _REPAIR)
    if len(node.output) not in signature.outputs:
        raise ModelError(place, f"has {len(node.output)} outputs, expected {_count(signature.outputs)}", _REPAIR)
    for index in signature.required_inputs:
        if index >= len(node.input) or not node.input[index]:
            raise ModelError(place, f"lacks its input {index}", _REPAIR)


def _count(counts: range) -> str:
    low, high = counts.start, counts.stop - 1
    return f"{low}" if low == high else f"{low} or more" if high >= 2**30 else f"{low} to {high}"


def _check_attributes(node: onnx.NodeProto, signature: _Signature | None, *, is_in_function: bool) -> None:
    place = node_place(node)
    types = {attribute.name: attribute.type for attribute in node.attribute}
    _check_limits(node)
    if len(types) != len(node.attribute):
        raise ModelError(place, "has an attribute twice", _REPAIR)
    for attribute in node.attribute:
        if attribute.ref_attr_name and not is_in_function:
            raise ModelError(place, f"has the attribute '{attribute.name}', which refers to a function's", _REPAIR)
        if attribute.type == onnx.AttributeProto.UNDEFINED:
            raise ModelError(place, f"has the attribute '{attribute.name}' without a type", _REPAIR)
    for name in signature.required_attributes if signature else ():
        if name not in types:
            raise ModelError(place, f"lacks the attribute '{name}'", _REPAIR)
    for name, expected in signature.attributes.items() if signature else ():
        if types.get(name, expected) != expected:
            found, wanted = (onnx.AttributeProto.AttributeType.Name(kind) for kind in (types[name], expected))
            raise ModelError(place, f"has the attribute '{name}' as {found}, expected {wanted}", _REPAIR)


def _check_limits(node: onnx.NodeProto) -> None:
    """Refuse attribute values that ONNX's own shape rules take as an index without a check, and crash on."""
    for attribute in node.attribute if is_default_domain(node) else ():
        allowed = _LIMITS.get((node.op_type, attribute.name))
        if node.op_type == "Split" and attribute.name == "num_outputs":
            allowed = range(len(node.output), len(node.output) + 1)
        if allowed is not None and (attribute.i not in allowed or attribute.ref_attr_name):
            found = attribute.ref_attr_name or attribute.i
            problem = f"has the attribute '{attribute.name}' of {found}, expected {_count(allowed)}"
            raise ModelError(node_place(node), problem, _REPAIR)
