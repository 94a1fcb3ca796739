"""Steps with convolutions for C and C++, where onnxruntime cannot be told to leave memory alone.

Where it knows sizes, it lets a tensor take over the memory of another one of the same size and keeps it in between, which costs
up to three quarters of a plan. Python turns that off. So these models do not say their sizes; metadata ``tinyfoa.sizes.NAME``
says them to the trainer. What is lost are some updates in place, since they need sizes too.
"""

from __future__ import annotations

import onnx

from tinyfoa_rt.ops import DOMAIN

__all__ = ["open_sizes"]


def open_sizes(step: bytes) -> bytes:
    """Return the ONNX model of a step without its sizes; one without convolutions as it is."""
    model = onnx.load_model_from_string(step)
    graph = model.graph
    if not any(node.domain == DOMAIN and node.op_type.endswith("Conv") for node in graph.node):
        return step
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        sizes = [each.dim_value for each in dims]
        if sizes and all(sizes):
            model.metadata_props.add(key=f"tinyfoa.sizes.{value.name}", value=",".join(map(str, sizes)))
        for each in dims:
            each.Clear()
    del graph.value_info[:]
    return bytes(model.SerializeToString(deterministic=True))
