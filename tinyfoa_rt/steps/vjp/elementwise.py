"""y = f(x), element by element: grad_x = grad_y * f'(x), written with y where that is enough, so that x may die."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.builder import refuse
from tinyfoa_rt.steps.vjp.rule import VjpRule, grad_name

__all__ = ["ELEMENTWISE_RULES"]


def _from_output(operator: str, *names: str) -> VjpRule:
    """A rule for which the output is saved; ``names`` are attributes that the gradient needs."""

    def rule(backward: BackwardPass, node: Node, grad: str) -> None:
        attributes = {name: node.attributes[name] for name in names if name in node.attributes}
        _call(backward, node, (operator, grad, backward.saved(node.outputs[0])), attributes)

    return rule


def _hard_swish(backward: BackwardPass, node: Node, grad: str) -> None:
    _call(backward, node, ("HardSwishGrad", grad, backward.saved(node.inputs[0])), {})


def _clip(backward: BackwardPass, node: Node, grad: str) -> None:
    bounds: dict[str, Attribute] = {}
    for position, name in ((1, "min"), (2, "max")):
        value = node.input(position)
        if value and not backward.builder.graph.is_constant(value):
            raise refuse(node.name, f"its {name} is computed, but only a constant one has a gradient rule")
        if value:
            bounds[name] = float(backward.builder.graph.constants[value].read())
    _call(backward, node, ("ClipGrad", grad, backward.saved(node.outputs[0])), bounds)


def _softmax(backward: BackwardPass, node: Node, grad: str) -> None:
    y = node.outputs[0]
    inputs = (grad, backward.saved(y), backward.origin)
    output = (grad_name(node, node.inputs[0]),)
    attributes = {"axis": node.int("axis", -1)}
    backward.add(node.inputs[0], backward.builder.call("SoftmaxGrad", inputs, output, attributes, "gradient")[0])


def _call(backward: BackwardPass, node: Node, call: tuple[str, str, str], attributes: Mapping[str, Attribute]) -> None:
    operator, grad, saved = call
    x = node.inputs[0]
    attributes = {**attributes, **backward.channel_size(x)}
    output = (grad_name(node, x),)
    backward.add(x, backward.builder.call(operator, (grad, saved, backward.origin), output, attributes, "gradient")[0])


ELEMENTWISE_RULES: Mapping[str, VjpRule] = {
    "Clip": _clip,
    "HardSigmoid": _from_output("HardSigmoidGrad", "alpha"),
    "HardSwish": _hard_swish,
    "LeakyRelu": _from_output("LeakyReluGrad", "alpha"),
    "Relu": _from_output("ReluGrad"),
    "Sigmoid": _from_output("SigmoidGrad"),
    "Softmax": _softmax,
    "Tanh": _from_output("TanhGrad"),
}
