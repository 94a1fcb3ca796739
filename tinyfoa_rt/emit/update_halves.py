"""The body of an update in two: what is the same for all weights, and what is computed of each.

In a loop over blocks of weights the first half, a dozen operators on single numbers such as Adam's corrections, is run once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import onnx
from onnx import helper

__all__ = ["split_update"]


def split_update(body: onnx.FunctionProto, of_weights: Collection[str]) -> tuple[onnx.FunctionProto, onnx.FunctionProto]:
    """Return two bodies, ``<name>Once`` and ``<name>OfBlock``; the second one reads what it needs of the first one's results.

    Args:
        body: of an update.
        of_weights: its inputs that have an element a weight.
    """
    moving = {*of_weights}
    once: list[onnx.NodeProto] = []
    of_block: list[onnx.NodeProto] = []
    for node in body.node:
        if moving.intersection(node.input):
            moving.update(node.output)
            of_block.append(node)
        elif node.op_type != "Constant":
            once.append(node)
    made, read = _outputs(once), _inputs(of_block)
    handed = [name for name in made if name in read and name not in body.output]
    results = [name for name in body.output if name in made]
    rest = [name for name in body.output if name not in made]
    ports = [name for name in (*body.input, *results, *handed) if name in read]
    first = _half(body, "Once", [name for name in body.input if name in _inputs(once)], [*results, *handed], once)
    return first, _half(body, "OfBlock", ports, rest, of_block)


def _half(
    body: onnx.FunctionProto, suffix: str, inputs: Sequence[str], outputs: Sequence[str], nodes: Sequence[onnx.NodeProto]
) -> onnx.FunctionProto:
    constants = [node for node in body.node if node.op_type == "Constant" and node.output[0] in _inputs(nodes)]
    half = helper.make_function(body.domain, body.name + suffix, inputs, outputs, [*constants, *nodes], body.opset_import)
    named = {each.ref_attr_name for node in half.node for each in node.attribute}
    half.attribute_proto.extend(each for each in body.attribute_proto if each.name in named)
    return half


def _inputs(nodes: Iterable[onnx.NodeProto]) -> dict[str, None]:
    return dict.fromkeys(name for node in nodes for name in node.input if name)


def _outputs(nodes: Iterable[onnx.NodeProto]) -> dict[str, None]:
    return dict.fromkeys(name for node in nodes for name in node.output)
