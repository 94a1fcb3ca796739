"""The model's own loss, of its own output: how its classifier is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.names import gradient, own
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.vjp import refuse
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.methods.method import KeptTensor, Method, Signal
from tinyfoa_rt.steps.methods.supervised import add_loss, class_weights, kept_class_weights

__all__ = ["OwnLoss"]


class OwnLoss(Method):
    """The gradient of the loss by the block's output, for all outputs at once."""

    name = "own-loss"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        return kept_class_weights(context)

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        return class_weights(context)

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        """The output may have positions, of size 1, where a convolution classifies.

        Raises:
            UnsupportedError: the block's output is not the model's.
        """
        builder, output = forward.builder, context.block.output
        if not context.block.is_classifier:
            raise refuse(context.block.layers[0].name, "does not compute what the model's loss is of")
        shape = builder.type_of(output).shape
        if len(shape) <= 2:
            return Signal({output: add_loss(context, builder, output)}, output)
        flat = TensorType("float32", (shape[0], context.recipe.num_outputs))
        grad = add_loss(context, builder, builder.reshape(output, (own(output, "flat"), flat)))
        builder.phase = "gradient"
        whole = (gradient(output), TensorType("float32", shape))
        return Signal({output: builder.reshape(grad, whole, "gradient")}, output)
