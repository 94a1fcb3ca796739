"""What the gradients of activations have in common: y = f(x) gives grad_x = grad_y * f'(x), element by element.

f' is written with y where that is enough, so that x may die.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinyfoa_rt.ir.c_program import Real, Statement
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.geometry import same_as_first
from tinyfoa_rt.operators.lowering import Lowering, LowerRule, call_in_place
from tinyfoa_rt.operators.signature import IN_PLACE, CompactForm, Operator, Port, no_scratch
from tinyfoa_rt.operators.updates import LARGEST
from tinyfoa_rt.operators.vjp import GradientBuilder, GradientPass, VjpRule, add_gradient

__all__ = ["add_elementwise_gradient", "gradient_from_output", "gradient_row", "lower_gradient", "saved_as_mask"]


def gradient_row(name: str, saved: str, doc: str, attributes: tuple[str, ...], lower: LowerRule) -> Operator:
    """The row of a gradient that is written over that of the output; ``saved`` is what the forward pass leaves it."""
    return Operator(
        name=name,
        inputs=(Port("grad_y"), Port(saved), Port("origin", is_optional=True)),
        outputs=(Port("grad_x"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc=doc,
        memory=IN_PLACE,
        attributes=attributes,
        lower=lower,
    )


def gradient_from_output(operator: str, *names: str) -> VjpRule:
    """A rule for which the output is saved; ``names`` are attributes that the gradient needs."""

    def rule(backward: GradientPass, node: Node, grad: str) -> None:
        attributes = {name: node.attributes[name] for name in names if name in node.attributes}
        add_elementwise_gradient(backward, node, (operator, grad, node.outputs[0]), attributes)

    return rule


def add_elementwise_gradient(
    backward: GradientPass, node: Node, call: tuple[str, str, str], attributes: Mapping[str, Attribute]
) -> None:
    """Add ``call``, the gradient's operator, the gradient of the output, and the value that it is computed from."""
    operator, grad, value = call
    mask = backward.compact(node)
    if mask:
        add_gradient(backward, node, "StraightThroughGrad", (grad, mask, backward.origin), backward.channel_size(node.inputs[0]))
        return
    inputs = (grad, backward.saved(value), backward.origin)
    add_gradient(backward, node, operator, inputs, {**attributes, **backward.channel_size(node.inputs[0])})


def saved_as_mask(gradient: str, limits: Callable[[Graph, Node], Mapping[str, Attribute]]) -> CompactForm:
    """One bit an element is enough of an output whose gradient passes between the limits ``min`` and ``max`` that it has."""

    def save(builder: GradientBuilder, node: Node, y: str) -> str:
        attributes = {"min": -LARGEST, "max": LARGEST, **limits(builder.graph, node)}
        return builder.call("PassMask", (y,), (own(node.outputs[0], "mask"),), attributes)[0]

    return CompactForm(gradient, False, save)


def lower_gradient(kernel: str, **parameters: float) -> LowerRule:
    """A gradient in its own place, by what was saved; ``parameters`` are attributes of the kernel and their defaults."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        saved = node.inputs[1]
        numbers = [Real(node.float(name, default)) for name, default in parameters.items()]
        ctype = "const uint32_t" if lowering.type_of(saved).dtype == "bit" else "float"
        part = lowering.channel_part(node, saved, node.input(2))
        return call_in_place(lowering, node, kernel, (part, *numbers, lowering.at(saved, ctype)))

    return rule
