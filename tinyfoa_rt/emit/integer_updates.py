"""The body of an update of whole numbers, made of that of the real ones: what it changes weights by is counted in quanta.

A real body ends in ``w_next = ClipTo(Sub(w, change))``, and its change is proportional to the rate. So the same body with the
rate over the quantum gives the change in quanta, and ``MoveIntegers`` rounds it by chance.
"""

from __future__ import annotations

import onnx
from onnx import helper

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.operators.signature import DOMAIN
from tinyfoa_rt.operators.updates import ON_INTEGERS

__all__ = ["on_integers"]

_ATTRIBUTES = {"key": 0, "taps": 1, "most": 127, "dtype": int(onnx.TensorProto.INT8)}


def on_integers(update: onnx.FunctionProto) -> onnx.FunctionProto:
    """Return the body of ``update`` for weights that are whole numbers.

    Raises:
        UnsupportedError: it does not end as it should.
    """
    maker = {name: node for node in update.node for name in node.output}
    clip = maker.get(update.output[0])
    move = maker.get(clip.input[0]) if clip is not None and clip.op_type == "ClipTo" else None
    if clip is None or move is None or move.op_type != "Sub" or move.input[0] != update.input[0]:
        problem = "does not end in ClipTo of the weights less a change, so that it cannot move integers"
        raise UnsupportedError(f"body of {update.name}", problem, "plan with --latent float32")
    found = onnx.FunctionProto(domain=update.domain, name=update.name + ON_INTEGERS)
    found.opset_import.extend(update.opset_import)
    found.attribute_proto.extend(helper.make_attribute(name, default) for name, default in _ATTRIBUTES.items())
    # Integers have a limit of their own.
    found.attribute_proto.extend(each for each in update.attribute_proto if each.name != "limit")
    *given, origin = update.input
    found.input.extend([*given, "quantum", "step", origin])
    found.output.extend(update.output)
    found.node.append(helper.make_node("Div", ["rate", "quantum"], ["rate_in_quanta"]))
    for node in update.node:
        if node is not clip and node is not move:
            kept = found.node.add()
            kept.CopyFrom(node)
            kept.input[:] = ["rate_in_quanta" if name == "rate" else name for name in node.input]
    last = helper.make_node("MoveIntegers", [*move.input, "step"], [update.output[0]], domain=DOMAIN)
    for name in _ATTRIBUTES:
        last.attribute.append(onnx.AttributeProto(name=name, ref_attr_name=name, type=onnx.AttributeProto.INT))
    found.node.append(last)
    return found
