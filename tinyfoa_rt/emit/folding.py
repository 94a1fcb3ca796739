"""Batch normalization behind a trained layer becomes part of the layer, in the inference model.

y = gain (z - mean) / sqrt(variance + epsilon) + shift is a factor and an offset for each output. The factor goes into alpha (into
the sums of |W|) or into real weights, the offset into the bias. Both are computed from initializers by a few nodes, which
onnxruntime runs once, when it loads the model: what training writes stays as it is, and what writes it knows nothing of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepGraph, StepNode

__all__ = ["fold_normalizations"]

_BIAS = 2
# Which input of a product its factor goes into: weights, or the sums of |W|.
_SCALED = {"RealConv": 1, "RealDense": 1, "SignConv": 6, "SignDense": 6, "BinaryConv": 6, "BinaryDense": 6}


def fold_normalizations(
    forward: StepGraph, nodes: Sequence[onnx.NodeProto], initializers: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Return the nodes with each BatchNormalization folded that alone reads what a layer's product gives, channel by channel.

    Args:
        forward: the forward pass.
        nodes: its nodes as they are emitted, in the same order.
        initializers: of the model; what folding needs is added.
    """
    products = {node.outputs[0]: (node, proto) for node, proto in zip(forward.nodes, nodes) if node.op_type in _SCALED}
    readers = Counter(name for node in forward.nodes for name in node.inputs)
    readers.update(forward.outputs)
    folded: dict[str, list[onnx.NodeProto]] = {}
    dropped = set()
    for node, proto in zip(forward.nodes, nodes):
        if node.op_type != "BatchNormalization" or node.domain or node.inputs[0] not in products:
            continue
        if node.int("training_mode", 0):  # it takes the statistics of the batch
            continue
        product, call = products[node.inputs[0]]
        is_by_channel = not product.op_type.startswith(("Sign", "Binary")) or product.attributes.get("alpha") == "row"
        if readers[node.inputs[0]] == 1 and is_by_channel:
            folded[call.name] = _fold(product, call, node, initializers)
            dropped.add(proto.name)
    return [each for proto in nodes if proto.name not in dropped for each in folded.get(proto.name, [proto])]


def _fold(product: StepNode, call: onnx.NodeProto, norm: StepNode, initializers: list[onnx.TensorProto]) -> list[onnx.NodeProto]:
    """The nodes that compute the product's new parameters, and the product, which gives what the normalization gave."""
    y = norm.outputs[0]
    folded = own(y, "folded")
    _, gain, shift, mean, variance = norm.inputs
    epsilon = numpy_helper.from_array(np.array(norm.float("epsilon", 1e-5), dtype=np.float32), own(folded, "epsilon"))
    initializers.append(epsilon)
    position = _SCALED[product.op_type]
    steps: Mapping[str, tuple[str, str, str]] = {
        own(folded, "moved_variance"): ("Add", variance, epsilon.name),
        own(folded, "deviation"): ("Sqrt", own(folded, "moved_variance"), ""),
        own(folded, "factor"): ("Div", gain, own(folded, "deviation")),
        own(folded, "moved_bias"): ("Sub", call.input[_BIAS], mean),
        own(folded, "scaled_bias"): ("Mul", own(folded, "moved_bias"), own(folded, "factor")),
        own(folded, "bias"): ("Add", own(folded, "scaled_bias"), shift),
        own(folded, "scaled"): ("Mul", call.input[position], own(folded, "factor")),
    }
    found = [
        helper.make_node(op_type, [name for name in inputs if name], [output], name=output)
        for output, (op_type, *inputs) in steps.items()
    ]
    whole = onnx.NodeProto()
    whole.CopyFrom(call)
    whole.input[position], whole.input[_BIAS], whole.output[0] = own(folded, "scaled"), own(folded, "bias"), y
    return [*found, whole]
