"""A step graph as an ordinary ONNX model (opset 18, IR 9).

Inputs are what the step is given: block inputs, the target, parameters and state. Outputs are the loss, the logits, and the next
values of what the step updates, named ``<input>.next``; a caller binds both to the same memory. Binary activations are uint8 0
and 1, signs of weights int8 -1 and +1.
"""

from __future__ import annotations

import onnx
from onnx import helper

from tinyfoa_rt.emit.nodes import NodeEmission, finish_model, value_info, variants_of
from tinyfoa_rt.ir.step import StepGraph

__all__ = ["emit_step"]


def emit_step(step: StepGraph) -> onnx.ModelProto:
    """Return the step as a model that unmodified onnxruntime runs.

    Raises:
        UnsupportedError: an operator has no function body.
    """
    emission = NodeEmission(step, keeps_batch=True)
    nodes = [emission.node(node) for node in step.nodes]
    computed = [name for node in step.nodes for name in node.outputs if name]
    known = {*computed, *step.constants}
    read = dict.fromkeys(name for node in step.nodes for name in node.inputs if name and name not in known)
    outputs = [name for name in computed if name in step.outputs or name.endswith(".next")]
    inside = [step.tensors[name] for name in computed if name not in outputs]
    # Where sizes vary, those of the largest slice would be wrong inside.
    is_even = not any(tensor.varies for tensor in step.tensors.values())
    graph = helper.make_graph(
        nodes,
        f"step {step.name}",
        [value_info(step.tensors[name]) for name in read],
        [value_info(step.tensors[name]) for name in outputs],
        emission.initializers,
        value_info=[value_info(tensor) for tensor in inside if is_even],
    )
    doc = f"One training step of block {step.name} (TinyFoA). Bind each output NAME.next to the memory of NAME."
    return finish_model(graph, {"kind": "step", "block": step.name}, doc, variants_of(step))
