"""Which values a step keeps only for gradients that do with less: one bit an element, or the places of the largest."""

from __future__ import annotations

from tinyfoa_rt.ir.names import AGAIN, own, split
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.operators import is_view, standard_operator

__all__ = ["needless_values"]


def needless_values(step: StepGraph) -> frozenset[str]:
    """Return the tensors of a step's forward pass that only gradients with a compact form read later.

    A value that a layer's own gradient multiplies is kept whatever its activation does.
    """
    smaller: dict[str, set[str]] = {}
    for node in step.nodes:
        row = standard_operator(node.op_type, node.domain)
        if node.phase == "forward" and row is not None and row.compact is not None:
            value = node.inputs[0] if row.compact.keeps_input else node.outputs[0]
            smaller.setdefault(value, set()).add(row.compact.gradient)
    source: dict[str, str] = {}  # of a view: what has its bytes
    for node in step.nodes:
        if is_view(node.op_type, node.domain):
            source[node.outputs[0]] = source.get(node.inputs[0], node.inputs[0])
    read: dict[str, set[str]] = {}
    for node in (each for each in step.nodes if each.phase != "forward" and split(each.name)[1] != AGAIN):
        for name in node.inputs:
            source_name = source.get(name, name)
            read.setdefault(source_name.removesuffix(own("", AGAIN)), set()).add(node.op_type)
    return frozenset(name for name, gradients in smaller.items() if name in read and read[name] <= gradients)
