"""Direct random target projection (Frenkel, Lefebvre and Bol, Frontiers in Neuroscience 2021).

    delta_k = (B_k y*) f'(z_k) / N    for the hidden layer k,        delta_K = (y - y*) / N    for the classifier

y* is the one-hot label and B_k a fixed random matrix: the label stands for the sign of the output's error, which it has class by
class. No layer waits for the ones behind it, so one forward pass is all that a step needs. A binary activation has its
straight-through window in the place of f'. What a unit is told by all classes adds up to zero: this error does not end when the
model is right, and would else push a unit one way for ever.
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
            is_flat = whole.shape == flat.shape
            gradients[part.output] = error if is_flat else builder.reshape(error, (gradient(part.output), whole), "gradient")
        return Signal(gradients, signal.scores)


def _projections(context: BlockContext) -> list[tuple[str, int]]:
    """The name of B_k and the units of its layer, for each hidden layer."""
    parts = enumerate(hidden_parts(context), 1)
    return [(own("", f"projection{number}"), context.graph.values[part.output].size) for number, part in parts]
