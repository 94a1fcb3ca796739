"""Step nodes -> calls of kernels, one function an operator of the domain ``tinyfoa``.

What the runtime streams is one call here: a gradient and its update (DenseSliceGrad and the update that reads it) become
``tfoa_dense_sgd_step`` and its like, which also pack the signs (PackSigns).
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.export.c99.gradients import GRADIENT_RULES
from tinyfoa_rt.export.c99.heads import HEAD_RULES
from tinyfoa_rt.export.c99.lowering import CONTEXT, NULL, Lowering, Rule, real_attribute, whole_attribute
from tinyfoa_rt.export.c99.program import (
    Argument,
    Call,
    Fields,
    Name,
    Number,
    Real,
    Statement,
    StopIf,
    Value,
)  # fmt: skip
from tinyfoa_rt.ir.step import StepNode

__all__ = ["DOMAIN_RULES"]


def _product(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Dense: z = x W^T + b, W the latent values or their signs."""
    x, z = node.inputs[0], node.outputs[0]
    layer = lowering.layers[node.inputs[1]]
    if node.op_type == "BinaryDense":
        load, scale = lowering.scale(node.input(8))
        bits = (lowering.at(x, "const uint32_t"), scale)
        return [*load, Call("tfoa_binary_dense", (CONTEXT, layer, *bits, lowering.rows, lowering.at(z)), may_fail=True)]
    if node.op_type == "SignDense":
        scratch = lowering.at(f"{node.name}.scratch", "void")
        given = (CONTEXT, layer, lowering.real(x), lowering.rows, scratch)
        return [Call("tfoa_sign_dense", (*given, lowering.at(z)), may_fail=True)]
    load, operand = _operand(lowering, x, node.input(8), 0.0)
    return [*load, Call("tfoa_real_dense", (CONTEXT, layer, operand, lowering.rows, lowering.at(z)), may_fail=True)]


def _binary_activation(lowering: Lowering, node: StepNode) -> list[Statement]:
    z, h = node.inputs[0], node.outputs[0]
    units = Number(lowering.columns(z))
    statements: list[Statement] = []
    if len(node.outputs) > 1:
        kept = Real(real_attribute(node, "momentum"))
        momentum = Call("tfoa_scale_momentum", (CONTEXT, kept))
        count = Number(lowering.type_of(z).size)
        scale = lowering.at(node.outputs[1])
        statements += [Call("tfoa_follow_scale", (scale, lowering.at(z), count, momentum)), StopIf("context->is_calibrating")]
    statements.append(
        Call("tfoa_binary_activation", (lowering.at(z), lowering.rows, units, lowering.at(h, "uint32_t")))
    )  # fmt: skip
    if len(node.outputs) > 2 and node.outputs[2]:
        floor = Real(real_attribute(node, "window_floor"))
        window = lowering.at(node.outputs[2], "uint32_t")
        statements.append(Call("tfoa_straight_through_window", (lowering.at(z), lowering.rows, units, floor, window)))
    return statements


def _binary_to_real(lowering: Lowering, node: StepNode) -> list[Statement]:
    load, scale = lowering.scale(node.input(1))
    h = lowering.at(node.inputs[0], "const uint32_t")
    units = Number(lowering.columns(node.inputs[0]))
    return [*load, Call("tfoa_binary_to_real", (h, lowering.rows, units, scale, lowering.at(node.outputs[0])))]


def _slice_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call: the updates that read the gradient compute it as they go."""
    for name in node.outputs:
        lowering.gradients[name] = node
    return []


def _update(lowering: Lowering, node: StepNode) -> list[Statement]:
    latent, grad, rate = node.inputs[:3]
    optimizer = node.op_type.removesuffix("Update").lower()
    source = lowering.gradients[grad]
    is_weight = grad == source.outputs[0]
    statements: list[Statement] = []
    if is_weight:
        limit = Real(real_attribute(node, "limit"))
        arguments = (CONTEXT, lowering.layers[latent], Number(whole_attribute(source, "has_all_rows")), limit)
        lowering.locals["slice"] = "tfoa_slice slice"
        statements.append(Call("tfoa_active_slice", arguments, result="slice"))
    center = source.float("input_center", 0.0)
    load, operand = _operand(lowering, source.inputs[1], source.input(2), center)
    given = (Name("&slice"), lowering.at(source.inputs[0]), *((operand,) if is_weight else ()), lowering.rows)
    states = [lowering.at(name, "int32_t" if name.endswith(".step_count") else "float") for name in node.inputs[3:] if name]
    extra: tuple[Argument, ...] = tuple(states)
    if optimizer == "adam":
        extra = (Fields("tfoa_moments", tuple(states)),)
    function = f"tfoa_{'dense' if is_weight else 'bias'}_{optimizer}_step"
    return [*statements, *(load if is_weight else []), Call(function, (*given, Value("float", lowering.offsets[rate]), *extra))]


def _operand(lowering: Lowering, x: str, x_scale: str, center: float) -> tuple[list[Statement], Fields]:
    """What a layer multiplies: bits with their scale, or real numbers."""
    units = Number(lowering.columns(x))
    if lowering.type_of(x).dtype != "bit":
        return [], Fields("tfoa_operand", (NULL, lowering.real(x), units, Real(1.0), Real(0.0)))
    load, scale = lowering.scale(x_scale)
    return load, Fields("tfoa_operand", (lowering.at(x, "const uint32_t"), NULL, units, scale, Real(center)))


def _pack_signs(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call: the updates do it, row by row, and leave rows alone whose weights have not moved."""
    return []


DOMAIN_RULES: Mapping[str, Rule] = {
    **HEAD_RULES,
    **GRADIENT_RULES,
    "RealDense": _product,
    "SignDense": _product,
    "BinaryDense": _product,
    "BinaryActivation": _binary_activation,
    "BinaryToReal": _binary_to_real,
    "DenseSliceGrad": _slice_grad,
    "SgdUpdate": _update,
    "MomentumUpdate": _update,
    "AdamUpdate": _update,
    "PackSigns": _pack_signs,
}
