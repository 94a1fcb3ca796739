"""A lowered model: everything is decided, and rendering only prints it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

__all__ = [
    "Address", "Argument", "CBlock", "CFunction", "CIntegers", "CLayer", "CProgram", "Call", "Fields",
    "KernelFiles", "LayerRef", "Name", "Number", "Piece", "Real", "RealArray", "Shifted", "Statement",
    "StopIf", "Value",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A pointer into the arena; offsets in a stage count from the transient part on."""

    ctype: str
    offset: int


@dataclass(frozen=True, slots=True)
class Value:
    """The number at an address of the arena, ``times`` another."""

    ctype: str
    offset: int
    times: int | float = 1


@dataclass(frozen=True, slots=True)
class Shifted:
    """A pointer, so many elements on."""

    base: Name | Address
    by: Value


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number."""

    value: int


@dataclass(frozen=True, slots=True)
class Real:
    """A float32."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A variable or constant of the C code."""

    text: str


@dataclass(frozen=True, slots=True)
class LayerRef:
    """A trained layer: its block and its place there."""

    block: int
    index: int


@dataclass(frozen=True, slots=True)
class Fields:
    """A pointer to a constant structure."""

    ctype: str
    values: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Braces:
    """Values of an array or structure inside of :class:`Fields`."""

    values: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call. One that ``may_fail`` returns a status; ``result`` is the variable that takes what another returns."""

    function: str
    arguments: tuple[Argument, ...]
    may_fail: bool = False
    result: str = ""


@dataclass(frozen=True, slots=True)
class StopIf:
    """Ends the function where a condition holds."""

    condition: str


Argument = Address | Value | Shifted | Number | Real | Name | LayerRef | Fields | Braces | Call
Statement = Call | StopIf


@dataclass(frozen=True)
class CFunction:
    """Statements in order, with the local variables that they need, as declarations."""

    name: str
    statements: tuple[Statement, ...]
    locals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CIntegers:
    """The format of latent values that are whole numbers; the field ``integers`` of a layer in C."""

    bits: int
    quantum: float
    key: int
    is_binary: bool


@dataclass(frozen=True)
class CLayer:
    """A trained layer; ``resident`` and ``kept`` are the fields of the C structures of these names, ``None`` for what is not.

    ``integers`` is ``None`` where its latent values are real.
    """

    name: str
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    taps: int
    positions: int
    num_states: int
    is_tensor_alpha: bool
    block: int
    resident: dict[str, int | tuple[int | None, ...] | None]
    kept: dict[str, int | None]
    integers: CIntegers | None = None


@dataclass(frozen=True)
class CBlock:
    """A trained block; offsets in bytes; of statistics, and behind them of scales, place, word of the header and length.

    ``steps`` are those of layers that take turns, each with that layer alone; the block's own step is then the first of them.
    Where a step moves ``slices_per_step`` slices, more than one, ``update`` is what the active ones take; a step ends in it.
    """

    name: str
    layers: tuple[CLayer, ...]
    step: CFunction
    num_slices: int
    base: int
    end: int
    planned: int
    labels: int
    rate: int
    loss: int
    statistics: tuple[tuple[int, int, int], ...]
    starting_rate: float
    steps: tuple[CBlock, ...] = ()
    update: CFunction | None = None
    slices_per_step: int = 1

    @property
    def all_steps(self) -> tuple[CBlock, ...]:
        """One for each layer where they take turns, else the block itself."""
        return self.steps or (self,)

    @property
    def functions(self) -> tuple[CFunction, ...]:
        """What its steps call, callees first."""
        return tuple(each for step in self.all_steps for each in (step.update, step.step) if each is not None)


@dataclass(frozen=True)
class Piece:
    """Words of the first state that are not all zero, from a byte of the storage on."""

    offset: int
    words: NDArray[Any] = field(repr=False)


@dataclass(frozen=True)
class RealArray:
    """Constant float32 data of the model, read when it is printed."""

    name: str
    size: int
    read: Callable[[], NDArray[Any]] = field(repr=False, compare=False)

    @property
    def nbytes(self) -> int:
        return 4 * self.size


@dataclass(frozen=True, slots=True)
class KernelFiles:
    """C99 files of kernels that are not in targets/c99: a header, which the generated code includes, and sources."""

    header: Path
    sources: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.header, *self.sources)


@dataclass(frozen=True)
class CProgram:
    """A model. ``stages`` are the parts of the forward pass up to each block and to the output; ``score`` is relative.

    ``kernels`` are those from outside that it calls; their files lie beside the generated ones, in ``added/``.
    """

    name: str
    prefix: str
    model_id: int
    batch: int
    input_size: int
    input: int
    output_size: int
    takes_vectors: bool
    rotate_every: int
    arena_nbytes: int
    storage_nbytes: int
    step_nbytes: int
    header_words: int
    num_scales: int
    blocks: tuple[CBlock, ...]
    stages: tuple[CFunction, ...]
    score: int
    pieces: tuple[Piece, ...]
    constants: tuple[RealArray, ...]
    kernels: tuple[KernelFiles, ...] = ()

    @property
    def constants_nbytes(self) -> int:
        """Bytes of constant data beside the first state."""
        return sum(array.nbytes for array in self.constants)

    @property
    def first_state_nbytes(self) -> int:
        """Bytes of the first state as constant data."""
        return sum(4 * len(piece.words) for piece in self.pieces)
