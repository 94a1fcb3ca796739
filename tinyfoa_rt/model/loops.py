"""What a Loop hands from turn to turn keeps its shape in most models; ONNX's own rule allows for others, and says none."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx.shape_inference

from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.nodes import is_default_domain
from tinyfoa_rt.model.shapes import static_dims

__all__ = ["infer_loop_outputs"]


def infer_loop_outputs(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], data: Mapping[str, onnx.TensorProto], draft: Draft
) -> dict[str, onnx.TypeProto]:
    """Return the types of what a Loop carries, where no turn changes one of them; nothing else, and nothing for other nodes.

    Args:
        node: has passed ``check_node``.
        types: of everything it reads, what its body takes from outside included.
        data: the small constants among that.
        draft: gives operator sets.
    """
    if node.op_type != "Loop" or not is_default_domain(node):
        return {}
    model = onnx.ModelProto(ir_version=10)
    for domain, version in draft.opsets.items():
        model.opset_import.add(domain=domain, version=version)
    body = model.graph
    body.CopyFrom(next(attribute.g for attribute in node.attribute if attribute.name == "body"))
    carried = dict(zip((value.name for value in body.input[2:]), node.input[2:]))
    own = {value.name for value in body.input}
    for value in body.input:
        if value.name in carried:
            value.type.CopyFrom(types[carried[value.name]])
    del body.value_info[:]
    for value in body.output:
        value.type.tensor_type.ClearField("shape")
    for name in types:
        if name not in own:
            body.input.add(name=name, type=types[name])
    body.initializer.extend(tensor for name, tensor in data.items() if name not in own)
    try:
        after = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph.output[1:]
    except onnx.shape_inference.InferenceError:  # a turn of these shapes is none
        return {}
    kept = [static_dims(types[before], {}) for before in node.input[2:]]
    if None in kept or kept != [static_dims(value.type, {}) for value in after[: len(kept)]]:
        return {}
    return {name: types[before] for name, before in zip(node.output, node.input[2:]) if name}
