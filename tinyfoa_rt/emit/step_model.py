"""A step graph as an ordinary ONNX model (opset 18 and IR 9, or newer where a node of the model needs it).

Inputs are what the step is given: block inputs, the labels, parameters and state. Outputs are the loss, the logits, and the next
values of what the step updates, named ``<input>#next``; a caller binds both to the same memory. Binary activations are uint8 0
and 1, signs of weights int8 -1 and +1; in the packed form both are bits in uint32 words (emit/packed.py).
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnx import helper

from tinyfoa_rt.emit.nodes import ByteForm, emit_nodes, finish_model
from tinyfoa_rt.emit.opset import find_opset
from tinyfoa_rt.emit.packed import PackedForm
from tinyfoa_rt.ir.step import StepGraph

__all__ = ["emit_step"]


def emit_step(step: StepGraph, *, is_packed: bool = False, rewrites: Collection[str] = ()) -> onnx.ModelProto:
    """Return the step as a model that unmodified onnxruntime runs, with a byte for each binary value or in its packed form.

    Args:
        step: the step.
        is_packed: in its packed form, which is for kernels and so is never rewritten.
        rewrites: standard operators that bodies say in other words (emit/rewrites.py).

    Raises:
        UnsupportedError: an operator has no function body.
    """
    form = PackedForm(step) if is_packed else ByteForm(step, rewrites)
    nodes, emission = emit_nodes(form, keeps_batch=True)
    nodes = [*emission.first_nodes, *nodes]
    computed = [name for node in step.nodes for name in node.outputs if name]
    known = {*computed, *step.constants}
    read = dict.fromkeys(name for node in step.nodes for name in node.inputs if name and name not in known)
    outputs = [name for name in computed if name in step.outputs or step.tensors[name].next_of]
    inside = [name for name in computed if name not in outputs]
    # Where sizes vary, those of the largest slice would be wrong inside.
    is_even = not any(step.tensors[name].depends_on_slice for name in computed)
    graph = helper.make_graph(
        nodes,
        f"step {step.name}",
        [form.value_info(name) for name in read],
        [form.value_info(name) for name in outputs],
        emission.initializers,
        value_info=[form.value_info(name) for name in inside if is_even],
    )
    doc = f"One training step of block {step.name} (TinyFoA). Bind each output NAME#next to the memory of NAME."
    properties = {"kind": "step", "block": step.name, **form.properties([*read, *outputs])}
    return finish_model(graph, properties, doc, form.functions(nodes), find_opset(step))
