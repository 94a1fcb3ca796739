"""A step whose error moves several slices, in two halves: the error of a batch, and what one slice of each layer takes by it.

The second half is run once for each slice. What it reads of the first one, the input of a layer and the error at its product, is
an output of that and an input of this; what the first one has moved, such as the scale of an activation, it finds in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyfoa_rt.ir.step import StepGraph, StepNode
from tinyfoa_rt.ir.verify_step import verify_step

__all__ = ["halves_of", "handed_to_updates"]


def handed_to_updates(step: StepGraph) -> tuple[str, ...]:
    """The tensors of a batch that the nodes from ``first_update`` on read."""
    behind = step.nodes[step.first_update :] if step.first_update else ()
    computed = {name for node in behind for name in node.outputs}
    read = dict.fromkeys(name for node in behind for name in node.inputs if name in step.tensors)
    return tuple(name for name in read if name not in computed and not step.tensors[name].is_persistent)


def halves_of(step: StepGraph) -> tuple[StepGraph, StepGraph]:
    """The two halves of a step that has a ``first_update``."""
    first, second = step.nodes[: step.first_update], step.nodes[step.first_update :]
    moved = {name: step.tensors[name].next_of or name for node in first for name in node.outputs if name}
    second = tuple(replace(node, inputs=tuple(moved.get(name, name) for name in node.inputs)) for node in second)
    before, behind = _half(step, first, step.inputs, step.outputs), _half(step, second, handed_to_updates(step), ())
    for half in (before, behind):
        verify_step(half)
    return before, behind


def _half(step: StepGraph, nodes: Sequence[StepNode], inputs: Sequence[str], outputs: Sequence[str]) -> StepGraph:
    named = {*inputs, *outputs, *(name for node in nodes for name in (*node.inputs, *node.outputs))}
    tensors = {name: tensor for name, tensor in step.tensors.items() if name in named}
    constants = {name: constant for name, constant in step.constants.items() if name in named}
    return replace(
        step,
        nodes=tuple(nodes),
        tensors=tensors,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        constants=constants,
        scores=step.scores if outputs else "",
        first_update=0,
    )
