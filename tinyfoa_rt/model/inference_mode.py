"""Models that were exported to be trained elsewhere: normalization and dropout compute what they compute after training.

In training mode BatchNormalization takes the statistics of the batch, so that a sample's result depends on its neighbours, and
Dropout is random. What the stored statistics say is what the model has learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import onnx

from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.nodes import is_default_domain, subgraphs

__all__ = ["in_inference_mode"]


def in_inference_mode(draft: Draft) -> Draft:
    """Return the draft with every BatchNormalization and Dropout in inference mode, those of subgraphs included."""
    return replace(draft, nodes=tuple(_converted(draft.nodes)))


def _converted(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        if any(subgraphs(node)):
            changed = _copy(node)
            for graph in subgraphs(changed):
                inner = list(_converted(graph.node))
                del graph.node[:]
                graph.node.extend(inner)
            yield changed
        elif is_default_domain(node) and node.op_type == "BatchNormalization":
            yield from _normalization(node)
        elif is_default_domain(node) and node.op_type == "Dropout" and len(node.input) > 1:
            changed = _copy(node)
            del changed.input[1:]  # the ratio, and whether training is on
            yield changed
        else:
            yield node


def _normalization(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The normalization by the stored mean and variance (inputs 3 and 4), which are what its other outputs then say too.

    Operator sets below 14 have no attribute for the mode: four more outputs ask for training, of which the last two are of the
    batch.
    """
    changed = _copy(node)
    del changed.output[1:]
    kept = [attribute for attribute in node.attribute if attribute.name != "training_mode"]
    del changed.attribute[:]
    changed.attribute.extend(kept)
    yield changed
    for index, name in enumerate(node.output[1:]):
        if name:
            yield onnx.NodeProto(op_type="Identity", name=f"{name}_stored", input=[node.input[3 + index % 2]], output=[name])


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    return copied
