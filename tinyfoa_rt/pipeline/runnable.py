"""Whether the installed onnxruntime can run the nodes that stay as the model has them: asked before anything is planned."""

from __future__ import annotations

from functools import lru_cache

from tinyfoa_rt.emit import emit_probe, is_plain
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ops import DOMAIN
from tinyfoa_rt.pipeline.job import PlanJob
from tinyfoa_rt.steps import assemble_forward

__all__ = ["check_runnable"]


def check_runnable(job: PlanJob) -> None:
    """Ask onnxruntime about every kind of node that is not plain; models of plain nodes alone do not wait for its import.

    Raises:
        UnsupportedError: it refuses one; names the node and says what it says.
    """
    if job.target.runtime != "ort":
        return
    forward, _ = assemble_forward(job.graph, job.parts, job.trained, job.target, 1)
    for node in forward.nodes:
        if node.domain == DOMAIN or is_plain(forward, node):
            continue
        cause = _refusal(emit_probe(forward, node).SerializeToString(deterministic=True))
        if cause:
            mend = "install a newer onnxruntime, or export the model without this operator"
            raise UnsupportedError(f"node '{node.name}' ({node.op_type})", f"cannot run on onnxruntime ({cause})", mend)


@lru_cache(maxsize=4096)
def _refusal(model: bytes) -> str:
    from tinyfoa_rt.run.session import find_refusal  # onnxruntime is slow to import

    return find_refusal(model)
