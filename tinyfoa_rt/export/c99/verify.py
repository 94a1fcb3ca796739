"""The verifier of lowered programs: names, and places in arena and storage. It shares no code with lowering or the planner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinyfoa_rt.export.c99.replay import ProgramFault, replay_block
from tinyfoa_rt.export.c99.source import ModelSource
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

__all__ = ["ProgramFault", "verify_c_program"]


def verify_c_program(program: CProgram, source: ModelSource) -> None:
    """Check that all that ``program`` reads is where it was written, and that arena and storage hold all offsets.

    Args:
        program: what lowering has decided.
        source: what it was given.

    Raises:
        ProgramFault: names the first fault found.
    """
    _verify_names(program)
    _verify_storage(program)
    for number, block in enumerate(program.blocks):
        for step in block.all_steps:
            _verify_places(program, step)
            _verify_disjoint(f"the arena of block {block.name}", _residents(step), step.base)
            for function in step.functions:
                _verify_calls(function, 0, program.arena_nbytes)
        for base in dict.fromkeys([block.base, *(step.base for step in block.steps)]):
            for stage in program.stages:
                _verify_calls(stage, base, program.arena_nbytes)
        _verify_steps(program, block)
        replay_block(source, number)


def _verify_names(program: CProgram) -> None:
    """What C declares has one meaning, and a layer one block."""
    functions = [*program.stages, *(each for block in program.blocks for each in block.functions)]
    layers = [layer for block in program.blocks for layer in _stored_layers(block)]
    for what, named in (("functions", functions), ("layers", layers), ("constants", program.constants)):
        names = [each.name for each in named]
        if len(set(names)) < len(names):
            raise ProgramFault(f"two {what} are named {next(name for name in names if names.count(name) > 1)}")
    for layer in layers:
        for cuts in (layer.ins, layer.outs):
            if cuts[0] != 0 or any(last >= next_one for last, next_one in zip(cuts, cuts[1:])):
                raise ProgramFault(f"layer {layer.name} is cut at {cuts}")


def _stored_layers(block: CBlock) -> tuple[CLayer, ...]:
    """The layers of a block, of which the storage has each once: what all of its steps change is in each of them."""
    once = {(layer.name, *layer.kept.values()): layer for layer in block.layers}
    return tuple(once.values()) if block.steps else block.layers


def _verify_places(program: CProgram, block: CBlock) -> None:
    """What the application and the library read and write outside of calls lies in the arena, which the plan holds."""
    rows, label_size = 4 * program.batch, program.output_size if program.takes_vectors else 1
    places = {
        "input": (block.base + program.input, rows * program.input_size),
        "score": (block.base + program.score, rows * program.output_size),
        "labels": (block.labels, rows * label_size),
        "rate": (block.rate, 4),
        "loss": (block.loss, 4),
    }
    for name, (start, nbytes) in places.items():
        if start < 0 or start + nbytes > program.arena_nbytes or start % 4:
            raise ProgramFault(f"the {name} of block {block.name} is at byte {start} of an arena of {program.arena_nbytes}")
    if not block.base <= block.end <= min(block.planned, program.arena_nbytes):
        raise ProgramFault(f"block {block.name} ends at byte {block.end}, and the plan at {block.planned}")


def _verify_steps(program: CProgram, block: CBlock) -> None:
    """Of layers that take turns each has a step, and predictions lie behind what any of them holds."""
    if not block.steps:
        return
    _verify_places(program, block)
    if tuple(layer for step in block.steps for layer in step.layers) != block.layers:
        raise ProgramFault(f"the steps of block {block.name} do not move its layers one after the other")
    if any(step.base > block.base for step in block.steps):
        raise ProgramFault(f"a step of block {block.name} holds what lies behind byte {block.base}, where predictions do")


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
    for place, _, count in block.statistics:
        yield "statistic", place, 4 * count
    for layer in block.layers:
        rows = max(b - a for a, b in zip(layer.outs, layer.outs[1:]))
        row = layer.taps * max(b - a for a, b in zip(layer.ins, layer.ins[1:]))
        latent = rows * row if layer.integers is None else _words_of(rows * row, layer.integers.bits)
        sizes = {"latent": latent, "states": rows * row, "bits": rows * -(-row // 32), "numbers": 1, "origin": 4}
        for field, places in layer.resident.items():
            listed = places if isinstance(places, tuple) else (places,)
            yield from ((f"{field} of {layer.name}", place, 4 * sizes.get(field, rows)) for place in listed if place is not None)


def _words_of(count: int, bits: int) -> int:
    """8 numbers of 12 bits lie in three words, others within one."""
    return -(-count // 8) * 3 if bits == 12 else -(-count // (32 // bits))


def _verify_storage(program: CProgram) -> None:
    header_nbytes = 4 * program.header_words
    regions = [("header 0", 0, header_nbytes), ("header 1", header_nbytes, header_nbytes)]
    words = [("fixed words", 0, 8), ("checksum", program.header_words - 1, 1)]
    for block in program.blocks:
        words += [("statistic", word, count) for _, word, count in block.statistics]
        for layer in _stored_layers(block):
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
