"""Direct random target projection (Frenkel, Lefebvre and Bol, Frontiers in Neuroscience 2021).

    delta_k = (B_k y*) f'(z_k) / N    for the hidden layer k,        delta_K = (y - y*) / N    for the classifier

y* is the one-hot label and B_k a fixed random matrix: the label stands for the sign of the output's error, which it has class by
class. No layer waits for the ones behind it, so one forward pass is all that a step needs. A binary activation has its
straight-through window in the place of f'. This error does not end when the model is right: it ends where f' does, which is why
the paper has tanh. A Relu has no such end, so that its units are given one: f' is 1 between 0 and 1 alone. What a unit is told by
all classes adds up to zero, so that they do not push it one way together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.names import LABELS, gradient, own
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.methods.drawn import draw
from tinyfoa_rt.steps.methods.forward_only import ForwardOnly, hidden_parts
from tinyfoa_rt.steps.methods.method import KeptTensor, Signal
from tinyfoa_rt.steps.methods.own_loss import OwnLoss

__all__ = ["Drtp"]

_END = 1.0  # of a Relu's slope, as far up as a binary output has its window


class Drtp(ForwardOnly):
    """A hidden layer's error is the label's row of a fixed random matrix."""

    name = "drtp"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        """``#projection1`` and so on, (classes, units): B_k of each hidden layer, transposed."""
        shapes = ((name, (context.recipe.num_outputs, units)) for name, units in _projections(context))
        return tuple(KeptTensor(name, TensorType("float32", shape), "head", is_fixed=True) for name, shape in shapes)

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        found = {}
        for number, (name, units) in enumerate(_projections(context)):
            rows = draw((context.recipe.seed, number), (context.recipe.num_outputs, units))
            found[name] = (rows - rows.mean(axis=0)) * np.float32(1 / math.sqrt(units))
        return found

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        signal, builder = OwnLoss().add(context, forward, backward), forward.builder
        gradients = dict(signal.gradients)
        builder.phase = "gradient"
        share = builder.number(own("", "share"), 1 / builder.batch)
        for part, (projection, units) in zip(hidden_parts(context), _projections(context)):
            whole = backward.grad_type(part.output)
            flat = TensorType("float32", (builder.batch, units))
            rows = (own(part.output, "projected"), flat)
            error = builder.standard("Gather", (projection, LABELS), rows, {"axis": 0}, "gradient")
            shared = (own(part.output, "error"), flat)
            error = builder.standard("Mul", (error, share), shared, {}, "gradient")
            if whole.shape != flat.shape:
                error = builder.reshape(error, (own(part.output, "shaped"), whole), "gradient")
            gradients[part.output] = _add_end(forward, part, error)
        return Signal(gradients, signal.scores)


def _add_end(forward: BlockPass, part: Block, error: str) -> str:
    """The error, which ends where a Relu is at the end that its units are given."""
    builder, output = forward.builder, part.output
    if output in forward.binary or not any(node.op_type == "Relu" and output in node.outputs for node in part.nodes):
        return error
    h, whole = forward.real_output(output), builder.value_type(output)
    room = builder.standard("Sub", (builder.number(own(output, "end"), _END), h), (own(output, "room"), whole))
    left = builder.standard("Relu", (room,), (own(output, "left"), whole))
    goes_on = builder.standard("Sign", (left,), (own(output, "goes_on"), whole))
    return builder.standard("Mul", (error, goes_on), (gradient(output), whole), category="gradient")


def _projections(context: BlockContext) -> list[tuple[str, int]]:
    """The name of B_k and the units of its layer, for each hidden layer."""
    parts = enumerate(hidden_parts(context), 1)
    return [(own("", f"projection{number}"), context.graph.values[part.output].size) for number, part in parts]
