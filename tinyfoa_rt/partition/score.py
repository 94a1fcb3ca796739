"""Where the model's own loss attaches: an output, or what its last function, which belongs to the loss, is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.partition.layers import find_layers

__all__ = ["Function", "Score", "find_score", "loss_candidates", "nodes_before", "score_of"]

Function = Literal["", "sigmoid", "softmax"]

_NORMALIZERS: Mapping[str, Function] = {
    "LogSoftmax": "softmax",
    "QLinearSoftmax": "softmax",
    "QLinearSigmoid": "sigmoid",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
}
# What exporters put behind the probabilities: none of it takes part in training.
_READERS = frozenset(
    {"ArgMax", "ArrayFeatureExtractor", "Cast", "DequantizeLinear", "Flatten", "Identity", "Normalizer", "QuantizeLinear"}
    | {"Reshape", "Squeeze", "TopK", "Unsqueeze", "ZipMap"}
)


@dataclass(frozen=True)
class Score:
    """A value that can learn.

    Attributes:
        output: the value, an output of the model in most cases.
        logits: what the function at its end is computed from; ``output`` where there is none.
        function: a cross entropy holds it, and so takes the logits.
    """

    output: str
    logits: str
    function: Function

    def value(self, loss: str) -> str:
        """Where ``loss`` attaches: at the logits where it holds the function at the end itself."""
        return self.logits if loss_of(loss).takes_logits else self.output


def find_score(graph: Graph, name: str | None = None) -> Score | None:
    """Return where the loss attaches: at ``name``, or at the output that most layers are before.

    ``None`` is for a model without an output that can learn. Of several outputs with as many layers one that ends in a Sigmoid
    or a Softmax is taken, and else the first.

    Raises:
        UsageError: no trainable layer is before ``name``, or its numbers are no real ones.
    """
    depths = _depths(graph)
    if name is None:
        scores = loss_candidates(graph)
        return max(scores, key=lambda score: (depths[score.logits], bool(score.function)), default=None)
    score = score_of(graph, name) if name in graph.values else None
    if score is None or not _can_learn(graph, score, depths):
        known = ", ".join(each.output for each in loss_candidates(graph)) or "a value behind a layer"
        raise UsageError(f"--loss-at {name}", "is no value of real numbers that a trainable layer is before", f"use {known}")
    return score


def loss_candidates(graph: Graph) -> tuple[Score, ...]:
    """Return the outputs of the model that could learn, of those with one score the first."""
    depths = _depths(graph)
    scores: dict[str, Score] = {}
    for score in (score_of(graph, name) for name in graph.outputs):
        if _can_learn(graph, score, depths):
            scores.setdefault(score.logits, score)
    return tuple(scores.values())


def nodes_before(graph: Graph, value: str) -> frozenset[str]:
    """Return the names of the nodes that a value is computed by."""
    needed, names = {value}, set()
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            names.add(node.name)
            needed.update(node.inputs)
    return frozenset(names)


def _can_learn(graph: Graph, score: Score, depths: Mapping[str, int]) -> bool:
    return graph.values[score.logits].dtype == "float32" and depths.get(score.logits, 0) > 0


def _depths(graph: Graph) -> Mapping[str, int]:
    """For each value the most layers that a path to it passes."""
    first = {layer.nodes[0].name for layer in find_layers(graph)}
    depths: dict[str, int] = {}
    for node in graph.nodes:
        before = max((depths.get(name, 0) for name in node.inputs), default=0)
        depths.update((name, before + (node.name in first)) for name in node.outputs)
    return depths


def score_of(graph: Graph, output: str) -> Score:
    """Return how the loss attaches at a value: Sigmoid, Softmax and LogSoftmax are found spelled out as well."""
    trace = _Trace(graph)
    name = output
    while True:
        function, logits = trace.normalizer(name)
        if function:
            return Score(_real(graph, output, logits), logits, function)
        node = trace.producer.get(name)
        if node is None or node.op_type not in _READERS:
            real = _real(graph, output, name)
            return Score(real, real, "")
        name = next((each for each in node.inputs if not graph.is_constant(each)), "")  # of an ArrayFeatureExtractor the second


def _real(graph: Graph, output: str, instead: str) -> str:
    return output if graph.values[output].dtype == "float32" else instead


class _Trace:
    """Follows values back to what they are computed from."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.producer = {name: node for node in graph.nodes for name in node.outputs}

    def normalizer(self, name: str) -> tuple[Function, str]:
        """The function whose result a value is, and what it is computed from; ``""`` where it is neither of both."""
        node = self.producer.get(name)
        if node is None:
            return "", ""
        if node.op_type in _NORMALIZERS:
            return _NORMALIZERS[node.op_type], self._before_quantization(node.inputs[0])
        if node.op_type == "Log":
            function, logits = self.normalizer(node.inputs[0])
            return (function, logits) if function == "softmax" else ("", "")
        for function, logits in (("softmax", self._softmax(node)), ("sigmoid", self._sigmoid(node))):
            if logits:
                return function, logits
        return "", ""

    def _softmax(self, node: Node) -> str:
        """Return x of exp(x) / sum exp(x), or of x - log sum exp(x); the largest x may have been subtracted first."""
        powers, total = (*node.inputs, "", "")[:2]
        if node.op_type == "Div":
            logits = self._input(powers, "Exp")
            is_it = bool(logits) and self._input(total, "ReduceSum") == powers
        elif node.op_type == "Sub":
            logits = powers
            summed = self._input(self._input(total, "Log"), "ReduceSum")
            is_it = self._input(total, "ReduceLogSumExp") == logits or (bool(summed) and self._input(summed, "Exp") == logits)
        else:
            return ""
        shifted = self.producer.get(logits)
        if shifted is not None and shifted.op_type == "Sub" and self._input(shifted.inputs[1], "ReduceMax") == shifted.inputs[0]:
            logits = shifted.inputs[0]
        return logits if is_it else ""

    def _sigmoid(self, node: Node) -> str:
        """Return x of 1 / (1 + exp(-x))."""
        if node.op_type == "Reciprocal":
            divisor = self.producer.get(node.inputs[0])
        elif node.op_type == "Div" and self._is_one(node.inputs[0]):
            divisor = self.producer.get(node.inputs[1])
        else:
            return ""
        if divisor is None or divisor.op_type != "Add" or not any(map(self._is_one, divisor.inputs)):
            return ""
        power = next(name for name in reversed(divisor.inputs) if not self._is_one(name))
        return self._input(self._input(power, "Exp"), "Neg")

    def _input(self, name: str, op_type: str) -> str:
        """What a value of that operator is computed from; nothing where another made it."""
        node = self.producer.get(name)
        return node.inputs[0] if node is not None and node.op_type == op_type else ""

    def _is_one(self, name: str) -> bool:
        constant = self._graph.constants.get(name)
        return constant is not None and constant.size == 1 and float(np.asarray(constant.read()).reshape(-1)[0]) == 1

    def _before_quantization(self, name: str) -> str:
        """The real numbers of which a value is the integers."""
        return self._input(name, "QuantizeLinear") or name
