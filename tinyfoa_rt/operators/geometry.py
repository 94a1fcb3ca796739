"""Shape rules that several rows share: windows over images, and slices along the channel axis."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType

__all__ = [
    "POOL_ATTRIBUTES", "explicit_window", "known", "left_over", "num_scalars", "same_as_first", "scalar", "spatial_shape",
    "transposed_window",
]  # fmt: skip

# What a window of a domain operator is given; ``auto_pad`` has become pads.
POOL_ATTRIBUTES = ("kernel_shape", "strides", "dilations", "pads")


def known(tensor: TensorType | None) -> TensorType:
    """The type of an input that the signature says is there."""
    assert tensor is not None
    return tensor


def scalar(dtype: str = "float32") -> TensorType:
    return TensorType(dtype, ())


def num_scalars(count: int) -> TensorType:
    return TensorType("float32", (count,))


def same_as_first(inputs: object, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    """One output, like input 0."""
    return (known(inputs[0]),)  # type: ignore[index]


def spatial_shape(size: tuple[int, ...], attributes: Mapping[str, Attribute]) -> tuple[int, ...]:
    """Output size of a window of ``kernel_shape`` that moves over ``size``, as the ONNX operator set defines it."""
    rank = len(size)
    kernel, strides, dilations, pads = _window(rank, attributes)
    auto_pad = attributes.get("auto_pad", "NOTSET")
    shape = []
    for axis in range(rank):
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            shape.append(-(-size[axis] // strides[axis]))
            continue
        padded = size[axis] + (pads[axis] + pads[axis + rank] if auto_pad == "NOTSET" else 0)
        shape.append((padded - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1)
    return tuple(shape)


def explicit_window(size: tuple[int, ...], attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Kernel, strides, dilations and pads of a window over ``size``, each given, with ``auto_pad`` worked out."""
    rank = len(size)
    kernel, strides, dilations, pads = _window(rank, attributes)
    auto_pad = attributes.get("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        out = spatial_shape(size, attributes)
        total = [max(0, (out[a] - 1) * strides[a] + (kernel[a] - 1) * dilations[a] + 1 - size[a]) for a in range(rank)]
        smaller, larger = tuple(each // 2 for each in total), tuple(each - each // 2 for each in total)
        pads = (*smaller, *larger) if auto_pad == "SAME_UPPER" else (*larger, *smaller)
    elif auto_pad == "VALID":
        pads = (0,) * (2 * rank)
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}


def transposed_window(
    size: tuple[int, ...], output_size: tuple[int, ...], attributes: Mapping[str, Attribute]
) -> dict[str, Attribute]:
    """Kernel, strides, dilations and pads of a ConvTranspose: those of the convolution from ``output_size`` back to ``size``."""
    rank = len(size)
    kernel, strides, dilations, pads = _window(rank, attributes)
    auto_pad = attributes.get("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER") or attributes.get("output_shape"):
        more = _ints(attributes, "output_padding", (0,) * rank)
        reach = [(size[a] - 1) * strides[a] + dilations[a] * (kernel[a] - 1) + 1 for a in range(rank)]
        total = [max(0, reach[a] - output_size[a] + more[a]) for a in range(rank)]
        begins = [pad // 2 if auto_pad == "SAME_UPPER" else pad - pad // 2 for pad in total]
        pads = (*begins, *(pad - first for pad, first in zip(total, begins)))
    elif auto_pad == "VALID":
        pads = (0,) * (2 * rank)
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}


def left_over(size: tuple[int, ...], attributes: Mapping[str, Attribute]) -> tuple[int, ...]:
    """How many positions at the end of each axis no window over ``size`` reaches: the ``output_padding`` of the way back."""
    kernel, strides, dilations, pads = _window(len(size), explicit_window(size, attributes))
    padded = (length + before + after for length, before, after in zip(size, pads, pads[len(size) :]))
    reach = (dilation * (taps - 1) + 1 for dilation, taps in zip(dilations, kernel))
    return tuple((whole - span) % stride for whole, span, stride in zip(padded, reach, strides))


def _window(rank: int, attributes: Mapping[str, Attribute]) -> tuple[tuple[int, ...], ...]:
    """Kernel, strides, dilations and pads over ``rank`` axes, as they are given or by default."""
    ones = (1,) * rank
    defaults = {"kernel_shape": ones, "strides": ones, "dilations": ones, "pads": (0,) * (2 * rank)}
    return tuple(_ints(attributes, name, default) for name, default in defaults.items())


def _ints(attributes: Mapping[str, Attribute], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = attributes.get(name)
    return default if value is None else tuple(int(x) for x in value)  # type: ignore[union-attr]
