"""The forward-forward algorithm (Hinton 2022, sections 2 and 3.2), for dense layers with a Relu.

Each hidden layer learns to tell samples with their own label from samples with a wrong one, by a goodness of its own:

    g = mean h^2,    t = 1 for the own label, -1 for a wrong one,    loss = mean softplus(s t (threshold - g))
    delta_h = -t s sigmoid(s t (threshold - g)) 2 h / (units N)

The steepness s stands between Hinton's sum of squares, s = units, and a plain mean, which a layer of small weights cannot move.
A label is added to the sample's first features: to its own 1 - 1 / classes and to the others -1 / classes, times a strength, so
that a sample as it is has a neutral label. Every other sample of a batch has a wrong one, in proportion to what the classifier
says of wrong ones under the neutral label (hard negatives), drawn by a hash of its row and of a counter that the state holds.
Layers read what is below them with its length taken out, mean h^2 = 1, so that they cannot read its goodness.

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
from tinyfoa_rt.ir.names import LABELS, LOGITS, gradient, own, successor
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.vjp import refuse
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.methods.forward_only import ForwardOnly, entry_of, hidden_parts
from tinyfoa_rt.steps.methods.method import KeptTensor, Signal
from tinyfoa_rt.steps.methods.own_loss import OwnLoss

__all__ = ["ForwardForward"]

_EMBEDDING, _COUNT, _ROLE = own("", "embedding"), own("", "count"), "labelled"
# Weights of one magnitude cannot make more of a label than of any other feature.
_STRENGTH, _STRENGTH_OF_BITS = 5.0, 30.0
_THRESHOLD, _THRESHOLD_OF_BITS = 2.0, 0.5
_STEEPNESS, _STEEPNESS_OF_BITS = 10.0, 50.0
_SMALLEST = 1e-6  # of a mean square that is divided by
# The hash: u = (count A + row B) mod P, then u^2 (u + C) mod P, where P is prime and no product exceeds 63 bits.
_OF_COUNT, _OF_ROW, _MIXED, _PRIME = 40503, 30011, 12345, 2**31 - 1
_BELOW_ONE = 1 - 1e-6  # so that what is drawn stays below the sum of all, which is rounded


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
        strength = _STRENGTH_OF_BITS if context.binary_parts else _STRENGTH
        classes, inputs = self.kept(context)[0].type.shape
        embedding = np.zeros((classes, inputs), np.float32)
        embedding[:, :classes] = strength * (np.eye(classes) - 1 / classes)
        return {_EMBEDDING: embedding, _COUNT: np.full(1, context.recipe.seed % _PRIME, np.int64)}

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
    rows, column = TensorType("int64", (builder.batch,)), TensorType("float32", (builder.batch, 1))

    def compute(op_type: str, a: str, b: str | int, role: str, result: TensorType = rows) -> str:
        second = b if isinstance(b, str) else builder.integers(own("", role, "by"), [b])
        return builder.standard(op_type, (a, second), (own("", role), result))

    def as_column(whole: str) -> str:
        real = builder.standard("Cast", (whole,), (own(whole, "real"), TensorType("float32", rows.shape)), {"to": 1})
        return builder.reshape(real, (own(whole, "column"), column))

    one = TensorType("int64", (1,))
    hashed_row = builder.integers(own("", "hashed_row"), [number * _OF_ROW for number in range(builder.batch)])
    u = compute("Add", compute("Mul", _COUNT, _OF_COUNT, "hashed_count", one), hashed_row, "counter")
    u = compute("Mod", u, _PRIME, "u")
    v = compute("Mod", compute("Mul", u, compute("Add", u, _MIXED, "mixed"), "square"), _PRIME, "v")
    hashed = compute("Mod", compute("Mul", u, v, "cube"), _PRIME, "hash")
    row = builder.integers(own("", "row"), range(builder.batch))
    is_wrong = compute("Mod", compute("Add", row, _COUNT, "turn"), 2, "is_wrong")
    builder.standard("Add", (_COUNT, builder.integers(own("", "step"), [1])), (successor(_COUNT), one))
    builder.tensor(successor(_COUNT), one, "state", is_persistent=True)
    apart = compute("Sub", _add_wrong_labels(context, builder, as_column(hashed)), LABELS, "apart")
    given = compute("Add", LABELS, compute("Mul", apart, is_wrong, "distance"), "given_label")
    return given, as_column(compute("Sub", compute("Mul", is_wrong, 2, "twice_wrong"), 1, "direction"))


def _add_wrong_labels(context: BlockContext, builder: StepBuilder, hashed: str) -> str:
    """A wrong label (N) for each sample: the first one up to which wrong labels have the share of their sum that was drawn."""
    scores = TensorType("float32", (builder.batch, context.recipe.num_outputs))
    column, rows = TensorType("float32", (builder.batch, 1)), TensorType("float32", (builder.batch,))

    def compute(op_type: str, inputs: tuple[str, ...], role: str, result: TensorType = scores, **attributes: int) -> str:
        return builder.standard(op_type, inputs, (own(LOGITS, role), result), attributes)

    axis = builder.integers(own(LOGITS, "axis"), [1])
    wrong = compute("Relu", (gradient(LOGITS),), "wrong")  # p / N; what is below 0 is p - 1 of the own label
    drawn = compute("Mul", (hashed, builder.number(own(LOGITS, "unit"), _BELOW_ONE / _PRIME)), "drawn", column)
    level = compute("Mul", (compute("ReduceSum", (wrong, axis), "sum", column), drawn), "level", column)
    beyond = compute("Sub", (level, compute("CumSum", (wrong, axis), "sums")), "beyond")
    is_passed = compute("Sign", (compute("Relu", (beyond,), "passed"),), "is_passed")
    count = compute("ReduceSum", (is_passed, axis), "count", rows, keepdims=0)
    return compute("Cast", (count,), "label", TensorType("int64", rows.shape), to=7)


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
    axis, column = builder.integers(own(output, "axis"), [1]), TensorType("float32", (builder.batch, 1))

    def compute(op_type: str, inputs: tuple[str, ...], role: str, result: TensorType = column) -> str:
        return builder.standard(op_type, inputs, (own(output, role), result))

    goodness = compute("ReduceMean", (compute("Mul", (h, h), "square", whole), axis), "goodness")
    if not is_bits:
        above = compute("Add", (goodness, builder.number(own(output, "smallest"), _SMALLEST)), "above_zero")
        second.renamed[output] = compute("Div", (h, compute("Sqrt", (above,), "length")), "normalized", whole)
    threshold, steepness = (_THRESHOLD_OF_BITS, _STEEPNESS_OF_BITS) if is_bits else (_THRESHOLD, _STEEPNESS)
    apart = compute("Sub", (goodness, builder.number(own(output, "threshold"), threshold)), "apart")
    steep = compute(
        "Mul", (compute("Mul", (apart, sign), "signed"), builder.number(own(output, "steepness"), steepness)), "steep"
    )
    error = compute("Mul", (compute("Sigmoid", (steep,), "doubt"), sign), "error")
    share = 2 * steepness / (whole.shape[1] * builder.batch)
    error = compute("Mul", (error, builder.number(own(output, "share"), share)), "shared")
    return builder.standard("Mul", (error, h), (gradient(output), whole), category="gradient")
