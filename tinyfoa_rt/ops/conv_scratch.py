"""What the bodies of convolutions hold on onnxruntime, beside inputs and outputs, in bytes.

Bits are turned into float32, and weights into the order that Conv takes; products and gradients are Conv's. Its own working
memory is that of onnxruntime's CPU kernel on one thread: all of im2col of one image and group where there are more outputs than
positions, else a buffer of fixed size; nothing for a window of one element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.ops.row import Types

__all__ = ["CONV_RULES"]

Attributes = Mapping[str, Attribute]
_REAL = 4  # bytes of float32
_WORKING_BUFFER = 4 * 128 * 128


def _working_nbytes(filters: int, positions: int, row_size: int, *, is_single: bool) -> int:
    if is_single:
        return 0
    return _REAL * positions * row_size if filters > positions else _WORKING_BUFFER


class _Product:
    """Sizes of one product, in bytes of float32 where nothing else is said."""

    def __init__(self, inputs: Types, outputs: Sequence[TensorType], attributes: Attributes) -> None:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        self.is_bits = x.dtype == "bit"
        self.num_inputs, self.num_weights = x.size, w.size
        self.weights, self.z = _REAL * w.size, _REAL * outputs[0].size
        self.is_sliced = len(inputs) > 3 and inputs[3] is not None
        filters = outputs[0].shape[1] // _int(attributes, "group")
        positions = math.prod(outputs[0].shape[2:])
        self.working = _working_nbytes(filters, positions, w.shape[0], is_single=_is_single(attributes))

    @property
    def ordering(self) -> int:
        """Before there is an output: signs, then float32; with a slice apart, both parts and their sum."""
        held = 3 * self.weights if self.is_sliced else self.weights + self.num_weights
        return held - self.z


def _real_product(inputs: Types, outputs: Sequence[TensorType], attributes: Attributes) -> int:
    sizes = _Product(inputs, outputs, attributes)
    return max(sizes.ordering, sizes.weights + sizes.working)


def _binary_product(inputs: Types, outputs: Sequence[TensorType], attributes: Attributes) -> int:
    """Bits in float32 and weights while the sums are computed; then the sums and their scaled form, one of which is counted."""
    sizes = _Product(inputs, outputs, attributes)
    return max(sizes.ordering, _REAL * sizes.num_inputs + sizes.weights + sizes.working, sizes.z)


def _sign_product(inputs: Types, outputs: Sequence[TensorType], attributes: Attributes) -> int:
    """The 16-bit split of the input, then the product of each half, of which the first one's sums wait for the second's."""
    sizes = _Product(inputs, outputs, attributes)
    split = 9 * sizes.num_inputs + sizes.weights - sizes.z
    second = (1 + _REAL) * sizes.num_inputs + sizes.weights + sizes.working + sizes.z
    return max(sizes.ordering, split, second, 2 * sizes.z)


def _slice_grad(inputs: Types, outputs: Sequence[TensorType], attributes: Attributes) -> int:
    """The slice's errors, channels first; then its inputs; the errors that came in are gone by the time they are multiplied."""
    grad_z, x, grad_w = inputs[0], inputs[1], outputs[0]
    assert grad_z is not None and x is not None
    is_sliced = len(inputs) > 3 and inputs[3] is not None
    taps, of_groups = math.prod(_ints(attributes, "kernel_shape")), _int(attributes, "slice_groups")
    num_inputs, num_outputs = grad_w.shape[0] // taps, grad_w.shape[1]
    row_size = x.shape[0] * math.prod(grad_z.shape[2:])
    errors = _REAL * num_outputs * row_size
    part = _REAL * x.shape[0] * of_groups * num_inputs * math.prod(x.shape[2:])
    filters = num_outputs if _int(attributes, "group") == 1 else num_outputs // of_groups
    product = part + _working_nbytes(filters, taps, row_size, is_single=False) + _REAL * grad_w.size
    # Bits are turned into float32 and centred, real inputs of a slice cut out and turned; of a whole layer only turned.
    copies = 2 if is_sliced or x.dtype == "bit" else 1
    turned = (2 if is_sliced else 1) * errors
    return max(turned, errors - _REAL * grad_z.size + max(copies * part, product))


def _int(attributes: Attributes, name: str) -> int:
    value = attributes.get(name, 1)
    assert isinstance(value, int)
    return value


def _ints(attributes: Attributes, name: str) -> tuple[int, ...]:
    value = attributes.get(name, ())
    assert isinstance(value, tuple)
    return tuple(int(each) for each in value)


def _is_single(attributes: Attributes) -> bool:
    """Whether each window is one element, and every element has one."""
    ones = {*_ints(attributes, "kernel_shape"), *_ints(attributes, "strides")}
    return ones <= {1} and set(_ints(attributes, "pads")) <= {0}


CONV_RULES: Mapping[str, Callable[[Types, Sequence[TensorType], Attributes], int]] = {
    "RealConv": _real_product,
    "SignConv": _sign_product,
    "BinaryConv": _binary_product,
    "ConvSliceGrad": _slice_grad,
}
