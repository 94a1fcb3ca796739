"""Where the model's own loss attaches: the scores of the last block, before Softmax and what only reads its result."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.ir.graph import Graph, Node

__all__ = ["find_score"]

_NORMALIZERS = frozenset({"Softmax", "LogSoftmax", "QLinearSoftmax"})
# What exporters put behind the probabilities: none of it takes part in training.
_READERS = frozenset(
    {"ArgMax", "ArrayFeatureExtractor", "Cast", "DequantizeLinear", "Flatten", "Identity", "Normalizer", "QuantizeLinear"}
    | {"Reshape", "Squeeze", "TopK", "ZipMap"}
)


def find_score(graph: Graph, nodes: Sequence[Node], outputs: Sequence[str]) -> str:
    """Return the value of the last block on which the loss is computed.

    It is the input of the last Softmax or LogSoftmax behind which only the result is read; without one, the first real-valued
    model output.
    """
    behind: set[str] = set()
    for node in reversed(nodes):
        is_tail = all(name in behind or name in graph.outputs or not _is_read(name, nodes) for name in node.outputs)
        if node.op_type in _NORMALIZERS and is_tail:
            return _before_quantization(nodes, node.inputs[0])
        if node.op_type in _READERS and is_tail:
            behind.update(node.inputs)
            continue
        if node.op_type not in _READERS:
            break
    reals = [name for name in outputs if graph.values[name].dtype == "float32"]
    return reals[0] if reals else outputs[0]


def _before_quantization(nodes: Sequence[Node], name: str) -> str:
    """The real numbers of which a value is the integers."""
    return next((node.inputs[0] for node in nodes if node.op_type == "QuantizeLinear" and name in node.outputs), name)


def _is_read(name: str, nodes: Sequence[Node]) -> bool:
    return any(name in node.inputs for node in nodes)
