"""What pools have in common: the gradient goes back to where the window took its value, or is shared by the window."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Fields
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import known
from tinyfoa_rt.operators.lowering import Lowering, LowerRule, channel_count, refuse
from tinyfoa_rt.operators.signature import Operator, Port, Types, no_scratch
from tinyfoa_rt.operators.vjp import GradientPass, add_gradient
from tinyfoa_rt.operators.windows import window_of

__all__ = [
    "MOST_PLACES",
    "add_pool_gradient", "gradient_window", "input_shape", "planes_of", "pool_gradient_row", "pool_window",
]  # fmt: skip

# Of an image, as 16 bits count them.
MOST_PLACES = 2**16


def pool_gradient_row(name: str, saved: tuple[str, ...], doc: str, attributes: tuple[str, ...], lower: LowerRule) -> Operator:
    """The row of a pool's gradient; ``saved`` is what the forward pass leaves it."""
    return Operator(
        name=name,
        inputs=(Port("grad_y"), *(Port(port) for port in saved), Port("origin", is_optional=True)),
        outputs=(Port("grad_x"),),
        shape_rule=input_shape,
        scratch=no_scratch,
        doc=doc,
        attributes=attributes,
        lower=lower,
    )


def input_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    """The shape rule of a pool's gradient: what the attribute ``input_shape`` says."""
    shape = attributes["input_shape"]
    assert isinstance(shape, tuple)
    return (TensorType(known(inputs[0]).dtype, tuple(int(length) for length in shape)),)


def add_pool_gradient(
    backward: GradientPass, node: Node, call: tuple[str, tuple[str, ...]], window: Mapping[str, Attribute]
) -> None:
    """Add ``call``, the gradient's operator and the inputs before its origin."""
    operator, inputs = call
    attributes = {**window, "input_shape": backward.grad_type(node.inputs[0]).shape}
    add_gradient(backward, node, operator, (*inputs, backward.origin), attributes)


def pool_window(lowering: Lowering, node: StepNode) -> tuple[Fields, Argument]:
    """``tfoa_window`` of a pool, and how many images there are, over all samples."""
    if len([name for name in node.outputs if name]) > 1:
        raise refuse(node, "gives places as well as values")
    x_shape, y_shape = lowering.shape(node.inputs[0]), lowering.shape(node.outputs[0])
    window = Fields("tfoa_window", window_of(node, x_shape[2:], y_shape[2:], node.ints("kernel_shape", ())).values)
    return window, lowering.leading(x_shape, x_shape[1])


def gradient_window(lowering: Lowering, node: StepNode) -> Fields:
    """``tfoa_window`` of the pool that a gradient belongs to."""
    out_size, in_size = (lowering.shape(name)[2:] for name in (node.inputs[0], node.outputs[0]))
    return Fields("tfoa_window", window_of(node, in_size, out_size, node.ints("kernel_shape", ())).values)


def planes_of(lowering: Lowering, node: StepNode, origin: str) -> Argument:
    """Images of the gradient, over all samples."""
    shape = lowering.shape(node.outputs[0])
    return channel_count(lowering, origin, shape[0]) if origin else lowering.leading(shape, shape[1])
