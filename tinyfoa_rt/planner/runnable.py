"""Whether what stays as the model has it can run where it is planned for: asked before anything is planned."""

from __future__ import annotations

from functools import lru_cache

from tinyfoa_rt.emit import emit_probe, is_plain
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.operators import DOMAIN
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import assemble_forward

__all__ = ["check_runnable"]


def check_runnable(task: PlanningTask) -> None:
    """Ask onnxruntime about every kind of node that is not plain; models of plain nodes alone do not wait for its import.

    Raises:
        UnsupportedError: it refuses one; names the node and says what it says. Or generated C is given several inputs, or one of
            another type than float32.
    """
    if task.profile.runtime != "ort":
        _check_input_of_c99(task.graph)
        return
    forward, _ = assemble_forward(task.graph, task.parts, task.trained, task.profile, 1)
    for node in forward.nodes:
        if node.domain == DOMAIN or is_plain(forward, node):
            continue
        cause = _refusal(emit_probe(forward, node).SerializeToString(deterministic=True))
        if cause:
            mend = "install a newer onnxruntime, or export the model without this operator"
            raise UnsupportedError(f"node '{node.name}' ({node.op_type})", f"cannot run on onnxruntime ({cause})", mend)


def _check_input_of_c99(graph: Graph) -> None:
    others = [name for name in graph.inputs if graph.values[name].dtype != "float32"] or list(graph.inputs[1:])
    if others:
        dtype = graph.values[others[0]].dtype
        problem = f"is {dtype}: generated C takes one input, of float32"
        raise UnsupportedError(f"input '{others[0]}'", problem, "plan it for a target that runs onnxruntime")


@lru_cache(maxsize=4096)
def _refusal(model: bytes) -> str:
    from tinyfoa_rt.run.session import find_refusal  # onnxruntime is slow to import

    return find_refusal(model)
