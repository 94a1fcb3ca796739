"""Step nodes -> calls of kernels, one function an operator of the domain ``tinyfoa``.

What the runtime streams is one call here: a gradient and its update (DenseSliceGrad and the update that reads it) become
``tfoa_dense_sgd_step`` and its like, which also pack the signs (PackSigns).
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.c99.lowering import CONTEXT, NULL, Lowering, Rule
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


def _real(node: StepNode, name: str) -> float:
    """An attribute that must be there."""
    value = node.attributes[name]
    assert isinstance(value, int | float)
    return float(value)


def _whole(node: StepNode, name: str) -> int:
    """An attribute that must be there."""
    value = node.attributes[name]
    assert isinstance(value, int)
    return value


def _product(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Dense: z = x W^T + b, W the latent values or their signs."""
    x, z = node.inputs[0], node.outputs[0]
    layer = lowering.layers[node.inputs[1]]
    if node.op_type == "BinaryDense":
        load, scale = _scale(lowering, node.input(8))
        bits = (lowering.at(x, "const uint32_t"), scale)
        return [*load, Call("tfoa_binary_dense", (CONTEXT, layer, *bits, lowering.rows, lowering.at(z)), may_fail=True)]
    if node.op_type == "SignDense":
        scratch = lowering.at(f"{node.name}.scratch", "void")
        given = (CONTEXT, layer, lowering.real(x), lowering.rows, scratch)
        return [Call("tfoa_sign_dense", (*given, lowering.at(z)), may_fail=True)]
    load, operand = _operand(lowering, x, node.input(8), 0.0)
    return [*load, Call("tfoa_real_dense", (CONTEXT, layer, operand, lowering.rows, lowering.at(z)), may_fail=True)]


def _scale(lowering: Lowering, name: str) -> tuple[list[Statement], Argument]:
    """The scale of a binary value: 1 where it has none, in RAM where this step computes it, else read from the storage."""
    if not name:
        return [], Real(1.0)
    if name in lowering.offsets:
        return [], Value("float", lowering.offsets[name])
    variable = f"scale_{lowering.scales[name]}"
    lowering.locals[variable] = f"float {variable}"
    arguments = (CONTEXT, Number(lowering.scales[name]), Name(f"&{variable}"))
    return [Call("tfoa_scale", arguments, may_fail=True)], Name(variable)


def _binary_activation(lowering: Lowering, node: StepNode) -> list[Statement]:
    z, h = node.inputs[0], node.outputs[0]
    units = Number(lowering.columns(z))
    statements: list[Statement] = []
    if len(node.outputs) > 1:
        kept = Real(_real(node, "momentum"))
        momentum = Call("tfoa_scale_momentum", (CONTEXT, kept))
        count = Number(lowering.type_of(z).size)
        scale = lowering.at(node.outputs[1])
        statements += [Call("tfoa_follow_scale", (scale, lowering.at(z), count, momentum)), StopIf("context->is_calibrating")]
    statements.append(
        Call("tfoa_binary_activation", (lowering.at(z), lowering.rows, units, lowering.at(h, "uint32_t")))
    )  # fmt: skip
    if len(node.outputs) > 2 and node.outputs[2]:
        floor = Real(_real(node, "window_floor"))
        window = lowering.at(node.outputs[2], "uint32_t")
        statements.append(Call("tfoa_straight_through_window", (lowering.at(z), lowering.rows, units, floor, window)))
    return statements


def _binary_to_real(lowering: Lowering, node: StepNode) -> list[Statement]:
    load, scale = _scale(lowering, node.input(1))
    h = lowering.at(node.inputs[0], "const uint32_t")
    units = Number(lowering.columns(node.inputs[0]))
    return [*load, Call("tfoa_binary_to_real", (h, lowering.rows, units, scale, lowering.at(node.outputs[0])))]


def _head(lowering: Lowering, node: StepNode, stored: str, sizes: tuple[int, int]) -> Fields:
    """The head as its kernels take it; ``sizes`` are classes and units."""
    if node.int("pools", 0):
        raise UnsupportedError(f"step '{node.name}'", "has a pooled head", "export a model whose heads see every unit")
    classes, units = sizes
    head = lowering.head if stored and lowering.head is not None else NULL
    seed = _whole(node, "seed") & 0xFFFFFFFF
    gain = Real(_real(node, "gain"))
    return Fields("tfoa_head", (head, Number(seed), Number(classes), Number(units), gain))


def _head_logits(lowering: Lowering, node: StepNode) -> list[Statement]:
    h, logits = node.inputs[0], node.outputs[0]
    head = _head(lowering, node, node.input(2), (lowering.columns(logits), lowering.columns(h)))
    if lowering.type_of(h).dtype != "bit":
        return [Call("tfoa_head_logits", (head, lowering.at(h), lowering.rows, lowering.at(logits)))]
    load, scale = _scale(lowering, node.input(1))
    arguments = (head, lowering.at(h, "const uint32_t"), lowering.rows, scale, lowering.at(logits))
    return [*load, Call("tfoa_head_logits_of_bits", arguments)]


def _head_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad_logits, grad_h = node.inputs[0], node.outputs[0]
    if node.int("channel_units", 1) != 1:
        raise UnsupportedError(f"step '{node.name}'", "has a head over positions", "export a model of dense layers")
    logits = next(n for n in lowering.graph.nodes if n.op_type == "HeadLogits")
    head = _head(lowering, node, node.input(1), (lowering.columns(grad_logits), lowering.columns(logits.inputs[0])))
    first, count = lowering.active(node.input(3), grad_h)
    return [Call("tfoa_head_grad", (head, lowering.at(grad_logits), lowering.rows, first, count, lowering.at(grad_h)))]


def _softmax_cross_entropy(lowering: Lowering, node: StepNode) -> list[Statement]:
    logits, target = node.inputs
    classes = Number(lowering.columns(logits))
    loss, correct = lowering.at(node.outputs[1]), Name("&context->correct")
    moved = _in_place(lowering, logits, node.outputs[0])
    arguments = (lowering.at(node.outputs[0]), lowering.at(target, "const int32_t"), lowering.rows, classes, loss, correct)
    return [*moved, Call("tfoa_softmax_cross_entropy", arguments)]


def _mean_squared_error(lowering: Lowering, node: StepNode) -> list[Statement]:
    output, target = node.inputs
    moved = _in_place(lowering, output, node.outputs[0])
    size = Number(lowering.columns(output))
    arguments = (lowering.at(node.outputs[0]), lowering.at(target), lowering.rows, size, lowering.at(node.outputs[1]))
    return [*moved, Call("tfoa_mean_squared_error", arguments)]


def _in_place(lowering: Lowering, source: str, result: str) -> list[Statement]:
    """A copy of what an in-place kernel works on, where the plan gave the result a place of its own."""
    if lowering.offsets[source] == lowering.offsets[result]:
        return []
    size = Number(lowering.type_of(source).nbytes(packs_bits=True))
    return [Call("memcpy", (lowering.at(result, "void"), lowering.at(source, "const void"), size))]


def _straight_through_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, window, grad_z = node.inputs[0], node.inputs[1], node.outputs[0]
    _refuse_positions(node)
    first, count = lowering.active(node.input(2), grad)
    units = Number(lowering.columns(window))
    arguments = (lowering.at(grad_z), lowering.at(window, "const uint32_t"), lowering.rows, count, first, units)
    return [*_in_place(lowering, grad, grad_z), Call("tfoa_straight_through_grad", arguments)]


def _relu_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, y, grad_x = node.inputs[0], node.inputs[1], node.outputs[0]
    _refuse_positions(node)
    first, count = lowering.active(node.input(2), grad)
    arguments = (lowering.at(grad_x), lowering.at(y), lowering.rows, count, first, Number(lowering.columns(y)))
    return [*_in_place(lowering, grad, grad_x), Call("tfoa_relu_grad", arguments)]


def _refuse_positions(node: StepNode) -> None:
    if node.int("channel_size", 1) != 1:
        raise UnsupportedError(f"step '{node.name}'", "trains channels over positions", "export a model of dense layers")


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
        limit = Real(_real(node, "limit"))
        arguments = (CONTEXT, lowering.layers[latent], Number(_whole(source, "has_all_rows")), limit)
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
    load, scale = _scale(lowering, x_scale)
    return load, Fields("tfoa_operand", (lowering.at(x, "const uint32_t"), NULL, units, scale, Real(center)))


def _pack_signs(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call: the updates do it, row by row, and leave rows alone whose weights have not moved."""
    return []


DOMAIN_RULES: Mapping[str, Rule] = {
    "RealDense": _product,
    "SignDense": _product,
    "BinaryDense": _product,
    "BinaryActivation": _binary_activation,
    "BinaryToReal": _binary_to_real,
    "HeadLogits": _head_logits,
    "HeadGrad": _head_grad,
    "SoftmaxCrossEntropy": _softmax_cross_entropy,
    "MeanSquaredError": _mean_squared_error,
    "StraightThroughGrad": _straight_through_grad,
    "ReluGrad": _relu_grad,
    "DenseSliceGrad": _slice_grad,
    "SgdUpdate": _update,
    "MomentumUpdate": _update,
    "AdamUpdate": _update,
    "PackSigns": _pack_signs,
}
