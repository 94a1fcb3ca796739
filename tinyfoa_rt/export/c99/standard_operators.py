"""Standard operators of the model -> calls of the forward kernels (targets/c99/kernels/forward.h)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.export.c99.operators import Lowering, Rule
from tinyfoa_rt.export.c99.program import Call, Number, Statement
from tinyfoa_rt.ir.step import StepNode

__all__ = ["STANDARD_RULES"]


def _view(lowering: Lowering, node: StepNode) -> list[Statement]:
    """The same bytes under another shape; a constant is copied."""
    if node.inputs[0] in lowering.offsets and lowering.offsets[node.inputs[0]] == lowering.offsets[node.outputs[0]]:
        return []
    count = Number(lowering.type_of(node.outputs[0]).size)
    return [Call("tfoa_reshape", (count, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _relu(lowering: Lowering, node: StepNode) -> list[Statement]:
    count = Number(lowering.type_of(node.outputs[0]).size)
    return [Call("tfoa_relu", (count, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _softmax(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = lowering.type_of(node.inputs[0]).shape
    given = node.attributes.get("axis", -1)
    assert isinstance(given, int)
    axis = given % len(shape)
    sizes = (Number(math.prod(shape[:axis])), Number(shape[axis]), Number(math.prod(shape[axis + 1 :])))
    return [Call("tfoa_softmax", (*sizes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


STANDARD_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"), _view),
    "Relu": _relu,
    "Softmax": _softmax,
}
