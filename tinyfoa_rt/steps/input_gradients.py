"""What a trained layer sends to the layers below it: the gradient by its input, through all of its weights."""

from __future__ import annotations

from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.names import contribution
from tinyfoa_rt.operators.geometry import left_over
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.forward import window_attributes
from tinyfoa_rt.steps.parameters import LayerTensors

__all__ = ["add_input_gradient"]

_OPERATORS = {
    "dense": {"real": "RealDenseInputGrad", "sign": "SignDenseInputGrad"},
    "conv": {"real": "RealConvInputGrad", "sign": "SignConvInputGrad"},
    "local": {"real": "RealLocallyConnectedInputGrad", "sign": "SignLocallyConnectedInputGrad"},
}


def add_input_gradient(context: BlockContext, layer: Layer, tensors: LayerTensors, backward: BackwardPass, grad_z: str) -> str:
    """Record the gradient by what a layer reads, from the error ``grad_z`` at its output; return its name."""
    is_real = context.recipe_of(layer).binarize == "none"
    shape = backward.grad_type(layer.input).shape
    attributes: dict[str, Attribute] = {**window_attributes(context.graph, layer), "input_shape": shape}
    attributes["alpha"] = context.recipe.weight_scale
    if layer.kind == "conv":
        attributes["output_padding"] = left_over(shape[2:], attributes)
    inputs = (grad_z, tensors.w, tensors.w_slice, tensors.origin, tensors.abs_sum, tensors.abs_sum_slice)
    outputs = (contribution(layer.input, layer.name),)
    name = _OPERATORS[layer.kind]["real" if is_real else "sign"]
    sent = backward.builder.call(name, inputs, outputs, attributes, "gradient")[0]
    backward.add(layer.input, sent)
    return sent
