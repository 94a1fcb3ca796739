"""How many windows a pool with ``ceil_mode`` has: onnx's shape rule also counts one that begins behind the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from tinyfoa_rt.model.nodes import is_default_domain
from tinyfoa_rt.model.shapes import static_dims, tensor_type

__all__ = ["without_late_windows"]

_POOLS = frozenset(("AveragePool", "LpPool", "MaxPool"))


def without_late_windows(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], outputs: Mapping[str, onnx.TypeProto]
) -> Mapping[str, onnx.TypeProto]:
    """Return the types of a node's outputs with the sizes that onnxruntime (and PyTorch) give them.

    The operator set says: windows that would begin in the padding behind the image are left out.
    """
    attributes: dict[str, Any] = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type not in _POOLS or not is_default_domain(node) or not attributes.get("ceil_mode", 0):
        return outputs
    return {name: _counted(known, types[node.input[0]], attributes) for name, known in outputs.items()}


def _counted(pooled: onnx.TypeProto, image: onnx.TypeProto, attributes: Mapping[str, Any]) -> onnx.TypeProto:
    before, after = static_dims(image, {}), static_dims(pooled, {})
    if before is None or after is None or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        return pooled
    rank = len(before) - 2
    strides, pads = attributes.get("strides", [1] * rank), attributes.get("pads", [0] * 2 * rank)
    most = [-(-(before[2 + axis] + pads[axis]) // strides[axis]) for axis in range(rank)]
    return tensor_type(pooled.tensor_type.elem_type, (*after[:2], *map(min, after[2:], most)))
