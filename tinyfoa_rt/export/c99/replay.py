"""What the steps of a lowered program read and write, replayed; it shares no code with lowering or the planner.

Each step is replayed on a list of the tensors whose bytes are whole. A tensor that is written takes its bytes from all others; a
tensor that is read must still have its own. Gradients that are streamed are read where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyfoa_rt.export.c99.source import BlockSource, ModelSource
from tinyfoa_rt.ir.step import StepGraph, StepNode
from tinyfoa_rt.ir.verify_step import VIEWS

__all__ = ["ProgramFault", "replay_block"]


class ProgramFault(Exception):
    """A program that would read or write what it must not: names the place. It is a defect of lowering or of the plan."""


def replay_block(source: ModelSource, number: int) -> None:
    """Check that each step of a block, and a prediction while it has its turn, read what is still there.

    Raises:
        ProgramFault: names the first tensor that is not.
    """
    block = source.blocks[number]
    for step in block.all_steps:
        _replay_step(source, number, step)
        _replay_prediction(source, step, block.base)


class _Memory:
    """The tensors whose bytes are whole."""

    def __init__(self) -> None:
        self._whole: dict[str, tuple[int, int]] = {}

    def write(self, name: str, start: int, nbytes: int, seen: str = "") -> None:
        """``seen`` is the tensor that the new one is a view of."""
        end = start + nbytes
        for other, (first, last) in list(self._whole.items()):
            if first < end and start < last and other != seen:
                del self._whole[other]
        self._whole[name] = (start, end)

    def read(self, name: str, reader: str) -> None:
        if name not in self._whole:
            raise ProgramFault(f"tensor {name} is not where {reader} reads it, or no more")


def _begin(source: ModelSource, block: BlockSource, base: int) -> _Memory:
    """As a call of the library begins: samples, from ``base`` on, then the slice that has its turn, then labels and rate."""
    memory, forward, step = _Memory(), source.forward, block.step
    computed = {name for node in step.nodes for name in node.outputs}
    persistent = [name for name, tensor in step.tensors.items() if tensor.is_persistent and name not in computed]
    for name in (name for name in forward.inputs if name in source.offsets):
        memory.write(name, base + source.offsets[name], _nbytes(forward, name))
    given = [name for name in step.inputs if name not in forward.tensors]
    for name in (name for name in (*persistent, *given) if name in block.offsets):
        memory.write(name, block.offsets[name], _nbytes(step, name))
    return memory


def _replay_step(source: ModelSource, number: int, block: BlockSource) -> None:
    """The forward pass up to a block, then its step; what moves a slice, once more, since it runs for each."""
    forward = source.forward
    memory = _begin(source, block, block.base)
    _replay(memory, forward, forward.nodes[: source.starts[number]], (source.offsets, block.base))
    for name in (name for name in block.step.inputs if name in source.offsets and name in block.offsets):
        if block.offsets[name] != block.base + source.offsets[name]:
            raise ProgramFault(f"block {block.name} reads {name} at byte {block.offsets[name]}, where no stage has left it")
    _replay(memory, block.step, block.step.nodes, (block.offsets, 0))
    if first := block.step.first_update:
        behind = block.step.nodes[first:]
        moved = [block.step.tensors[name].next_of for node in behind for name in node.outputs if name]
        for name in (name for name in moved if name in block.offsets):
            memory.write(name, block.offsets[name], _nbytes(block.step, name))
        _replay(memory, block.step, behind, (block.offsets, 0))


def _replay_prediction(source: ModelSource, block: BlockSource, base: int) -> None:
    """The whole forward pass while a block has its turn, whose slice it must leave alone."""
    forward = source.forward
    memory = _begin(source, block, base)
    end = next(place for place, node in enumerate(forward.nodes) if source.score in node.outputs)
    _replay(memory, forward, forward.nodes[: end + 1], (source.offsets, base))
    memory.read(source.score, "the application")
    computed = {name for node in block.step.nodes for name in node.outputs}
    for name, tensor in block.step.tensors.items():
        if tensor.is_persistent and name in block.offsets and name not in computed:
            memory.read(name, f"block {block.name} after a prediction")


def _replay(memory: _Memory, graph: StepGraph, nodes: Sequence[StepNode], where: tuple[Mapping[str, int], int]) -> None:
    """``where`` has offsets of tensors, and what they count from."""
    offsets, base = where
    streamed: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        reads = tuple(each for name in node.inputs for each in streamed.get(name, (name,)))
        for name in (each for each in reads if each in offsets):
            memory.read(name, node.name)
        for name in (each for each in node.outputs if each):
            if name not in offsets:
                streamed[name] = reads
                continue
            same = (each for each in node.inputs if each in offsets and offsets[each] == offsets[name])
            memory.write(name, base + offsets[name], _nbytes(graph, name), next(same, "") if node.op_type in VIEWS else "")


def _nbytes(graph: StepGraph, name: str) -> int:
    return graph.tensors[name].type.nbytes(packs_bits=True)
