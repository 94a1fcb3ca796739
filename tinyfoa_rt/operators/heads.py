"""Local heads (design, section 2)::

    a = g B h                                                            HeadLogits
    delta_h = g B^T delta_a, only the rows of the active slice           HeadGrad
    delta_B = g delta_a h^T, where B learns (Mono-Forward)               HeadWeightGrad

With ``pools`` the head sees the mean of each channel over all positions. Where no ``head`` is given (``rademacher``), B is
+-1 from a counter-based hash of (seed, class, unit); else it is stored. The gain g keeps logits of many units in range.
The rows of a slice are its channels, each of which has ``channel_units`` units where the block's output has positions.

A head that learns is updated in place, after HeadLogits and HeadGrad have read it. onnxruntime runs nodes that do not wait for
each other in an order of its own, so HeadWeightGrad takes the output of HeadGrad too, of which it reads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Name, Number, Real, Statement, Value
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import PLANES, StepNode, TensorType
from tinyfoa_rt.operators.geometry import known
from tinyfoa_rt.operators.lowering import NULL, Lowering, StreamedGradient, real_attribute, scale_of, whole_attribute
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Memory, Operator, Port, Types, no_scratch
from tinyfoa_rt.operators.strides import numbers

__all__: list[str] = []


def _logits_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    num_classes = attributes["num_classes"]
    assert isinstance(num_classes, int)
    return (TensorType("float32", (known(inputs[0]).shape[0], num_classes)),)


def _grad_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    shape = attributes["output_shape"]
    assert isinstance(shape, tuple)
    return (TensorType("float32", tuple(int(length) for length in shape)),)


def _head_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    seen = known(inputs[1]).shape
    units = seen[1] if attributes.get("pools") else math.prod(seen[1:])
    return (TensorType("float32", (known(inputs[0]).shape[1], units)),)


def _head(lowering: Lowering, node: StepNode, stored: str, sizes: tuple[int, str]) -> Fields:
    """The head as its kernels take it; ``sizes`` are its classes, and the value whose units or channels it sees."""
    classes, seen = sizes
    units = lowering.type_of(seen).shape[1] if node.int("pools", 0) else lowering.columns(seen)
    head = lowering.real(stored) if stored else NULL
    seed = whole_attribute(node, "seed") & 0xFFFFFFFF
    gain = Real(real_attribute(node, "gain"))
    is_whole = bool(stored) and lowering.type_of(stored).dtype != "float32"
    integers = (Call("tfoa_integers_of", (lowering.layers[stored],)),) if is_whole else ()
    return Fields("tfoa_head", (head, Number(seed), Number(classes), Number(units), gain, *integers))


def _lower_logits(lowering: Lowering, node: StepNode) -> list[Statement]:
    h, logits = node.inputs[0], lowering.at(node.outputs[0])
    head = _head(lowering, node, node.input(2), (lowering.columns(node.outputs[0]), h))
    pools = node.int("pools", 0)
    shape: tuple[Argument, ...] = (lowering.channel_fields(h),) if pools else ()
    rows = () if pools else (lowering.rows,)
    if lowering.type_of(h).dtype not in PLANES:
        return [Call("tfoa_pooled_head_logits" if pools else "tfoa_head_logits", (head, *shape, lowering.at(h), *rows, logits))]
    load, scale = scale_of(lowering, node.input(1))
    kernel = "tfoa_pooled_head_logits_of_" if pools else "tfoa_head_logits_of_"
    kernel += lowering.of_bits(h, "bits", "levels")
    return [*load, Call(kernel, (head, *shape, lowering.at(h, "const uint32_t"), *rows, scale, logits))]


def _lower_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad_logits = node.inputs[0]
    seen = next(n for n in lowering.graph.nodes if n.op_type == "HeadLogits").inputs[0]
    head = _head(lowering, node, node.input(1), (lowering.columns(grad_logits), seen))
    part = lowering.channel_part(node, seen, node.input(2))
    kernel = "tfoa_pooled_head_grad" if node.int("pools", 0) else "tfoa_head_grad"
    return [Call(kernel, (head, part, lowering.at(grad_logits), lowering.at(node.outputs[0])))]


def _lower_weight_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Make no call: the update of the head computes its gradient as it goes, times the gain."""
    h, x_scale, gain = node.inputs[1], node.input(2), real_attribute(node, "gain")
    dtype, units = lowering.type_of(h).dtype, lowering.columns(h)
    places = (lowering.at(h, "const uint32_t"), NULL) if dtype in PLANES else (NULL, lowering.at(h))
    scale = Value("float", lowering.offsets[x_scale], gain) if x_scale else Real(gain)
    mean = Name(lowering.of_bits(h, "tfoa_mean_weight_gradient", "tfoa_level_mean_weight_gradient"))
    whole = NULL, Name("tfoa_level_weight_gradient") if dtype == "level" else NULL
    conv = (_whole_image(lowering, h, lowering.columns(node.inputs[0])), mean)
    seen = (*places, Number(units), scale, Real(0.0), *(conv if node.int("pools", 0) else whole))
    lowering.gradients[node.outputs[0]] = StreamedGradient(node, lambda: ([], Fields("tfoa_operand", seen)))
    return []


def _whole_image(lowering: Lowering, h: str, classes: int) -> Fields:
    """A head that sees means as a convolution: each kernel covers a whole channel, and its taps have one weight."""
    samples, channels, positions = lowering.channels(h).values
    one, none, size = numbers([1, 1], 2), numbers([0, 0], 2), Braces((Number(1), positions))
    window = Braces((size, one, size, one, one, none, none))
    return Fields("tfoa_conv_shape", (window, samples, Number(1), channels, Number(classes)))


register(
    Operator(
        name="HeadLogits",
        inputs=(
            Port("h"),
            Port("scale", is_optional=True),
            Port("head", is_optional=True),
        ),
        outputs=(Port("logits"),),
        shape_rule=_logits_shape,
        scratch=no_scratch,
        doc="logits = B h over the flattened or pooled block output; B is hashed where head is absent.",
        attributes=("num_classes", "seed", "pools", "gain"),
        lower=_lower_logits,
    ),
    Operator(
        name="HeadGrad",
        inputs=(
            Port("grad_logits"),
            Port("head", is_optional=True),
            Port("origin", is_optional=True),
        ),
        outputs=(Port("grad_h"),),
        shape_rule=_grad_shape,
        scratch=no_scratch,
        doc="grad_h = B^T grad_logits for the rows of the active slice.",
        attributes=("output_shape", "seed", "pools", "gain", "channel_units"),
        lower=_lower_grad,
    ),
    Operator(
        name="HeadWeightGrad",
        inputs=(Port("grad_logits"), Port("h"), Port("scale", is_optional=True), Port("grad_h")),
        outputs=(Port("grad_head"),),
        shape_rule=_head_shape,
        scratch=no_scratch,
        doc="grad_head = grad_logits^T h; grad_h says that HeadGrad has read the head.",
        memory=Memory(streams=frozenset({0})),
        attributes=("pools", "gain"),
        lower=_lower_weight_grad,
    ),
)
