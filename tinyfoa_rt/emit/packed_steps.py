"""Gradient, update and signs of dense weights in one operator of the packed form, so that the weights are walked through once.

A plain step and the signs of what it leaves become ``PackedDenseSignStep``. A gradient and the normalized update that alone reads
it become ``PackedDenseNormalizedStep``, or with the signs ``PackedDenseNormalizedSignStep``, and no gradient is stored: the steps
before say how long it is. Bodies are the operators that are joined, one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, MutableMapping, Sequence

import onnx
from onnx import helper

from tinyfoa_rt.emit.bodies import load_functions
from tinyfoa_rt.emit.packed_functions import domain_function, handed_on
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.operators import DOMAIN

__all__ = ["OF_REALS", "join_steps"]

OF_REALS = "OfReals"
_BOTH = ("", OF_REALS)
_SIGNS = "PackedPackSigns"
_UPDATE = "NormalizedUpdate"
_NORMALIZED = {f"PackedDenseSliceGrad{of}": f"PackedDenseNormalizedStep{of}" for of in _BOTH}
# A step, and it with the signs of what it leaves.
_SIGN_STEPS = {f"PackedDenseSgdStep{of}": f"PackedDenseSignStep{of}" for of in _BOTH}
_SIGN_STEPS |= {f"PackedDenseNormalizedStep{of}": f"PackedDenseNormalizedSignStep{of}" for of in _BOTH}
# The kernel has the gradient of so many samples in one piece, as it wants it to measure it (targets/ort/ops/columns).
_MOST_ROWS = 128
_PORTS = ("w", "grad_z", "x", "x_scale", "rate", "power", "step_count", "origin")

Bodies = MutableMapping[str, onnx.FunctionProto]


def join_steps(step: StepGraph, nodes: Sequence[onnx.NodeProto], bodies: Bodies) -> list[onnx.NodeProto]:
    """Return the packed nodes of ``step`` with what can be joined in one; ``bodies`` gets those of the joined operators."""
    return list(_with_signs([*_normalized(step, nodes, bodies)], bodies))


def _normalized(step: StepGraph, nodes: Sequence[onnx.NodeProto], bodies: Bodies) -> Iterator[onnx.NodeProto]:
    """Of a gradient that is joined with its update that of the biases is left."""
    readers = Counter(name for node in nodes for name in node.input)
    updated = {node.input[1] for node in nodes if node.op_type == _UPDATE}
    joined: dict[str, onnx.NodeProto] = {}
    for node in nodes:
        is_joined = node.op_type in _NORMALIZED and node.output[0] in updated and readers[node.output[0]] == 1
        if is_joined and step.tensors[node.input[0]].type.shape[0] <= _MOST_ROWS:
            joined[node.output[0]] = node
            if len(node.output) > 1:
                yield _call("BiasSliceGrad", (node.input[0], node.input[3]), node.output[1:], node, ("bias_size", "has_all_rows"))
        elif node.op_type == _UPDATE and node.input[1] in joined:
            yield _joined_update(joined[node.input[1]], node, bodies)
        else:
            yield node


def _joined_update(gradient: onnx.NodeProto, update: onnx.NodeProto, bodies: Bodies) -> onnx.NodeProto:
    name = _NORMALIZED[gradient.op_type]
    own = ("has_all_rows", "input_center", "units")
    given = (update.input[0], *gradient.input[:3], *update.input[2:5], gradient.input[3])
    node = _call(name, given, update.output, update, ("limit", "length"))
    node.attribute.extend(each for each in gradient.attribute if each.name in own)
    if name not in bodies:
        grad, of_gradient = bodies[gradient.op_type], load_functions([_UPDATE])[-1]
        first = helper.make_node(grad.name, list(grad.input), ["grad", "unread"][: len(grad.output)], domain=DOMAIN)
        second = helper.make_node(
            _UPDATE, ["w", "grad", "rate", "power", "step_count", ""], list(of_gradient.output), domain=DOMAIN
        )
        known = [each for each in grad.attribute_proto if each.name in own]
        first.attribute.extend(handed_on(each) for each in known)
        second.attribute.extend(handed_on(each) for each in of_gradient.attribute_proto)
        bodies[name] = domain_function(name, [*_PORTS], list(of_gradient.output), [first, second])
        bodies[name].attribute_proto.extend([*known, *of_gradient.attribute_proto])
    return node


def _with_signs(nodes: Sequence[onnx.NodeProto], bodies: Bodies) -> Iterator[onnx.NodeProto]:
    signs = {node.input[0]: node for node in nodes if node.op_type == _SIGNS}
    joined = {node.output[0] for node in nodes if node.op_type in _SIGN_STEPS and node.output[0] in signs}
    for node in nodes:
        if node.output[0] in joined:
            step, node.op_type = node.op_type, _SIGN_STEPS[node.op_type]
            node.output.extend(signs[node.output[0]].output)
            bodies[node.op_type] = _sign_step(node.op_type, bodies[step], bodies[_SIGNS])
        if node.op_type != _SIGNS or node.input[0] not in joined:
            yield node


def _sign_step(name: str, step: onnx.FunctionProto, signs: onnx.FunctionProto) -> onnx.FunctionProto:
    """The body of a step and the signs of what it leaves, in one: theirs, one after the other."""
    first = helper.make_node(step.name, list(step.input), list(step.output), domain=DOMAIN)
    first.attribute.extend(handed_on(each) for each in step.attribute_proto)
    given = [step.output[0], "", "", "origin"]  # the old signs and sums: nothing reads them
    second = helper.make_node(signs.name, given, list(signs.output), domain=DOMAIN)
    function = domain_function(name, list(step.input), [*step.output, *signs.output], [first, second])
    function.attribute_proto.extend(step.attribute_proto)
    return function


def _call(
    op_type: str, inputs: Sequence[str], outputs: Sequence[str], like: onnx.NodeProto, attributes: Sequence[str]
) -> onnx.NodeProto:
    """A node in the place of ``like``, with those of its attributes."""
    node = helper.make_node(op_type, inputs, outputs, name=like.name, domain=DOMAIN)
    node.attribute.extend(each for each in like.attribute if each.name in attributes)
    return node
