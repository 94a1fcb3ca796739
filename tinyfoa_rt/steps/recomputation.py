"""Activations that are computed a second time instead of being kept: memory for a second run of a part of the forward pass.

A block's forward nodes are cut into segments. What one segment hands to another is kept, and so are bits and windows, which are
small. All else of a segment lives as long as its forward pass reads it. When the error comes back to the segment, what gradients
read is computed again from what was kept, node by node as it is asked for. Nothing of the last segment is computed twice: the
error comes back to it at once.

A copy reads the weights that the first run has read, for a layer moves after the error has passed all that is behind it. No
statistics follow the batch a second time: a copy normalizes by those that have followed it, to the same bits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace

from tinyfoa_rt.ir.names import AGAIN, NEXT, own, split
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.steps.builder import StepBuilder

__all__ = ["Recomputation"]


class Recomputation:
    """Adds second runs of forward nodes to a step."""

    def __init__(self, builder: StepBuilder) -> None:
        self._builder = builder
        self._cuts: list[int] = []
        self._maker: dict[str, tuple[int, StepNode]] = {}
        self._read_instead: dict[str, str] = {}
        self._copies: list[StepNode] = []

    def cut(self) -> None:
        """Begin another segment with the forward node that comes next."""
        self._cuts.append(self._builder.num_nodes)

    def end_forward(self) -> None:
        """Take the nodes so far for the forward pass, the last segment of which is behind the last cut."""
        for place, node in enumerate(self._builder.nodes if self._cuts else ()):
            segment = bisect_right(self._cuts, place)
            for name in node.inputs:
                if name in self._maker and self._maker[name][0] != segment:
                    self._read_instead[name] = name
            if segment < len(self._cuts):
                self._maker.update((name, (segment, node)) for name in node.outputs if name and split(name)[1] != NEXT)

    def saved(self, name: str) -> str:
        """The tensor that gradients read for a tensor of the forward pass: itself where it is kept, else one computed again."""
        if name not in self._maker:
            return name
        if name not in self._read_instead:
            self._run_again(self._maker[name][1])
        return self._read_instead[name]

    def unfinished(self, read: str, before: Iterable[str]) -> list[str]:
        """What is computed again from the tensor ``read``, and yet not needed for any of ``before``: ``read`` moves behind it.

        In an arena nodes run in their order; onnxruntime knows only who reads what.
        """
        copies = [node for node in self._copies if read in node.inputs]
        if not copies:
            return []
        maker = {name: node for node in self._builder.nodes for name in node.outputs}
        run: set[str] = set()
        waiting = [name for name in before if name in maker]
        while waiting:
            node = maker[waiting.pop()]
            if node.name not in run:
                run.add(node.name)
                waiting += [name for name in node.inputs if name in maker]
        return [node.outputs[0] for node in copies if node.name not in run]

    def _run_again(self, node: StepNode) -> None:
        if node.op_type in ("BinaryActivation", "LevelActivation"):
            self._read_instead.update((name, name) for name in node.outputs)
            return
        if node.op_type == "RunningBatchNormalization":
            node = _by_followed_statistics(node)
        inputs = [self.saved(name) for name in node.inputs]
        copies = [own(name, AGAIN) if name else "" for name in node.outputs]
        self._builder.repeat(node, inputs, copies)
        self._copies.append(self._builder.nodes[-1])
        self._read_instead.update(zip(node.outputs, copies))


def _by_followed_statistics(node: StepNode) -> StepNode:
    """The normalization behind which statistics have followed the batch."""
    x, gain, shift, *_ = node.inputs
    y, *followed = node.outputs
    return replace(
        node,
        op_type="FollowedBatchNormalization",
        inputs=(x, gain, shift, *followed),
        outputs=(y,),
        attributes={name: value for name, value in node.attributes.items() if name != "momentum"},
    )
