"""PEPITA, present the error to perturb the input to modulate activity (Dellaferrera and Kreiman, ICML 2022, Algorithm 1).

    e = softmax(a) - y*,    x' = x + F e,    delta_k = (h_k - h_k') / N for the hidden layer k,    delta_K = e / N

h_k are the activations of a forward pass of x, h_k' those of a second one of x'. A layer's gradient is its delta times what it
has read in the second pass. F is fixed and uniform on +-0.05 sqrt(6 / inputs). There is no derivative of the activation, so that
bits need no window here: their h_k - h_k' is -1, 0 or 1. Few of them would change so: for them F is ten times as large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.names import LOGITS, gradient, own
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.vjp import refuse
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.methods.drawn import draw
from tinyfoa_rt.steps.methods.forward_only import ForwardOnly, entry_of, hidden_parts
from tinyfoa_rt.steps.methods.method import KeptTensor, RateUnits, Signal
from tinyfoa_rt.steps.methods.own_loss import OwnLoss

__all__ = ["Pepita"]

_PROJECTION, _ROLE = own("", "projection"), "modulated"
_LENGTH, _LENGTH_OF_BITS = 0.05, 0.5
# Found on MNIST with 784-500-500-10: whole steps lose two points in two epochs of real weights.
_SHARE = 0.3


class Pepita(ForwardOnly):
    """The output's error, added to the input, changes what hidden layers compute: that change is their error."""

    name = "pepita"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        """``#projection`` (outputs, inputs): F transposed."""
        shape = (context.recipe.num_outputs, context.graph.values[entry_of(context)].size)
        return (KeptTensor(_PROJECTION, TensorType("float32", shape), "head", is_fixed=True),)

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        (projection,) = self.kept(context)
        length = _LENGTH_OF_BITS if context.binary_parts else _LENGTH
        drawn = draw((context.recipe.seed,), projection.type.shape)  # the variance of +-sqrt(6 / n) is 2 / n
        return {_PROJECTION: drawn * np.float32(length * math.sqrt(2 / projection.type.shape[1]))}

    def rate_units(self, context: BlockContext) -> RateUnits:
        return RateUnits(share=_SHARE)

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        signal, builder, entry = OwnLoss().add(context, forward, backward), forward.builder, entry_of(context)
        builder.phase = "forward"
        like, flat = builder.value_type(entry), TensorType("float32", (builder.batch, context.graph.values[entry].size))
        change = builder.standard("MatMul", (gradient(LOGITS), _PROJECTION), (own(entry, "share"), flat))
        samples = builder.number(own("", "samples"), builder.batch)  # the gradient is e / N
        change = builder.standard("Mul", (change, samples), (own(entry, "change"), flat))
        if like.shape != flat.shape:
            change = builder.reshape(change, (own(entry, "change", "shaped"), like))
        moved = builder.standard("Add", (forward.real_input(entry), change), (own(entry, _ROLE), like))
        second = forward.again(_ROLE, {entry: moved})
        for part in context.block.stages[:-1]:
            second.run_part(part)
        builder.phase = "gradient"
        gradients = dict(signal.gradients)
        share = builder.number(own("", "share"), 1 / builder.batch)
        for part in hidden_parts(context):
            z = part.layers[0].output
            whole = backward.grad_type(z)
            if builder.value_type(part.output).shape != whole.shape:
                raise refuse(
                    part.layers[0].name, "is pooled or shaped anew, and the method pepita needs an error for each output"
                )
            h = forward.real_output(part.output), second.real_output(part.output)
            apart = builder.standard("Sub", h, (own(part.output, "apart"), whole), category="gradient")
            gradients[z] = builder.standard("Mul", (apart, share), (gradient(z), whole), category="gradient")
        return Signal(gradients, signal.scores, {part.name: second for part in context.block.stages})
