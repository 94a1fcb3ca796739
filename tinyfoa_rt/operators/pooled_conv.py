"""A convolution that is trained, and the pool of maxima behind it, as one: the convolution's output is never whole.

Generated C computes the output one channel at a time and keeps of it the largest of each window and where that was
(``RealConvMaxPool``). Back come errors at those places alone, zero everywhere else: ``PooledErrors`` stands for them and has no
storage. What reads it, the gradients of the weights and of the input, goes from place to place, which is less work too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Address, Argument, Braces, Call, Fields, Number, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.conv import conv_output, conv_shape
from tinyfoa_rt.operators.geometry import POOL_ATTRIBUTES, explicit_window
from tinyfoa_rt.operators.lowering import CONTEXT, NULL, Lowering, PooledErrors
from tinyfoa_rt.operators.pooling.window import input_shape
from tinyfoa_rt.operators.products import product_ports
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Memory, Operator, Port, Types, no_scratch
from tinyfoa_rt.operators.windows import window_of

__all__ = ["pooled_outputs", "pooling_attributes"]

# Of the pool, in front of the names that its window shares with the convolution's.
_POOL = "pool_"
_GEOMETRY = (*POOL_ATTRIBUTES, "ceil_mode", "output_size")


def pooling_attributes(pool: Node, size: tuple[int, ...], output_size: tuple[int, ...]) -> dict[str, Attribute]:
    """What ``RealConvMaxPool`` is given of the pool; ``size`` and ``output_size`` are those of its images."""
    window = {**explicit_window(size, pool.attributes), "ceil_mode": pool.int("ceil_mode", 0), "output_size": output_size}
    return {_POOL + name: value for name, value in window.items()}


def pooled_outputs(y: str, *, keeps_places: bool) -> tuple[str, str, str]:
    """Names of what ``RealConvMaxPool`` computes, by that of the maxima: they, their places if asked for, and one channel."""
    return y, own(y, "places") if keeps_places else "", own(y, "plane")


def _shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    (z,), size = conv_output(inputs, attributes), attributes[_POOL + "output_size"]
    assert isinstance(size, tuple)
    pooled = (*z.shape[:2], *(int(length) for length in size))
    return TensorType("float32", pooled), TensorType("uint16", pooled), TensorType("float32", (z.shape[0], *z.shape[2:]))


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    y, places, plane = node.outputs
    channels = lowering.shape(y)[1]
    shape = conv_shape(lowering, node, node.inputs[0], (lowering.batch, channels, *lowering.shape(plane)[1:]))
    pool = Fields("tfoa_window", _pool_window(lowering, node, y, plane).values)
    kept = lowering.at(places, "uint16_t") if places else NULL
    given = lowering.real(node.inputs[0]), lowering.at(plane), lowering.at(y), kept
    return [Call("tfoa_real_conv_max_pool", (CONTEXT, lowering.layers[node.inputs[1]], shape, pool, *given), may_fail=True)]


def _pool_window(lowering: Lowering, node: StepNode, y: str, plane: str) -> Braces:
    window = {name: node.attributes[_POOL + name] for name in POOL_ATTRIBUTES}
    pool = StepNode(node.name, "MaxPool", "", (), (), node.phase, window)
    return window_of(pool, lowering.shape(plane)[1:], lowering.shape(y)[2:], pool.ints("kernel_shape", ()))


def _lower_errors(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call: those who read the errors go by the places."""
    grad, places = node.inputs
    (maker,) = (each for each in lowering.graph.nodes if each.op_type == "RealConvMaxPool" and places in each.outputs)
    y, _, plane = maker.outputs
    window: Argument = _pool_window(lowering, maker, y, plane)
    taken: Address = lowering.at(places, "const uint16_t")
    positions = Number(math.prod(lowering.shape(grad)[2:]))
    lowering.pooled[node.outputs[0]] = PooledErrors(grad, window, taken, positions)
    return []


register(
    Operator(
        name="RealConvMaxPool",
        inputs=product_ports("real"),
        outputs=(Port("y"), Port("places", is_optional=True), Port("plane")),
        shape_rule=_shapes,
        scratch=no_scratch,
        doc="MaxPool of a RealConv with places as MaxPlaces has them; plane is the last channel in front of the pool.",
        attributes=("alpha", *POOL_ATTRIBUTES, "group", *(_POOL + name for name in _GEOMETRY)),
        lower=_lower,
    ),
    Operator(
        name="PooledErrors",
        inputs=(Port("grad_y"), Port("places")),
        outputs=(Port("grad_z"),),
        shape_rule=input_shape,
        scratch=no_scratch,
        doc="MaxPlacesGrad for a product's gradients alone, which generated C streams.",
        memory=Memory(streams=frozenset({0})),
        attributes=("input_shape",),
        lower=_lower_errors,
    ),
)
