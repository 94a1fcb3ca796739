"""Shape rules that several rows share: windows over images, and slices along the channel axis."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType

__all__ = ["known", "num_scalars", "same_as_first", "scalar", "spatial_shape"]


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
    kernel = _ints(attributes, "kernel_shape", (1,) * rank)
    strides = _ints(attributes, "strides", (1,) * rank)
    dilations = _ints(attributes, "dilations", (1,) * rank)
    pads = _ints(attributes, "pads", (0,) * (2 * rank))
    auto_pad = attributes.get("auto_pad", "NOTSET")
    shape = []
    for axis in range(rank):
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            shape.append(-(-size[axis] // strides[axis]))
            continue
        padded = size[axis] + (pads[axis] + pads[axis + rank] if auto_pad == "NOTSET" else 0)
        shape.append((padded - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1)
    return tuple(shape)


def _ints(attributes: Mapping[str, Attribute], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = attributes.get(name)
    return default if value is None else tuple(int(x) for x in value)  # type: ignore[union-attr]
