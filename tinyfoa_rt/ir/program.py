"""A program: what runs in which step, and which buffers are live when. This is all that memory planning is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tinyfoa_rt.ir.buffer import Buffer, Lifetime
from tinyfoa_rt.ir.plan import Category
from tinyfoa_rt.ir.step import Phase

__all__ = ["Program", "ProgramBuffer", "Step", "in_sequence"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an operator call."""

    name: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class ProgramBuffer:
    """A buffer and what it is for. Persistent ones keep their value from one run of the program to the next.

    ``tensors`` are the names that share the storage, the first to live there first.
    """

    buffer: Buffer
    category: Category
    is_persistent: bool
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """Steps in order, and the buffers they use, in RAM and in nonvolatile memory."""

    name: str
    steps: tuple[Step, ...]
    buffers: tuple[ProgramBuffer, ...]


def in_sequence(first: Program, second: Program) -> Program:
    """Return the program that runs one behind the other; what is persistent in either is there throughout."""
    start, end = len(first.steps), len(first.steps) + len(second.steps)
    kept = {each.buffer.name: each for program in (first, second) for each in program.buffers if each.is_persistent}
    buffers = [_moved(each, Lifetime(0, end)) for each in kept.values()]
    buffers += [each for each in first.buffers if not each.is_persistent]
    for each in (each for each in second.buffers if not each.is_persistent):
        lifetime = each.buffer.lifetime
        buffers.append(_moved(each, Lifetime(start + lifetime.start, start + lifetime.end)))
    return Program(first.name, (*first.steps, *second.steps), tuple(buffers))


def _moved(buffer: ProgramBuffer, lifetime: Lifetime) -> ProgramBuffer:
    return replace(buffer, buffer=replace(buffer.buffer, lifetime=lifetime))
