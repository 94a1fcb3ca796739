"""Where the forward pass of a block of several layers may be cut, so that activations are computed again instead of being kept.

Few ways are tried, for each costs a step: cuts into segments that keep about as much as each other, and single cuts, behind which
all is kept. Of those that are left each needs less memory than all that compute less a second time. What they need is
estimated, in an arena and at the largest batch, where activations weigh most; the search counts it in full.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tinyfoa_rt.ir.block import Block, Layer
from tinyfoa_rt.ir.names import AGAIN, own, split
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.planner.layout import peak_live_nbytes
from tinyfoa_rt.steps import BlockContext, StepChoice, assemble_step, to_program
from tinyfoa_rt.steps.methods import method_of

__all__ = ["Segments", "repeated_share", "segments_of"]

# The parts of a block before which its forward pass is cut, counted from 0; none where all is kept.
Segments = tuple[int, ...]

_MOST_SEGMENTS = 5
_SINGLE_CUTS = 8


def segments_of(context: BlockContext, choice: StepChoice, recompute: str) -> tuple[Segments, ...]:
    """Return the cuts that are tried, the least that is computed a second time first, each needing less memory than those before.

    Args:
        context: the block.
        choice: sizes of the largest batch.
        recompute: ``never``, ``auto`` (the first keeps everything) or ``always`` (none does, unless nothing can be cut).

    Raises:
        UnsupportedError: the block cannot be trained.
    """
    if recompute == "never" or len(context.block.parts) < 2 or not method_of(context.recipe.method).passes_errors:
        return ((),)
    # Where onnxruntime takes the updates does not show in the order of a step's nodes.
    in_arena = replace(context, profile=replace(context.profile, runtime="c99", streams_gradients=True))
    kept = assemble_step(in_arena, choice)
    tried = {cuts: assemble_step(in_arena, replace(choice, segments=cuts)) for cuts in _cuts(context.block, kept)}
    tried = {cuts: step for cuts, step in tried.items() if any(split(node.name)[1] == AGAIN for node in step.nodes)}
    if recompute == "auto" or not tried:
        tried[()] = kept
    found: list[Segments] = []
    least: float = math.inf
    for cuts in sorted(tried, key=lambda cuts: (repeated_share(context, tried[cuts]), len(cuts), cuts)):
        buffers = to_program(tried[cuts], in_arena.profile).buffers
        nbytes = peak_live_nbytes(each.buffer for each in buffers if each.buffer.place == "ram")
        if nbytes < least:
            found.append(cuts)
            least = nbytes
    return tuple(found)


def repeated_share(context: BlockContext, step: StepGraph) -> float:
    """Return the share of the multiply-accumulates of a block's forward pass that a step computes twice."""
    again = {name for node in step.nodes if split(node.name)[1] == AGAIN for name in node.inputs}

    def operations(layer: Layer) -> int:
        return math.prod(context.graph.shape(layer.output)) * layer.fan_in

    layers = [layer for part in context.block.stages for layer in part.layers]
    repeated = [layer for layer in layers if not again.isdisjoint((own(layer.name, "w"), layer.weight))]
    return sum(map(operations, repeated)) / sum(map(operations, layers))


def _cuts(block: Block, step: StepGraph) -> list[Segments]:
    """Single cuts, and cuts into equal segments, by what a step keeps of each part for its gradients."""
    part_of = {name: i for i, part in enumerate(block.parts) for node in part.nodes for name in node.outputs}
    kept = [0] * len(block.parts)
    read = {name for node in step.nodes if node.phase != "forward" for name in node.inputs}
    for name in read & part_of.keys():
        kept[part_of[name]] += step.tensors[name].type.size
    total = sum(kept)

    def behind(share: float) -> int:
        """The part before which about this share is kept."""
        return min(range(1, len(kept)), key=lambda i: (abs(sum(kept[:i]) - share * total), i))

    found: list[Segments] = [(behind(i / _SINGLE_CUTS),) for i in range(1, _SINGLE_CUTS)]
    for count in range(3, _MOST_SEGMENTS + 1):
        found.append(tuple(sorted({behind(i / count) for i in range(1, count)})))
    return list(dict.fromkeys(found))
