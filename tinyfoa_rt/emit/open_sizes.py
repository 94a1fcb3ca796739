"""Steps for C and C++, where onnxruntime cannot be told to leave memory alone.

Where it knows sizes, it lets a tensor take over the memory of another one of the same size and keeps it in between, which costs
up to three quarters of a plan. Python turns that off. So these models do not say their sizes; metadata ``tinyfoa.sizes.NAME``
says them to the trainer.
"""

from __future__ import annotations

import onnx

__all__ = ["open_sizes"]


def open_sizes(step: bytes) -> bytes:
    """Return the ONNX model of a step without its sizes."""
    model = onnx.load_model_from_string(step)
    graph = model.graph
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        sizes = [each.dim_value for each in dims]
        if sizes and all(sizes):
            model.metadata_props.add(key=f"tinyfoa.sizes.{value.name}", value=",".join(map(str, sizes)))
        for each in dims:
            each.Clear()
    del graph.value_info[:]
    return bytes(model.SerializeToString(deterministic=True))
