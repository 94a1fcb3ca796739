"""What the rules of operators share: where tensors lie, what constants the model has, and how a node is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.c_program import (
    Address,
    Argument,
    Braces,
    Call,
    Fields,
    LayerRef,
    Name,
    Number,
    Real,
    RealArray,
    Statement,
    StopIf,
    Value,
)  # fmt: skip
from tinyfoa_rt.ir.graph import Constant
from tinyfoa_rt.ir.step import StepGraph, StepNode, TensorType

__all__ = [
    "CONTEXT", "NULL", "LowerRule", "Lowering", "PooledErrors", "StreamedGradient",
    "call_in_place", "channel_count", "real_attribute", "refuse", "scale_of", "stop_if_measured", "whole_attribute",
]  # fmt: skip

CONTEXT = Name("context")
NULL = Name("NULL")


@dataclass(frozen=True)
class StreamedGradient:
    """A gradient that no call computes: what makes it, and what its update multiplies errors with, behind what loads that.

    Biases that alone are trained multiply errors with nothing.
    """

    node: StepNode
    operand: Callable[[], tuple[list[Statement], Fields]] | None


@dataclass(frozen=True)
class PooledErrors:
    """Errors that no call spreads: those of a pool's output, its window, where each is taken to, and how many an image has."""

    grad: str
    window: Argument
    places: Argument
    positions: Argument


@dataclass
class Lowering:
    """What the rules are given, and what they leave for others.

    Attributes:
        graph: the step, or the forward pass.
        offsets: of its tensors, in bytes.
        rows: samples at once: a number, or a variable of up to the batch where all tensors begin with rows of samples.
        layers: trained layers by the names of their weights, and what else a step trains by its name.
        scales: numbers of the scales of binary values, by tensor.
        statistics: block and number of running statistics, by tensor.
        kept: constants that the block's method keeps, such as a fixed head, by tensor.
        constants: data of the model that the calls read; rules add to them.
        locals: declarations of variables that the calls need; rules add to them.
        gradients: of weights and biases, which their updates compute as they go, by tensor; rules add to them.
        pooled: errors at the output of a convolution that a pool follows, which are not spread out, by tensor; rules add to them.
    """

    graph: StepGraph
    offsets: Mapping[str, int]
    rows: Argument
    layers: Mapping[str, LayerRef]
    scales: Mapping[str, int]
    statistics: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    kept: Mapping[str, Name] = field(default_factory=dict)
    constants: dict[str, RealArray] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)
    gradients: dict[str, StreamedGradient] = field(default_factory=dict)
    pooled: dict[str, PooledErrors] = field(default_factory=dict)

    def type_of(self, name: str) -> TensorType:
        return self.graph.tensors[name].type

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor or constant."""
        constant = self.graph.constants.get(name)
        return constant.shape if constant is not None else self.type_of(name).shape

    def at(self, name: str, ctype: str = "float") -> Address:
        """Where a tensor lies in the arena."""
        return Address(ctype, self.offsets[name])

    def of_bits(self, name: str, one: str, two: str) -> str:
        """The kernel that reads a tensor: that of bits or of real numbers, or that of levels, which have two bits."""
        return two if self.type_of(name).dtype == "level" else one

    def errors(self, name: str) -> Address:
        """Where the errors at a product's output lie, or those at the pool behind it."""
        return self.at(self.pooled[name].grad if name in self.pooled else name)

    def real(self, name: str) -> Argument:
        """A real tensor: in the arena, or a constant of the model or of the block's method."""
        if name in self.kept:
            return self.kept[name]
        return self.constant(self.graph.constants[name]) if name in self.graph.constants else self.at(name)

    def constant(self, value: Constant) -> Name:
        """The array that holds a constant."""
        if value.name not in self.constants:
            self.constants[value.name] = RealArray(f"constant_{len(self.constants)}", math.prod(value.shape), value.read)
        return Name(self.constants[value.name].name)

    def whole_numbers(self, name: str) -> tuple[int, ...]:
        """What a constant says that is part of the program, such as axes; nothing where it is absent or computed."""
        constant = self.graph.constants.get(name)
        return constant.as_ints() if constant is not None else ()

    def times(self, count: int) -> Argument:
        """``count`` for each of the samples."""
        if isinstance(self.rows, Number):
            return Number(self.rows.value * count)
        return Name(f"rows * {count}") if count > 1 else self.rows

    def leading(self, shape: Sequence[int], count: int = 1) -> Argument:
        """``count`` for each row of a tensor: each sample has one, or several, or rows are of something else."""
        rows, rest = divmod(shape[0], self.batch)
        return Number(shape[0] * count) if rest else self.times(rows * count)

    def rows_of(self, name: str) -> Argument:
        """How many rows of a tensor the samples have."""
        return self.leading(self.shape(name))

    def elements(self, name: str) -> Argument:
        """How many elements of a tensor the samples have."""
        return self.leading(self.type_of(name).shape, self.columns(name)) if self.type_of(name).shape else Number(1)

    @property
    def batch(self) -> int:
        """Samples of the plan."""
        return self.rows.value if isinstance(self.rows, Number) else self.graph.tensors[self.graph.inputs[0]].type.shape[0]

    def grows(self, name: str) -> bool:
        """Whether a tensor's first axis has rows of samples."""
        return any(self.graph.growth.get(name, (1,))[:1])

    def columns(self, name: str) -> int:
        """Elements of one row."""
        tensor = self.type_of(name)
        return tensor.size // tensor.shape[0]

    def in_place(self, source: str, result: str) -> list[Statement]:
        """A copy of what an in-place kernel works on, where the plan gave the result a place of its own."""
        if self.offsets[source] == self.offsets[result]:
            return []
        size = Number(self.type_of(source).nbytes(packs_bits=True))
        return [Call("memcpy", (self.at(result, "void"), self.at(source, "const void"), size))]

    def channels(self, name: str, channel_size: int = 1) -> Braces:
        """The fields of ``tfoa_channels`` for a tensor whose channels, where it is a matrix, have ``channel_size`` columns."""
        shape = self.type_of(name).shape
        rows = self.leading(shape)
        channels, positions = (shape[1], math.prod(shape[2:])) if len(shape) > 2 else (shape[1] // channel_size, channel_size)
        return Braces((rows, Number(channels), Number(positions)))

    def channel_fields(self, name: str) -> Fields:
        """``tfoa_channels`` of a tensor."""
        return Fields("tfoa_channels", self.channels(name).values)

    def channel_part(self, node: StepNode, saved: str, origin: str) -> Fields:
        """The channels of ``saved`` that a gradient is of: those of the active slice, or all."""
        all_channels = self.channels(saved, node.int("channel_size", node.int("channel_units", 1)))
        if not origin:
            return Fields("tfoa_channel_part", (all_channels, Number(0), all_channels.values[1]))
        place = self.offsets[origin]
        return Fields("tfoa_channel_part", (all_channels, Value("int32_t", place + 4), Value("int32_t", place + 12)))


LowerRule = Callable[[Lowering, StepNode], list[Statement]]


def refuse(node: StepNode, problem: str) -> UnsupportedError:
    """The error for a node of the model that cannot run in C."""
    return UnsupportedError(f"node '{node.name}'", problem, "replace the operator, or train on a device that runs onnxruntime")


def scale_of(lowering: Lowering, name: str) -> tuple[list[Statement], Argument]:
    """The scale of a binary value: 1 where it has none, in RAM where this step computes it, else read from the storage."""
    if not name:
        return [], Real(1.0)
    if name in lowering.offsets:
        return [], Value("float", lowering.offsets[name])
    variable = f"scale_{lowering.scales[name]}"
    lowering.locals[variable] = f"float {variable}"
    arguments = (CONTEXT, Number(lowering.scales[name]), Name(f"&{variable}"))
    return [Call("tfoa_scale", arguments, may_fail=True)], Name(variable)


def call_in_place(lowering: Lowering, node: StepNode, kernel: str, arguments: tuple[Argument, ...]) -> list[Statement]:
    """A call of a kernel that works on the node's first input where it lies."""
    source, result = node.inputs[0], node.outputs[0]
    return [*lowering.in_place(source, result), Call(kernel, (*arguments, lowering.at(result)))]


def channel_count(lowering: Lowering, origin: str, times: int) -> Value:
    """How many channels the active slice has, ``times`` a number."""
    return Value("int32_t", lowering.offsets[origin] + 12, times)


def stop_if_measured(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Where only means are to be measured, a step ends with the last operator that follows one."""
    following = [
        each
        for each in lowering.graph.nodes
        if each.op_type in ("RunningBatchNormalization", "FollowScale")
        or (each.op_type == "BinaryActivation" and len(each.outputs) > 1)
    ]
    return [StopIf("context->is_calibrating")] if node is following[-1] else []


def real_attribute(node: StepNode, name: str) -> float:
    """An attribute that must be there."""
    value = node.attributes[name]
    assert isinstance(value, int | float)
    return float(value)


def whole_attribute(node: StepNode, name: str) -> int:
    """An attribute that must be there."""
    value = node.attributes[name]
    assert isinstance(value, int)
    return value
