"""Shapes and windows that hypothesis draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from tests.c99.forward_kernels import Window
from tests.c99.onnx_reference import on_onnxruntime

__all__ = ["AXIS", "SEED", "SMALL", "assume_no_empty_window", "broadcastable", "draw_shape", "draw_window", "window_of"]

SMALL = st.integers(1, 4)
AXIS = st.integers(1, 9)
SEED = st.integers(0, 2**32 - 1)


def draw_shape(data: st.DataObject, rank: int, largest: int = 5) -> tuple[int, ...]:
    return tuple(data.draw(st.lists(st.integers(1, largest), min_size=rank, max_size=rank)))


def broadcastable(data: st.DataObject, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that NumPy broadcasts to ``shape``: some axes 1, some in front left out."""
    ones = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    return tuple(1 if one else size for one, size in zip(ones, shape))[data.draw(st.integers(0, len(shape))) :]


def draw_window(data: st.DataObject, rank: int) -> tuple[list[int], dict[str, Any]]:
    """Sizes of an image, and the attributes of a window that fits into it once padded, for Conv and for pools."""
    size = [data.draw(AXIS) for _ in range(rank)]
    kernel, stride = ([data.draw(SMALL) for _ in range(rank)] for _ in range(2))
    dilation = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    reach = [(k - 1) * d for k, d in zip(kernel, dilation)]
    pads = [data.draw(st.integers(0, k - 1)) for k in kernel * 2]  # onnxruntime allows pools no more
    assume(all(n + begin + end > r for n, begin, end, r in zip(size, pads, pads[rank:], reach)))
    return size, {"kernel_shape": kernel, "strides": stride, "dilations": dilation, "pads": pads}


def window_of(size: list[int], out_size: tuple[int, ...], attributes: dict[str, Any]) -> Window:
    """What the exporter makes of ONNX's attributes; ``out_size`` follows from them, strides, ceil_mode and all."""
    rank = len(size)
    fields = [size, list(out_size), *(attributes[name] for name in ("kernel_shape", "strides", "dilations"))]
    fields += [attributes["pads"][:rank], attributes["pads"][rank:]]
    absent_height = [1, 1, 1, 1, 1, 0, 0]
    return Window(*(tuple([fill] * (2 - rank) + list(field)) for field, fill in zip(fields, absent_height)))


def assume_no_empty_window(size: list[int], attributes: dict[str, Any]) -> None:
    """A window that lies in the padding alone has no largest element and no mean: such a model is refused at export."""
    means = on_onnxruntime("AveragePool", np.ones((1, 1, *size), np.float32), **attributes)
    assume(bool(np.all(means == 1)))
