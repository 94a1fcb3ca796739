"""Sums and differences: the gradient passes on. A broadcast input gets the sum over the repeated axes."""

from __future__ import annotations

from collections import Counter

from tinyfoa_rt.ir.c_program import Call, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.channels import elementwise
from tinyfoa_rt.operators.elementwise.broadcast import unbroadcast
from tinyfoa_rt.operators.lowering import Lowering, LowerRule, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import EITHER_IN_PLACE, StandardOperator
from tinyfoa_rt.operators.strides import check_axes, strides_fields, strides_of
from tinyfoa_rt.operators.vjp import GradientPass

__all__ = ["lower_binary"]

# Those that run in a frozen part alone.
_WITHOUT_GRADIENT = ("Max", "Mean", "Min", "Pow")


def _sum_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    """A value that is a term more than once gets the gradient as often."""
    for value, times in Counter(node.inputs).items():
        if backward.needs(value):
            share = unbroadcast(backward, node, value, grad)
            for _ in range(times):
                backward.add(value, share)


def _difference_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    minuend, subtrahend = node.inputs[:2]
    if backward.needs(minuend):
        backward.add(minuend, unbroadcast(backward, node, minuend, grad))
    if backward.needs(subtrahend):
        shape = backward.grad_type(node.outputs[0])
        negated = backward.builder.standard("Neg", (grad,), (own(grad, "negated"), shape), category="gradient")
        backward.add(subtrahend, unbroadcast(backward, node, subtrahend, negated))


def lower_binary(function: str) -> LowerRule:
    """A kernel of two tensors, either of which may be repeated."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        a, b = node.inputs
        _refuse_repeated_in_place(lowering, node)
        return [_pair(lowering, node, function, (a, b))]

    return rule


def _pair(lowering: Lowering, node: StepNode, function: str, operands: tuple[str, str]) -> Call:
    y = node.outputs[0]
    shape = check_axes(lowering, node, y)
    strides = (strides_of(lowering.shape(name), shape) for name in operands)
    return Call(function, (strides_fields(lowering, shape, *strides), *map(lowering.real, operands), lowering.at(y)))


def _lower_sum(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Of any number of tensors; those that the sum is written over come first."""
    y = node.outputs[0]
    _refuse_repeated_in_place(lowering, node)
    names = sorted(node.inputs, key=lambda name: not _shares(lowering, name, y))
    if len([name for name in names if _shares(lowering, name, y)]) > 2:
        raise refuse(node, "adds a value to itself more than once")
    if len(names) == 1:
        return [Call("tfoa_reshape", (lowering.elements(y), lowering.real(names[0]), lowering.at(y)))]
    first = _pair(lowering, node, "tfoa_add", (names[0], names[1]))
    return [first, *(_pair(lowering, node, "tfoa_add", (y, name)) for name in names[2:])]


def _shares(lowering: Lowering, name: str, other: str) -> bool:
    return name in lowering.offsets and lowering.offsets[name] == lowering.offsets[other]


def _refuse_repeated_in_place(lowering: Lowering, node: StepNode) -> None:
    """A plan may give the result the place of an input that is repeated, where that input lies in more room than it needs."""
    y = node.outputs[0]
    for name in node.inputs:
        if _shares(lowering, name, y) and lowering.shape(name) != lowering.shape(y):
            raise refuse(node, f"would be written over its smaller input '{name}'")


register(
    StandardOperator(
        name="Add",
        memory=EITHER_IN_PLACE,
        vjp=_sum_vjp,
        lower=lower_binary("tfoa_add"),
        keeps_channels=elementwise,
    ),
    StandardOperator(
        name="Sub",
        memory=EITHER_IN_PLACE,
        vjp=_difference_vjp,
        lower=lower_binary("tfoa_sub"),
        keeps_channels=elementwise,
    ),
    StandardOperator(name="Sum", memory=EITHER_IN_PLACE, vjp=_sum_vjp, lower=_lower_sum, keeps_channels=elementwise),
    *(StandardOperator(name=name, memory=EITHER_IN_PLACE) for name in _WITHOUT_GRADIENT),
)
