"""Cut a forward pass where trained blocks begin: what is computed there once can be kept while the block trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.step import StepGraph

__all__ = ["cut_stages"]


def cut_stages(forward: StepGraph, starts: Mapping[str, int], blocks: Sequence[Block], score: str) -> tuple[StepGraph, ...]:
    """Return the stages of ``forward``: up to the first of ``blocks``, from each to the next, from the last to the end.

    A stage's inputs are values that the stages before it computed, its outputs are those that a later stage or a block reads;
    a stage may be empty.

    Args:
        forward: the pass through the whole model.
        starts: the step at which each block's pass begins.
        blocks: those that are trained, in execution order.
        score: a value that is read at the end, beside the outputs.
    """
    bounds = [0, *(starts[block.name] for block in blocks), len(forward.nodes)]
    parts = [forward.nodes[start:end] for start, end in zip(bounds, bounds[1:])]
    stages = []
    for index, nodes in enumerate(parts):
        later = {name for part in parts[index + 1 :] for node in part for name in node.inputs}
        later.update(name for block in blocks[index:] for name in block.inputs)
        later.update((*forward.outputs, score))
        made = [name for node in nodes for name in node.outputs if name]
        read = dict.fromkeys(name for node in nodes for name in node.inputs if name and name not in made)
        inputs = [n for n in read if n in forward.tensors and n not in forward.constants and not forward.tensors[n].is_persistent]
        outputs = [name for name in made if name in later]
        where = f"to {blocks[index].name}" if index < len(blocks) else "to the output"
        constants = {name: value for name, value in forward.constants.items() if name in read}
        stage = replace(forward, name=where, nodes=nodes, inputs=tuple(inputs), outputs=tuple(outputs))
        stages.append(replace(stage, constants=constants))
    return tuple(stages)
