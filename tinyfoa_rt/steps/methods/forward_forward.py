"""The forward-forward algorithm (Hinton 2022, sections 2 and 3.2), for dense layers with a Relu.

Each hidden layer learns to tell samples with their own label from samples with a wrong one, by a goodness of its own:

    g = mean h^2,    t = 1 for the own label, -1 for a wrong one,    loss = mean softplus(t (threshold - g))
    delta_h = -t sigmoid(t (threshold - g)) 2 h / (units N)

A label is added to the sample's first features: to its own 1 - 1 / classes and to the others -1 / classes, times a strength, so
that a sample as it is has a neutral label. Every other sample of a batch has a wrong one, drawn by a hash of its row and of a
counter that the state holds. Layers read what is below them with its length taken out, mean h^2 = 1, so that they cannot read
its goodness.

The model predicts by its own output: its classifier is the softmax of section 3.2, which reads hidden activities under the
neutral label. It learns from the model's own forward pass, where no length is taken out. Of bits the goodness is the share that
fires, their length stays, and delta passes a window in the place of the Relu.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.names import LABELS, gradient, own, successor
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.vjp import refuse
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.methods.forward_only import ForwardOnly, entry_of, hidden_parts
from tinyfoa_rt.steps.methods.method import KeptTensor, RateUnits, Signal
from tinyfoa_rt.steps.methods.own_loss import OwnLoss

__all__ = ["ForwardForward"]

_EMBEDDING, _COUNT, _ROLE = own("", "embedding"), own("", "count"), "labelled"
_STRENGTH = 5.0
_THRESHOLD, _THRESHOLD_OF_BITS, _STEEPNESS_OF_BITS = 2.0, 0.5, 10.0
# Found on MNIST with 784-500-500-10: whole steps lose twelve points in two epochs of real weights.
_SHARE = 0.3
_SMALLEST = 1e-6  # of a mean square that is divided by
# The hash: u = (count A + row B) mod P, then u^2 (u + C) mod P, where P is prime and no product exceeds 63 bits.
_OF_COUNT, _OF_ROW, _MIXED, _PRIME = 40503, 30011, 12345, 2**31 - 1


class ForwardForward(ForwardOnly):
    """Hidden layers tell own labels from wrong ones; the classifier reads them under a neutral label."""

    name = "forward-forward"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        """``#embedding`` (classes, inputs): what a label adds to a sample; ``#count``: the seed and the steps."""
        shape = (context.recipe.num_outputs, context.graph.values[entry_of(context)].size)
        if shape[0] > shape[1]:
            raise refuse(context.block.layers[0].name, f"reads {shape[1]} numbers, too few for a label of {shape[0]} classes")
        embedding = KeptTensor(_EMBEDDING, TensorType("float32", shape), "head", is_fixed=True)
        return embedding, KeptTensor(_COUNT, TensorType("int64", (1,)), "state")

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        classes, inputs = self.kept(context)[0].type.shape
        embedding = np.zeros((classes, inputs), np.float32)
        embedding[:, :classes] = _STRENGTH * (np.eye(classes) - 1 / classes)
        return {_EMBEDDING: embedding, _COUNT: np.full(1, context.recipe.seed % _PRIME, np.int64)}

    def rate_units(self, context: BlockContext) -> RateUnits:
        return RateUnits(share=1.0 if context.binary_parts else _SHARE)

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        signal, builder = OwnLoss().add(context, forward, backward), forward.builder
        builder.phase = "forward"
        labels, sign = _add_labels(context, builder)
        second = forward.again(_ROLE, {entry_of(context): _add_sample(context, forward, labels)})
        gradients = dict(signal.gradients)
        trained = hidden_parts(context)
        for part in context.block.stages[:-1]:
            second.run_part(part)
            if part in trained:
                gradients[part.output] = _add_goodness(second, part, sign)
        return Signal(gradients, signal.scores, {part.name: second for part in trained})


def _add_labels(context: BlockContext, builder: StepBuilder) -> tuple[str, str]:
    """The labels (N) that samples get, and -t (N, 1) of each."""
    rows = TensorType("int64", (builder.batch,))

    def compute(op_type: str, a: str, b: str | int, role: str, result: TensorType = rows) -> str:
        second = b if isinstance(b, str) else builder.integers(own("", role, "by"), [b])
        return builder.standard(op_type, (a, second), (own("", role), result))

    one = TensorType("int64", (1,))
    row = builder.integers(own("", "row"), range(builder.batch))
    hashed_row = builder.integers(own("", "hashed_row"), [number * _OF_ROW for number in range(builder.batch)])
    u = compute("Add", compute("Mul", _COUNT, _OF_COUNT, "hashed_count", one), hashed_row, "counter")
    u = compute("Mod", u, _PRIME, "u")
    v = compute("Mod", compute("Mul", u, compute("Add", u, _MIXED, "mixed"), "square"), _PRIME, "v")
    hashed = compute("Mod", compute("Mul", u, v, "cube"), _PRIME, "hash")
    away = compute("Add", compute("Mod", hashed, context.recipe.num_outputs - 1, "others"), 1, "away")
    is_wrong = compute("Mod", compute("Add", row, _COUNT, "turn"), 2, "is_wrong")
    moved = compute("Add", LABELS, compute("Mul", away, is_wrong, "distance"), "moved")
    builder.standard("Add", (_COUNT, builder.integers(own("", "step"), [1])), (successor(_COUNT), one))
    builder.tensor(successor(_COUNT), one, "state", is_persistent=True)
    twice = compute("Mul", is_wrong, 2, "twice_wrong")
    whole = compute("Sub", twice, 1, "direction")
    real = builder.standard("Cast", (whole,), (own("", "direction", "real"), TensorType("float32", rows.shape)), {"to": 1})
    column = (own("", "sign"), TensorType("float32", (builder.batch, 1)))
    return compute("Mod", moved, context.recipe.num_outputs, "given_label"), builder.reshape(real, column)


def _add_sample(context: BlockContext, forward: BlockPass, labels: str) -> str:
    """The samples with the labels in them."""
    builder, entry = forward.builder, entry_of(context)
    like, flat = builder.value_type(entry), TensorType("float32", (builder.batch, context.graph.values[entry].size))
    label = builder.standard("Gather", (_EMBEDDING, labels), (own(entry, "label"), flat), {"axis": 0})
    if like.shape != flat.shape:
        label = builder.reshape(label, (own(entry, "label", "shaped"), like))
    return builder.standard("Add", (forward.real_input(entry), label), (own(entry, _ROLE), like))


def _add_goodness(second: BlockPass, part: Block, sign: str) -> str:
    """The gradient of a layer's loss by its h, whose length is taken out for the layers behind it."""
    builder, output = second.builder, part.output
    whole = builder.value_type(output)
    is_relu = any(node.op_type == "Relu" and output in node.outputs for node in part.nodes)
    if len(whole.shape) != 2 or not (is_relu or output in second.binary):
        raise refuse(part.layers[0].name, "is not dense with a Relu behind it, as the method forward-forward needs it")
    is_bits, h = output in second.binary, second.real_output(output)
    column = TensorType("float32", (builder.batch, 1))

    def compute(op_type: str, inputs: tuple[str, ...], role: str, result: TensorType = column) -> str:
        return builder.standard(op_type, inputs, (own(output, role), result))

    square = h if is_bits else compute("Mul", (h, h), "square", whole)
    goodness = compute("ReduceMean", (square, builder.integers(own(output, "axis"), [1])), "goodness")
    if not is_bits:
        above = compute("Add", (goodness, builder.number(own(output, "smallest"), _SMALLEST)), "above_zero")
        second.renamed[output] = compute("Div", (h, compute("Sqrt", (above,), "length")), "normalized", whole)
    threshold, steepness = (_THRESHOLD_OF_BITS, _STEEPNESS_OF_BITS) if is_bits else (_THRESHOLD, 1.0)
    apart = compute("Sub", (goodness, builder.number(own(output, "threshold"), threshold)), "apart")
    signed = compute(
        "Mul", (compute("Mul", (apart, sign), "signed"), builder.number(own(output, "steepness"), steepness)), "steep"
    )
    share = (1 if is_bits else 2) * steepness / (whole.shape[1] * builder.batch)
    error = compute("Mul", (compute("Sigmoid", (signed,), "doubt"), sign), "error")
    error = compute("Mul", (error, builder.number(own(output, "share"), share)), "shared")
    if is_bits:  # each unit has the same share in the goodness
        shape = builder.integers(own(output, "shape"), whole.shape)
        return builder.standard("Expand", (error, shape), (gradient(output), whole), category="gradient")
    return builder.standard("Mul", (error, h), (gradient(output), whole), category="gradient")
