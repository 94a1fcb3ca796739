"""Step nodes -> calls of kernels, one function an operator of the domain ``tinyfoa``: activations, heads and losses."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.c99.lowering import CONTEXT, NULL, Lowering, Rule, real_attribute, scale_of, whole_attribute
from tinyfoa_rt.export.c99.program import (
    Call,
    Fields,
    Name,
    Number,
    Real,
    Statement,
    StopIf,
)  # fmt: skip
from tinyfoa_rt.export.c99.trained_layers import TRAINED_LAYER_RULES
from tinyfoa_rt.ir.step import StepNode

__all__ = ["DOMAIN_RULES"]


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
    load, scale = scale_of(lowering, node.input(1))
    h = lowering.at(node.inputs[0], "const uint32_t")
    units = Number(lowering.columns(node.inputs[0]))
    return [*load, Call("tfoa_binary_to_real", (h, lowering.rows, units, scale, lowering.at(node.outputs[0])))]


def _head(lowering: Lowering, node: StepNode, stored: str, sizes: tuple[int, int]) -> Fields:
    """The head as its kernels take it; ``sizes`` are classes and units."""
    if node.int("pools", 0):
        raise UnsupportedError(f"step '{node.name}'", "has a pooled head", "export a model whose heads see every unit")
    classes, units = sizes
    head = lowering.head if stored and lowering.head is not None else NULL
    seed = whole_attribute(node, "seed") & 0xFFFFFFFF
    gain = Real(real_attribute(node, "gain"))
    return Fields("tfoa_head", (head, Number(seed), Number(classes), Number(units), gain))


def _head_logits(lowering: Lowering, node: StepNode) -> list[Statement]:
    h, logits = node.inputs[0], node.outputs[0]
    head = _head(lowering, node, node.input(2), (lowering.columns(logits), lowering.columns(h)))
    if lowering.type_of(h).dtype != "bit":
        return [Call("tfoa_head_logits", (head, lowering.at(h), lowering.rows, lowering.at(logits)))]
    load, scale = scale_of(lowering, node.input(1))
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


DOMAIN_RULES: Mapping[str, Rule] = {
    "BinaryActivation": _binary_activation,
    "BinaryToReal": _binary_to_real,
    "HeadLogits": _head_logits,
    "HeadGrad": _head_grad,
    "SoftmaxCrossEntropy": _softmax_cross_entropy,
    "MeanSquaredError": _mean_squared_error,
    "StraightThroughGrad": _straight_through_grad,
    "ReluGrad": _relu_grad,
    **TRAINED_LAYER_RULES,
}
