"""A loaded model: shapes known, constants told apart from data, nodes in execution order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Attribute", "Call", "Constant", "Graph", "Node", "Quantized", "Sized", "Source", "Subgraph", "Value"]


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A branch or the body of a loop: an ONNX ``GraphProto``, serialized, and the values that it reads from outside."""

    content: bytes = field(repr=False)
    captured: tuple[str, ...]


Attribute = int | float | str | bytes | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | NDArray[Any] | Subgraph


@dataclass(frozen=True, slots=True)
class Value:
    """One tensor of the graph, whose every dimension is a linear function of the batch.

    ``shape`` holds at batch 1, and each further sample adds ``growth``, which is empty where nothing grows: images have the
    growth (1, 0, 0, 0), the state of a recurrent layer (layers, N, units) has (0, 1, 0), and positions that are merged into the
    batch, (10 N, channels), have (10, 0).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    growth: tuple[int, ...] = ()

    @property
    def is_batched(self) -> bool:
        """Whether the size depends on the batch."""
        return any(self.growth)

    @property
    def is_row(self) -> bool:
        """Whether each sample has one row, along the first axis."""
        return bool(self.shape) and self.shape[0] == 1 and self.growth == (1, *(0 for _ in self.shape[1:]))

    def shape_at(self, batch: int) -> tuple[int, ...]:
        """The shape at a batch."""
        if not self.growth:
            return self.shape
        return tuple(size + more * (batch - 1) for size, more in zip(self.shape, self.growth, strict=True))

    @property
    def size(self) -> int:
        """Elements at batch 1."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that does not depend on the input: an initializer, or computed from initializers only.

    ``read`` computes the array when it is asked for, so that a plan of a large model never holds its weights. Real numbers that
    a quantized model keeps as integers say what they are dequantized from, and what holds for one batch says what it is
    computed from at any.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]] = field(compare=False, repr=False)
    quantized: Quantized | None = field(default=None, compare=False, repr=False)
    sized: Sized | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers, of any precision; whole ones are shapes, axes and indices."""
        return self.dtype in ("float32", "float16", "float64", "bfloat16")

    def as_ints(self) -> tuple[int, ...]:
        """The elements, flattened, as Python integers: axes, shapes, pads."""
        return tuple(int(x) for x in np.asarray(self.read()).reshape(-1))


@dataclass(frozen=True, slots=True)
class Quantized:
    """(integers - zero point) * scale, both along ``axis`` where they are no single number; no zero point is 0."""

    integers: Constant
    scale: Constant
    zero_point: Constant | None
    axis: int


@dataclass(frozen=True, slots=True)
class Sized:
    """What depends on the number of samples and on nothing else: what a model computes from a Shape.

    Attributes:
        value: its type.
        read: gives its elements at a batch.
        per_sample: what each further sample adds to the elements, where they are whole numbers that grow so and keep their shape.
        node: what computes it, else.
        inputs: what ``node`` reads; ``None`` where an input is absent.
    """

    value: Value
    read: Callable[[int], NDArray[Any]] = field(compare=False, repr=False)
    per_sample: NDArray[Any] | None = field(compare=False, repr=False)
    node: Node | None
    inputs: tuple[Constant | Sized | None, ...] = ()

    def at(self, batch: int) -> Constant:
        """What it is at a batch."""
        value = self.value
        return Constant(value.name, value.dtype, value.shape_at(batch), partial(self.read, batch), sized=self)


class Call:
    """What an operator call of a model and one of a step have in common: absent inputs, and attributes with defaults."""

    __slots__ = ()
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    @property
    def captured(self) -> tuple[str, ...]:
        """The names under which subgraphs know the last inputs, each once."""
        graphs = (value for value in self.attributes.values() if isinstance(value, Subgraph))
        return tuple(dict.fromkeys(name for graph in graphs for name in graph.captured))

    def input(self, index: int) -> str:
        """The input's name, or the empty string where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def ints(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        value = self.attributes.get(name)
        return default if value is None else tuple(int(x) for x in value)  # type: ignore[union-attr]

    def int(self, name: str, default: int) -> int:
        """An attribute that is one integer."""
        value = self.attributes.get(name)
        return default if value is None else int(value)  # type: ignore[arg-type]

    def float(self, name: str, default: float) -> float:
        """An attribute that is one real number."""
        value = self.attributes.get(name)
        return default if value is None else float(value)  # type: ignore[arg-type]

    def string(self, name: str, default: str) -> str:
        """An attribute that is text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class Node(Call):
    """One operator call. An absent optional input is the empty string, as in ONNX; ``name`` is unique and not empty.

    What the node's subgraphs read from outside follows its own inputs (see :attr:`Call.captured`): it is read like any other.
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model was read from; all of it is empty where it was made in memory.

    Attributes:
        path: of the file.
        sha256: of its bytes, and of its external data behind them.
        shapes: of inputs, as they were given to the loader.
        pool_input: the loader put means of so many positions along each axis of the input in front; 1 where it did not.
    """

    path: str = ""
    sha256: str = ""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    pool_input: int = 1


@dataclass(frozen=True)
class Graph:
    """A model as the later stages see it.

    1. ``nodes`` are in topological order, each reaches an output, and none computes a constant.
    2. ``values`` holds every tensor that a node reads or writes, constants included.
    3. ``inputs`` are the data inputs: initializers that IR 3 lists as inputs are constants here.
    4. The operator set of the default domain is ``opset``, at least 18.
    5. ``source`` is the file that it was read from.
    6. No name holds the mark of a step's own tensors (ir/names.py); ``renamed`` says what the file calls inputs and outputs that
       had it.
    7. ``sized`` are the values that nodes read and that depend on the number of samples only: constants, once a batch is chosen.
    """

    name: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    values: Mapping[str, Value]
    constants: Mapping[str, Constant]
    source: Source = field(default_factory=Source)
    renamed: Mapping[str, str] = field(default_factory=dict)
    sized: Mapping[str, Sized] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value at batch 1."""
        return self.values[name].shape

    def is_constant(self, name: str) -> bool:
        return name in self.constants

    def constant_at(self, name: str, batch: int) -> Constant | None:
        """What a value is that no input's elements decide, at a batch; ``None`` for one that they do."""
        return self.sized[name].at(batch) if name in self.sized else self.constants.get(name)
