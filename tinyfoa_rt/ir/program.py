"""A program: what runs in which step, and which buffers are live when. This is all that memory planning is given."""

from __future__ import annotations

from dataclasses import dataclass

from tinyfoa_rt.ir.buffer import Buffer
from tinyfoa_rt.ir.plan import Category
from tinyfoa_rt.ir.step import Phase

__all__ = ["Program", "ProgramBuffer", "Step"]


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
