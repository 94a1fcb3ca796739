"""A step graph: the domain operators and standard operators that one training step of a block runs, in order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tinyfoa_rt.ir.buffer import Place
from tinyfoa_rt.ir.graph import Attribute, Call, Constant
from tinyfoa_rt.ir.latents import FLOAT, FORMATS, latent_of
from tinyfoa_rt.ir.names import NEXT, split
from tinyfoa_rt.ir.plan import Category

__all__ = ["PLANES", "WORD_BITS", "Phase", "StepGraph", "StepNode", "StepTensor", "TensorType"]

Phase = Literal["forward", "gradient", "update"]

WORD_BITS = 32
# Bits of an element of a packed type.
PLANES: Mapping[str, int] = {"bit": 1, "level": 2}
_ELEMENT_BYTES = {
    "float32": 4, "float64": 8, "float16": 2, "bfloat16": 2,
    "int8": 1, "uint8": 1, "bool": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and shape, batch included. The type ``bit`` is binary: one bit where the profile packs bits, else a byte.

    A ``level`` is a whole number from 0 to 3: two bits where it packs them, else a byte. Of a row the low bits of all elements
    come first, then the high ones. Where it packs bits, types also are those of latent weights (ir/latents.py).
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def nbytes(self, *, packs_bits: bool) -> int:
        """Bytes in storage. Packed bits fill whole 32-bit words per row, a row being all but the first dimension.

        Where bits are packed, latent weights of few bits are too, and fill whole words all together.
        """
        if packs_bits and self.dtype in FORMATS and self.dtype != FLOAT:
            return latent_of(self.dtype).num_words(self.size) * (WORD_BITS // 8)
        if self.dtype not in PLANES:
            return self.size * _ELEMENT_BYTES.get(self.dtype, 4)
        if not packs_bits:
            return self.size
        rows = self.shape[0] if self.shape else 1
        row_bits = math.prod(self.shape[1:])
        return rows * PLANES[self.dtype] * -(-row_bits // WORD_BITS) * (WORD_BITS // 8)


@dataclass(frozen=True, slots=True)
class StepTensor:
    """A tensor of a step graph.

    ``is_persistent`` tensors hold their value between steps (a slice's latent weights); nonvolatile ones are read where they
    lie. ``category`` is for people: it colours charts. Where ``depends_on_slice``, the size is that of the active slice, and
    ``type`` that of the largest one. ``role`` is what the tensor is to its ``owner`` (ir/names.py); ``next_of`` names the
    tensor whose next value this is, if it is one.
    """

    name: str
    type: TensorType
    category: Category
    place: Place = "ram"
    is_persistent: bool = False
    depends_on_slice: bool = False
    role: str = field(init=False)
    owner: str = field(init=False)
    next_of: str = field(init=False)

    def __post_init__(self) -> None:
        owner, role = split(self.name)
        for name, value in (("owner", owner), ("role", role), ("next_of", owner if role == NEXT else "")):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class StepNode(Call):
    """One operator call of a step. An absent optional input is the empty string."""

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    phase: Phase
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class StepGraph:
    """Nodes in execution order; ``inputs`` are the tensors that are there when the step begins and end with it.

    ``constants`` are those of the model that nodes read, shapes and axes (which are no tensors) included. Standard nodes mean
    what operator set ``opset`` says.
    ``scores`` is the tensor by which the block predicts, empty where there is none.
    ``first_update``: where one error moves several slices, the nodes from here on run for each of them; 0 where all run once.
    ``growth`` is what each further sample adds to the dimensions of the model's values among the tensors, as
    :class:`tinyfoa_rt.ir.graph.Value` has it.
    """

    name: str
    nodes: tuple[StepNode, ...]
    tensors: Mapping[str, StepTensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Constant] = field(default_factory=dict)
    opset: int = 18
    growth: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    scores: str = ""
    first_update: int = 0
