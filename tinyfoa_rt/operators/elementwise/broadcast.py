"""Sums over axes: what the gradient of a value that was repeated along them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyfoa_rt.ir.c_program import Call, Number, Real, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.lowering import Lowering, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.strides import check_axes, strides_fields, strides_of, whole_strides
from tinyfoa_rt.operators.vjp import GradientPass, grad_name

__all__ = ["unbroadcast"]


def unbroadcast(backward: GradientPass, node: Node, value: str, grad: str) -> str:
    """The gradient of an input, which may be repeated to the output's shape: the sum over the axes along which it is."""
    before, after = backward.grad_type(node.outputs[0]).shape, backward.grad_type(value)
    name = grad_name(node, value)
    num_new = len(before) - len(after.shape)
    if num_new:
        before = before[num_new:]
        summed = (name if before == after.shape else own(name, "summed"), TensorType(after.dtype, before))
        grad = _add_sum(backward, grad, summed, (range(num_new), {"keepdims": 0}))
    axes = [axis for axis, lengths in enumerate(zip(before, after.shape)) if lengths[0] != lengths[1]]
    return _add_sum(backward, grad, (name, after), (axes, {})) if axes else grad


def _add_sum(
    backward: GradientPass, x: str, output: tuple[str, TensorType], over: tuple[Sequence[int], Mapping[str, Attribute]]
) -> str:
    axes, attributes = over
    inputs = (x, backward.builder.integers(own(output[0], "axes"), axes))
    return backward.builder.standard("ReduceSum", inputs, output, attributes, "gradient")


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    shape = check_axes(lowering, node, x)
    axes = {axis % len(shape) for axis in lowering.whole_numbers(node.input(1))}
    if not axes or (0 in axes and not isinstance(lowering.rows, Number)):
        raise refuse(node, "takes a sum over the batch, over all axes or over computed ones")
    kept = [1 if axis in axes else length for axis, length in enumerate(shape)]
    strides = strides_fields(lowering, shape, whole_strides(shape), strides_of(kept, shape))
    zeros = Call("tfoa_fill", (lowering.elements(y), Real(0.0), lowering.at(y)))
    return [zeros, Call("tfoa_add_box", (strides, lowering.real(x), lowering.at(y)))]


register(StandardOperator(name="ReduceSum", lower=_lower))
