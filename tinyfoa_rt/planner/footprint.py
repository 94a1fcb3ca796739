"""What a block's training step needs in RAM.

The arena of a block is ``[persistent | transient]``. Persistent buffers hold their value between steps and so are never shared.
The transient part serves first the forward pass through the blocks before (one step here, with the bytes it needs), then
the block's own step, whose inputs lie where that forward pass has left them. Between two steps it serves predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tinyfoa_rt.ir.buffer import Buffer, Lifetime
from tinyfoa_rt.ir.plan import PlannedBuffer
from tinyfoa_rt.ir.program import Program, ProgramBuffer
from tinyfoa_rt.planner.layout import peak_live_nbytes, plan_layout

__all__ = ["Before", "Footprint", "before_each", "footprint", "peak_nbytes", "place_forward", "transient_base"]

_FORWARD = "forward through the blocks before"
_PREDICTION = "forward to the output, between two steps"
_RESIDENT = "parameters of the other blocks"


@dataclass(frozen=True)
class Before:
    """What has happened when a block's step begins.

    Attributes:
        peak_nbytes: transient RAM of the forward pass through the blocks before.
        offsets: where that pass has left each tensor, from the start of the transient part; empty for an allocator.
        resident_nbytes: parameters of other blocks that are always in RAM, for want of nonvolatile memory.
        whole_nbytes: transient RAM of the forward pass to the output: a prediction must have room between two steps.
    """

    peak_nbytes: int
    offsets: Mapping[str, int]
    resident_nbytes: int = 0
    whole_nbytes: int = 0


@dataclass(frozen=True)
class Footprint:
    """The buffers of a block's step with their offsets, the names of the steps, and the most RAM in each phase."""

    peak_nbytes: int
    phase_nbytes: Mapping[str, int]
    buffers: tuple[PlannedBuffer, ...]
    steps: tuple[str, ...]


def peak_nbytes(program: Program, before: Before, *, is_arena: bool, alignment: int) -> int:
    """Return the bytes of RAM that training this block needs, without working out the details."""
    return transient_base(program, before, alignment) + max(_own_nbytes(program, before, is_arena), *_passes(before))


def transient_base(program: Program, before: Before, alignment: int) -> int:
    """Return where the transient part of the arena begins."""
    own = sum(_aligned(b.buffer.nbytes, alignment) for b in _persistent_in_ram(program))
    return own + _aligned(before.resident_nbytes, alignment)


def footprint(program: Program, before: Before, *, is_arena: bool, alignment: int) -> Footprint:
    """Return the bytes of RAM that training this block needs, buffer by buffer."""
    own = _own_nbytes(program, before, is_arena)
    is_largest = before.whole_nbytes > max(own, before.peak_nbytes)
    name, nbytes = (_PREDICTION, before.whole_nbytes) if is_largest else (_FORWARD, before.peak_nbytes)
    shift = 1 if nbytes else 0
    num_steps = max(1, len(program.steps)) + shift
    placed = _persistent(program, before, num_steps, alignment if is_arena else None)
    base = transient_base(program, before, alignment)
    placed += _transient(program, before, shift, base if is_arena else None)
    if shift:
        placed.append(PlannedBuffer(name, nbytes, "ram", base if is_arena else None, 0, 0, "forward"))
    peak = peak_nbytes(program, before, is_arena=is_arena, alignment=alignment)
    names = ("forward",) * shift + tuple(step.name for step in program.steps)
    phases = ("forward",) * shift + tuple(step.phase for step in program.steps)
    buffers = (*placed, *_nonvolatile(program, num_steps))
    return Footprint(peak, _phase_nbytes(placed, phases), buffers, names)


def _aligned(nbytes: int, alignment: int) -> int:
    return -(-nbytes // alignment) * alignment


def _own_nbytes(program: Program, before: Before, is_arena: bool) -> int:
    """Transient RAM of the block's own step."""
    transient = _merged_inputs([b.buffer for b in program.buffers if not b.is_persistent], before)
    return plan_layout(transient).arena_nbytes if is_arena else peak_live_nbytes(transient)


def _passes(before: Before) -> tuple[int, int]:
    return before.peak_nbytes, before.whole_nbytes


def _persistent(program: Program, before: Before, num_steps: int, alignment: int | None) -> list[PlannedBuffer]:
    """Persistent buffers one behind the other; without an alignment an allocator places them."""
    rows = [(b.buffer.name, b.buffer.nbytes, b.category) for b in _persistent_in_ram(program)]
    if before.resident_nbytes:
        rows.append((_RESIDENT, before.resident_nbytes, "weight"))
    placed, offset = [], 0
    for name, nbytes, category in rows:
        at = None if alignment is None else offset
        placed.append(PlannedBuffer(name, nbytes, "ram", at, 0, num_steps - 1, category))
        offset += _aligned(nbytes, alignment or 1)
    return placed


def _persistent_in_ram(program: Program) -> list[ProgramBuffer]:
    return [b for b in program.buffers if b.is_persistent and b.buffer.place == "ram"]


def _nonvolatile(program: Program, num_steps: int) -> list[PlannedBuffer]:
    """What the block's step reads where it lies."""
    return [
        PlannedBuffer(b.buffer.name, b.buffer.nbytes, "nonvolatile", None, 0, num_steps - 1, b.category)
        for b in program.buffers
        if b.buffer.place == "nonvolatile"
    ]


def _transient(program: Program, before: Before, shift: int, base: int | None) -> list[PlannedBuffer]:
    category = {b.buffer.name: b.category for b in program.buffers}
    buffers = _merged_inputs([b.buffer for b in program.buffers if not b.is_persistent], before)
    offsets: dict[str, int | None] = {buffer.name: None for buffer in buffers}
    if base is not None:
        offsets = {p.buffer.name: base + p.offset for p in plan_layout(buffers).placements}
    return [
        PlannedBuffer(
            b.name, b.nbytes, "ram", offsets[b.name], b.lifetime.start + shift, b.lifetime.end - 1 + shift, category[b.name]
        )
        for b in buffers
    ]


def _merged_inputs(buffers: Sequence[Buffer], before: Before) -> list[Buffer]:
    """Pin the block's inputs; those that are views of the same bytes become one buffer."""
    result: list[Buffer] = []
    at_offset: dict[int, int] = {}
    for buffer in buffers:
        offset = before.offsets.get(buffer.name)
        if offset is None or buffer.lifetime.start > 0:
            result.append(buffer)
        elif offset in at_offset:
            known = result[at_offset[offset]]
            lifetime = Lifetime(0, max(known.lifetime.end, buffer.lifetime.end))
            result[at_offset[offset]] = replace(known, nbytes=max(known.nbytes, buffer.nbytes), lifetime=lifetime)
        else:
            at_offset[offset] = len(result)
            result.append(replace(buffer, offset=offset))
    return result


def _phase_nbytes(buffers: Sequence[PlannedBuffer], phases: Sequence[str]) -> dict[str, int]:
    """The most live bytes in any step of each phase."""
    change = [0] * (len(phases) + 1)
    for buffer in buffers:
        change[buffer.first_step] += buffer.bytes
        change[buffer.last_step + 1] -= buffer.bytes
    most = {"forward": 0, "gradient": 0, "update": 0}
    live = 0
    for delta, phase in zip(change, phases):
        live += delta
        most[phase] = max(most[phase], live)
    return most


def before_each(program: Program, starts: Mapping[str, int], inputs_of: Mapping[str, Sequence[str]]) -> dict[str, Before]:
    """What precedes each block in an arena, from the program of the whole forward pass.

    Args:
        program: the forward pass; its persistent buffers are parameters and not counted here.
        starts: for each block the step at which its own forward pass begins.
        inputs_of: for each block the tensors that enter it.
    """
    transient = [b for b in program.buffers if not b.is_persistent]
    offset_of = place_forward(program, inputs_of)
    peaks = _running_peaks(transient, len(program.steps), offset_of)
    return {
        name: Before(peaks[start], {x: offset_of[x] for x in inputs_of[name] if x in offset_of}, whole_nbytes=peaks[-1])
        for name, start in starts.items()
    }


def place_forward(program: Program, inputs_of: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return where every tensor of the forward pass lies, from the start of the transient part."""
    transient = [b for b in program.buffers if not b.is_persistent]
    entering = {name for names in inputs_of.values() for name in names}
    low = {b.buffer.name for b in transient if not entering.isdisjoint(b.tensors)}
    placements = plan_layout([b.buffer for b in transient], low=low).placements
    by_buffer = {p.buffer.name: p.offset for p in placements}
    return {name: by_buffer[b.buffer.name] for b in transient for name in b.tensors}


def _running_peaks(buffers: Sequence[ProgramBuffer], num_steps: int, offset_of: Mapping[str, int]) -> list[int]:
    """For each step the extent of the arena that any step before it has needed."""
    born = [0] * (num_steps + 1)
    for b in buffers:
        start = b.buffer.lifetime.start
        born[start] = max(born[start], offset_of[b.buffer.name] + b.buffer.nbytes)
    peaks = [0]
    for step in range(num_steps):
        peaks.append(max(peaks[-1], born[step]))
    return peaks
