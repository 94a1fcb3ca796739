"""What a standard operator makes of shapes: the operators that function bodies are written in.

A value has a shape, bytes an element, and its content where that is small and known before the run: sizes that are computed from
shapes. Operators outside bodies need no rule: their results are tensors of the step, whose shapes are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.allocation.contents import COMPUTED, split_lengths

__all__ = ["Value", "broadcast", "has_rule", "infer"]

Attributes = Mapping[str, Any]
_MOST_KNOWN = 64  # elements of a value whose content is followed
# Bytes an element of ONNX's element types, by their numbers.
_ITEM_NBYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


@dataclass(frozen=True, slots=True)
class Value:
    """``content`` is ``None`` where it depends on the run or is large."""

    shape: tuple[int, ...]
    item_nbytes: int
    content: NDArray[Any] | None = None

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.item_nbytes

    @classmethod
    def of(cls, array: NDArray[Any]) -> Value:
        """The value of a constant."""
        return cls(array.shape, array.dtype.itemsize, array if array.size <= _MOST_KNOWN else None)

    @property
    def numbers(self) -> list[int]:
        """The content as whole numbers; it must be known."""
        assert self.content is not None
        return [int(each) for each in self.content.reshape(-1)]


Inputs = Sequence[Value | None]


def has_rule(op_type: str) -> bool:
    """Whether :func:`infer` knows an operator."""
    return op_type in _RULES or op_type in ("Shape", "Size")


def infer(op_type: str, inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    """Return the outputs of an operator.

    Raises:
        KeyError: there is no rule for the operator.
    """
    if op_type in COMPUTED and not [each for each in inputs if each is not None and each.content is None]:
        contents = [None if each is None else each.content for each in inputs]
        return [Value.of(np.asarray(each)) for each in COMPUTED[op_type](contents, attributes)]
    if op_type in ("Shape", "Size"):
        return [_shape_of(op_type, inputs, attributes)]
    return _RULES[op_type](inputs, attributes, num_outputs)


def _known(inputs: Inputs, position: int) -> Value:
    value = inputs[position]
    assert value is not None
    return value


def _shape_of(op_type: str, inputs: Inputs, attributes: Attributes) -> Value:
    shape = _known(inputs, 0).shape
    if op_type == "Size":
        return Value.of(np.array(math.prod(shape), dtype=np.int64))
    return Value.of(np.array(shape[attributes.get("start", 0) : attributes.get("end")], dtype=np.int64))


def broadcast(*values: Value) -> tuple[int, ...]:
    """The shape of what is computed from values element by element."""
    rank = max(len(value.shape) for value in values)
    padded = [(1,) * (rank - len(value.shape)) + value.shape for value in values]
    return tuple(next((length for length in lengths if length != 1), 1) for lengths in zip(*padded))


def _elementwise(item_nbytes: int | None) -> Callable[[Inputs, Attributes, int], list[Value]]:
    """Broadcast; elements are like those of the last input unless their bytes are given."""

    def rule(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
        values = [value for value in inputs if value is not None]
        if len(values) == 1:
            return [Value(values[0].shape, item_nbytes or values[0].item_nbytes)]
        return [Value(broadcast(*values), item_nbytes or values[-1].item_nbytes)]

    return rule


def _like_first(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    first = _known(inputs, 0)
    return [Value(first.shape, first.item_nbytes)]


def _cast(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    return [Value(_known(inputs, 0).shape, _ITEM_NBYTES[attributes["to"]])]


def _reshape(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, target = _known(inputs, 0), _known(inputs, 1).numbers
    shape = [x.shape[axis] if length == 0 else length for axis, length in enumerate(target)]
    if -1 in shape:
        rest = math.prod(length for length in shape if length != -1)
        shape[shape.index(-1)] = x.size // rest if rest else 0
    return [Value(tuple(shape), x.item_nbytes)]


def _flatten(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, axis = _known(inputs, 0), attributes.get("axis", 1)
    return [Value((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])), x.item_nbytes)]


def _squeeze(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x = _known(inputs, 0)
    axes = [axis % len(x.shape) for axis in _known(inputs, 1).numbers]
    return [Value(tuple(length for axis, length in enumerate(x.shape) if axis not in axes), x.item_nbytes)]


def _unsqueeze(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, axes = _known(inputs, 0), _known(inputs, 1).numbers
    rank = len(x.shape) + len(axes)
    added = {axis % rank for axis in axes}
    lengths = iter(x.shape)
    return [Value(tuple(1 if axis in added else next(lengths) for axis in range(rank)), x.item_nbytes)]


def _transpose(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x = _known(inputs, 0)
    order = attributes.get("perm", range(len(x.shape) - 1, -1, -1))
    return [Value(tuple(x.shape[axis] for axis in order), x.item_nbytes)]


def _slice(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, starts, ends = (_known(inputs, position) for position in range(3))
    axes = _known(inputs, 3).numbers if len(inputs) > 3 and inputs[3] is not None else range(len(starts.numbers))
    shape = list(x.shape)
    for axis, start, end in zip(axes, starts.numbers, ends.numbers):
        shape[axis] = len(range(*slice(start, end).indices(shape[axis])))
    return [Value(tuple(shape), x.item_nbytes)]


def _pad(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, pads = _known(inputs, 0), _known(inputs, 1).numbers
    axes = _known(inputs, 3).numbers if len(inputs) > 3 and inputs[3] is not None else list(range(len(x.shape)))
    shape = list(x.shape)
    for place, axis in enumerate(axes):
        shape[axis] += pads[place] + pads[place + len(axes)]
    return [Value(tuple(shape), x.item_nbytes)]


def _concat(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    values = [value for value in inputs if value is not None]
    shape, axis = list(values[0].shape), attributes["axis"]
    shape[axis] = sum(value.shape[axis] for value in values)
    return [Value(tuple(shape), values[0].item_nbytes)]


def _split(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, given = _known(inputs, 0), inputs[1] if len(inputs) > 1 else None
    axis = attributes.get("axis", 0) % len(x.shape)
    lengths = split_lengths(x.shape[axis], given.numbers if given is not None else None, num_outputs)
    return [Value((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.item_nbytes) for length in lengths]


def _gather(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, places, axis = _known(inputs, 0), _known(inputs, 1), attributes.get("axis", 0) % len(_known(inputs, 0).shape)
    return [Value((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]), x.item_nbytes)]


def _expand(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, target = _known(inputs, 0), _known(inputs, 1).numbers
    return [Value(broadcast(x, Value(tuple(target), 1)), x.item_nbytes)]


def _constant_of_shape(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    value = attributes.get("value")
    return [Value(tuple(_known(inputs, 0).numbers), 4 if value is None else value.dtype.itemsize)]


def _range(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    (start,), (stop,), (step,) = (_known(inputs, position).numbers for position in range(3))
    return [Value((max(0, -(-(stop - start) // step)),), _known(inputs, 0).item_nbytes)]


def _one_hot(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    (depth,) = _known(inputs, 1).numbers
    return [Value((*_known(inputs, 0).shape, depth), _known(inputs, 2).item_nbytes)]


def _reduce(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x = _known(inputs, 0)
    given = inputs[1].numbers if len(inputs) > 1 and inputs[1] is not None else range(len(x.shape))
    axes = {axis % len(x.shape) for axis in given}
    keeps = attributes.get("keepdims", 1)
    lengths = [1 if axis in axes else length for axis, length in enumerate(x.shape) if keeps or axis not in axes]
    return [Value(tuple(lengths), x.item_nbytes)]


def _mat_mul(item_nbytes: int) -> Callable[[Inputs, Attributes, int], list[Value]]:
    def rule(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
        a, b = _known(inputs, 0).shape, _known(inputs, 1).shape
        if len(b) == 1:
            return [Value(a[:-1], item_nbytes)]
        batch = broadcast(Value(a[:-2], 1), Value(b[:-2], 1)) if len(a) > 2 or len(b) > 2 else ()
        return [Value((*batch, a[-2], b[-1]), item_nbytes)]

    return rule


def _gemm(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    a, b = _known(inputs, 0).shape, _known(inputs, 1).shape
    return [Value((a[attributes.get("transA", 0)], b[1 - attributes.get("transB", 0)]), 4)]


def _window(inputs: Inputs, attributes: Attributes) -> list[int]:
    """Positions along each axis of a convolution or pool."""
    size = _known(inputs, 0).shape[2:]
    kernel = attributes.get("kernel_shape") or _known(inputs, 1).shape[2:]
    ones, rank = (1,) * len(size), len(size)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    pads = attributes.get("pads", (0,) * 2 * rank)
    found = []
    for axis, (length, taps) in enumerate(zip(size, kernel)):
        padded = length + pads[axis] + pads[axis + rank] - (taps - 1) * dilations[axis] - 1
        rounded = -(-padded // strides[axis]) if attributes.get("ceil_mode", 0) else padded // strides[axis]
        # A window that begins behind the image and its first pads is none.
        if attributes.get("ceil_mode", 0) and rounded * strides[axis] >= length + pads[axis]:
            rounded -= 1
        found.append(rounded + 1)
    return found


def _conv(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    return [Value((_known(inputs, 0).shape[0], _known(inputs, 1).shape[0], *_window(inputs, attributes)), 4)]


def _conv_transpose(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    x, w = _known(inputs, 0).shape, _known(inputs, 1).shape
    rank = len(x) - 2
    ones = (1,) * rank
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    pads, extra = attributes.get("pads", (0,) * 2 * rank), attributes.get("output_padding", (0,) * rank)
    size = [
        strides[axis] * (x[2 + axis] - 1) + extra[axis] + (w[2 + axis] - 1) * dilations[axis] + 1 - pads[axis] - pads[axis + rank]
        for axis in range(rank)
    ]
    return [Value((x[0], w[1] * attributes.get("group", 1), *size), 4)]


def _col2im(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    columns, size, kernel = _known(inputs, 0), _known(inputs, 1).numbers, _known(inputs, 2).numbers
    return [Value((columns.shape[0], columns.shape[1] // math.prod(kernel), *size), columns.item_nbytes)]


def _max_pool(inputs: Inputs, attributes: Attributes, num_outputs: int) -> list[Value]:
    shape = (*_known(inputs, 0).shape[:2], *_window(inputs, attributes))
    return [Value(shape, _known(inputs, 0).item_nbytes), Value(shape, 8)][:num_outputs]


_RULES: Mapping[str, Callable[[Inputs, Attributes, int], list[Value]]] = {
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "BitwiseAnd", "BitwiseXor", "BitShift", "Where"), _elementwise(None)
    ),
    **dict.fromkeys(("Less", "Greater", "And", "Or", "Equal", "GreaterOrEqual", "LessOrEqual", "Not"), _elementwise(1)),
    "Pow": _like_first,
    **dict.fromkeys(("Neg", "Abs", "Exp", "Sqrt", "Clip", "LogSoftmax", "Softmax", "Log", "Identity", "Relu"), _like_first),
    **dict.fromkeys(("Sign", "Floor", "Round", "Sigmoid", "HardSigmoid", "Tanh", "Reciprocal", "ScatterElements"), _like_first),
    **dict.fromkeys(
        ("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Sin", "Sinh"), _like_first
    ),
    **dict.fromkeys(("Tan", "Elu", "LeakyRelu", "Selu", "Softplus", "Softsign", "ThresholdedRelu", "BitwiseNot"), _like_first),
    "CumSum": _like_first,
    "Cast": _cast,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Pad": _pad,
    "Concat": _concat,
    "Split": _split,
    "Gather": _gather,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "OneHot": _one_hot,
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceL1", "ReduceMin", "ReduceMax", "ReduceSumSquare", "ReduceProd"), _reduce),
    "MatMul": _mat_mul(4),
    "MatMulInteger": _mat_mul(4),
    "Gemm": _gemm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Col2Im": _col2im,
    "MaxPool": _max_pool,
    "QuantizeLinear": lambda inputs, attributes, num_outputs: [
        Value(_known(inputs, 0).shape, inputs[2].item_nbytes if len(inputs) > 2 and inputs[2] is not None else 1)
    ],
    "DequantizeLinear": lambda inputs, attributes, num_outputs: [Value(_known(inputs, 0).shape, 4)],
}
