"""The verifier of lowered programs: replays what the calls read and write, and shares no code with lowering or the planner.

Each step is replayed on a list of the tensors whose bytes are whole. A tensor that is written takes its bytes from all others; a
tensor that is read must still have its own. Gradients that are streamed are read where they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tinyfoa_rt.export.c99.source import BlockSource, ModelSource
from tinyfoa_rt.ir.c_program import (
    Address,
    Argument,
    Braces,
    Call,
    CBlock,
    CFunction,
    CLayer,
    CProgram,
    Fields,
    Shifted,
    Value,
)  # fmt: skip
from tinyfoa_rt.ir.step import StepGraph, StepNode

__all__ = ["ProgramFault", "verify_c_program"]

_VIEWS = frozenset({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})


class ProgramFault(Exception):
    """A program that would read or write what it must not: names the place. It is a defect of lowering or of the plan."""


def verify_c_program(program: CProgram, source: ModelSource) -> None:
    """Check that all that ``program`` reads is where it was written, and that arena and storage hold all offsets.

    Args:
        program: what lowering has decided.
        source: what it was given.

    Raises:
        ProgramFault: names the first fault found.
    """
    _verify_storage(program)
    for number, block in enumerate(program.blocks):
        _verify_disjoint(f"the arena of block {block.name}", _residents(block), block.base)
        _verify_calls(block.step, 0, program.arena_nbytes)
        for stage in program.stages:
            _verify_calls(stage, block.base, program.arena_nbytes)
        _replay_step(source, number)
        _replay_prediction(source, number)


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


def _begin(source: ModelSource, block: BlockSource) -> _Memory:
    """As a call of the library begins: samples, then the slice that has its turn, then target and rate."""
    memory, forward, step = _Memory(), source.forward, block.step
    computed = {name for node in step.nodes for name in node.outputs}
    persistent = [name for name, tensor in step.tensors.items() if tensor.is_persistent and name not in computed]
    for name in (name for name in forward.inputs if name in source.offsets):
        memory.write(name, block.base + source.offsets[name], _nbytes(forward, name))
    given = [name for name in step.inputs if name not in forward.tensors]
    for name in (name for name in (*persistent, *given) if name in block.offsets):
        memory.write(name, block.offsets[name], _nbytes(step, name))
    return memory


def _replay_step(source: ModelSource, number: int) -> None:
    """The forward pass up to a block, then its step."""
    block, forward = source.blocks[number], source.forward
    memory = _begin(source, block)
    _replay(memory, forward, forward.nodes[: source.starts[number]], (source.offsets, block.base))
    for name in (name for name in block.step.inputs if name in source.offsets and name in block.offsets):
        if block.offsets[name] != block.base + source.offsets[name]:
            raise ProgramFault(f"block {block.name} reads {name} at byte {block.offsets[name]}, where no stage has left it")
    _replay(memory, block.step, block.step.nodes, (block.offsets, 0))


def _replay_prediction(source: ModelSource, number: int) -> None:
    """The whole forward pass while a block has its turn, whose slice it must leave alone."""
    block, forward = source.blocks[number], source.forward
    memory = _begin(source, block)
    end = next(place for place, node in enumerate(forward.nodes) if source.score in node.outputs)
    _replay(memory, forward, forward.nodes[: end + 1], (source.offsets, block.base))
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
            memory.write(name, base + offsets[name], _nbytes(graph, name), next(same, "") if node.op_type in _VIEWS else "")


def _nbytes(graph: StepGraph, name: str) -> int:
    return graph.tensors[name].type.nbytes(packs_bits=True)


def _verify_calls(function: CFunction, base: int, arena_nbytes: int) -> None:
    """Every address in a function lies in the arena, at a word."""
    arguments = [each for statement in function.statements if isinstance(statement, Call) for each in statement.arguments]
    for offset in _offsets(arguments):
        if not 0 <= base + offset <= arena_nbytes - 4 or (base + offset) % 4:
            raise ProgramFault(f"{function.name} has an address at byte {base + offset} of an arena of {arena_nbytes}")


def _offsets(arguments: Iterable[Argument]) -> Iterator[int]:
    for argument in arguments:
        match argument:
            case Address() | Value():
                yield argument.offset
            case Shifted():
                yield from _offsets((argument.base, argument.by))
            case Fields() | Braces():
                yield from _offsets(argument.values)
            case Call():
                yield from _offsets(argument.arguments)


def _residents(block: CBlock) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and length of what the arena holds from step to step."""
    if block.scale is not None:
        yield "scale", block.scale, 4
    for place, _, count in block.statistics:
        yield "statistic", place, 4 * count
    for layer in block.layers:
        rows = max(b - a for a, b in zip(layer.outs, layer.outs[1:]))
        row = layer.taps * max(b - a for a, b in zip(layer.ins, layer.ins[1:]))
        sizes = {"latent": rows * row, "states": rows * row, "bits": rows * -(-row // 32), "step_counts": 1, "origin": 4}
        for field, places in layer.resident.items():
            listed = places if isinstance(places, tuple) else (places,)
            yield from ((f"{field} of {layer.name}", place, 4 * sizes.get(field, rows)) for place in listed if place is not None)


def _verify_storage(program: CProgram) -> None:
    header_nbytes = 4 * program.header_words
    regions = [("header 0", 0, header_nbytes), ("header 1", header_nbytes, header_nbytes)]
    words = [("fixed words", 0, 8 + program.num_scales), ("checksum", program.header_words - 1, 1)]
    for block in program.blocks:
        words += [("statistic", word, count) for _, word, count in block.statistics]
        for layer in block.layers:
            regions += _stored(layer)
            num_slices, num_parts = (len(layer.ins) - 1) * (len(layer.outs) - 1), len(layer.outs) - 1
            checks = num_slices + (num_parts if layer.kept["bias"] is not None else 0)
            words += [
                (f"map of {layer.name}", _at(layer, "map"), num_slices + 1),
                (f"checks of {layer.name}", _at(layer, "checks"), checks),
            ]
    _verify_disjoint("the header", words, program.header_words)
    _verify_disjoint("the storage", regions, program.storage_nbytes)
    if any(start + nbytes > program.step_nbytes for name, start, nbytes in regions if not name.startswith("slots")):
        raise ProgramFault("what steps read does not end where it should")
    _verify_disjoint(
        "the storage", [(f"piece {n}", p.offset, 4 * len(p.words)) for n, p in enumerate(program.pieces)], program.storage_nbytes
    )


def _stored(layer: CLayer) -> Iterator[tuple[str, int, int]]:
    """The regions of a layer."""
    num_outs, bands = layer.outs[-1], list(zip(layer.ins, layer.ins[1:]))
    sizes = {
        "bits": 4 * num_outs * sum(-(-(b - a) * layer.taps // 32) for a, b in bands),
        "sums": 4 * num_outs * len(bands),
        "bias": 4 * num_outs,
        "slots": _at(layer, "slot_nbytes") * (len(bands) * (len(layer.outs) - 1) + 1),
    }
    for field, nbytes in sizes.items():
        place = layer.kept[field]
        if place is not None:
            yield f"{field} of {layer.name}", place, nbytes


def _at(layer: CLayer, field: str) -> int:
    """A place that every layer has."""
    place = layer.kept[field]
    if place is None:
        raise ProgramFault(f"layer {layer.name} has no {field}")
    return place


def _verify_disjoint(what: str, regions: Iterable[tuple[str, int, int]], end: int) -> None:
    """No two regions share a unit, and all lie before ``end``."""
    last_name, last_end = "the start", 0
    for name, start, length in sorted(regions, key=lambda region: region[1:]):
        if start < last_end:
            raise ProgramFault(f"{what}: {name} overlaps {last_name}")
        last_name, last_end = name, start + length
    if last_end > end:
        raise ProgramFault(f"{what} ends at {end}, and {last_name} at {last_end}")
