"""Local heads and losses -> calls of kernels."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Call, Fields, Name, Number, Real, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import NULL, Lowering, Rule, real_attribute, scale_of, whole_attribute

__all__ = ["HEAD_RULES"]


def _head(lowering: Lowering, node: StepNode, stored: str, sizes: tuple[int, str]) -> Fields:
    """The head as its kernels take it; ``sizes`` are its classes, and the value whose units or channels it sees."""
    classes, seen = sizes
    units = lowering.type_of(seen).shape[1] if node.int("pools", 0) else lowering.columns(seen)
    head = lowering.head if stored and lowering.head is not None else NULL
    seed = whole_attribute(node, "seed") & 0xFFFFFFFF
    gain = Real(real_attribute(node, "gain"))
    return Fields("tfoa_head", (head, Number(seed), Number(classes), Number(units), gain))


def _head_logits(lowering: Lowering, node: StepNode) -> list[Statement]:
    h, logits = node.inputs[0], lowering.at(node.outputs[0])
    head = _head(lowering, node, node.input(2), (lowering.columns(node.outputs[0]), h))
    pools = node.int("pools", 0)
    name = "tfoa_pooled_head_logits" if pools else "tfoa_head_logits"
    shape: tuple[Argument, ...] = (lowering.channel_fields(h),) if pools else ()
    rows = () if pools else (lowering.rows,)
    if lowering.type_of(h).dtype != "bit":
        return [Call(name, (head, *shape, lowering.at(h), *rows, logits))]
    load, scale = scale_of(lowering, node.input(1))
    return [*load, Call(f"{name}_of_bits", (head, *shape, lowering.at(h, "const uint32_t"), *rows, scale, logits))]


def _head_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad_logits = node.inputs[0]
    seen = next(n for n in lowering.graph.nodes if n.op_type == "HeadLogits").inputs[0]
    head = _head(lowering, node, node.input(1), (lowering.columns(grad_logits), seen))
    part = lowering.channel_part(node, seen, node.input(3))
    name = "tfoa_pooled_head_grad" if node.int("pools", 0) else "tfoa_head_grad"
    return [Call(name, (head, part, lowering.at(grad_logits), lowering.at(node.outputs[0])))]


def _softmax_cross_entropy(lowering: Lowering, node: StepNode) -> list[Statement]:
    logits, target = node.inputs
    classes = Number(lowering.columns(logits))
    loss, correct = lowering.at(node.outputs[1]), Name("&context->correct")
    moved = lowering.in_place(logits, node.outputs[0])
    arguments = (lowering.at(node.outputs[0]), lowering.at(target, "const int32_t"), lowering.rows, classes, loss, correct)
    return [*moved, Call("tfoa_softmax_cross_entropy", arguments)]


def _loss_of_vectors(kernel: str) -> Rule:
    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        output, target = node.inputs
        moved = lowering.in_place(output, node.outputs[0])
        size = Number(lowering.columns(output))
        arguments = (lowering.at(node.outputs[0]), lowering.at(target), lowering.rows, size, lowering.at(node.outputs[1]))
        return [*moved, Call(kernel, arguments)]

    return rule


HEAD_RULES: Mapping[str, Rule] = {
    "HeadLogits": _head_logits,
    "HeadGrad": _head_grad,
    "SoftmaxCrossEntropy": _softmax_cross_entropy,
    "BinaryCrossEntropy": _loss_of_vectors("tfoa_binary_cross_entropy"),
    "MeanSquaredError": _loss_of_vectors("tfoa_mean_squared_error"),
}
