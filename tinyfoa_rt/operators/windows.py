"""Windows of convolutions and pools as the kernels take them: two axes, and pads instead of ``auto_pad`` and ``ceil_mode``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyfoa_rt.ir.c_program import Braces, Number
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.geometry import transposed_window
from tinyfoa_rt.operators.lowering import refuse

__all__ = ["transposed_window_of", "window_of"]


def window_of(node: StepNode, in_size: Sequence[int], out_size: Sequence[int], kernel: Sequence[int]) -> Braces:
    """Return the fields of ``tfoa_window``; a window along one axis gets a height of 1.

    Raises:
        UnsupportedError: the window has three axes.
    """
    rank = len(in_size)
    if rank not in (1, 2):
        raise refuse(node, f"moves a window over {rank} axes")
    strides, dilations = node.ints("strides", (1,) * rank), node.ints("dilations", (1,) * rank)
    begins, ends = _pads(node, tuple(in_size), tuple(out_size), (kernel, strides, dilations))
    columns = [(in_size, 1), (out_size, 1), (kernel, 1), (strides, 1), (dilations, 1), (begins, 0), (ends, 0)]
    return Braces(tuple(Braces(tuple(Number(n) for n in [*[one] * (2 - rank), *values])) for values, one in columns))


def transposed_window_of(node: StepNode, x_size: Sequence[int], y_size: Sequence[int], kernel: Sequence[int]) -> Braces:
    """Return the window of the convolution that a ConvTranspose of ``x_size`` is the gradient of, from ``y_size`` to ``x_size``.

    Raises:
        UnsupportedError: the window has three axes.
    """
    explicit = transposed_window(tuple(x_size), tuple(y_size), {**node.attributes, "kernel_shape": tuple(kernel)})
    node = replace(node, attributes={**node.attributes, **explicit, "auto_pad": "NOTSET"})
    return window_of(node, y_size, x_size, kernel)


def _pads(
    node: StepNode, in_size: tuple[int, ...], out_size: tuple[int, ...], moves: tuple[Sequence[int], ...]
) -> tuple[list[int], list[int]]:
    """Padding before and behind each axis; with ``ceil_mode`` the window may begin inside and end beyond, which needs no pad."""
    rank = len(in_size)
    auto = node.string("auto_pad", "NOTSET")
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        pads = node.ints("pads", (0,) * 2 * rank) if auto == "NOTSET" else (0,) * 2 * rank
        return list(pads[:rank]), list(pads[rank:])
    begins, ends = [], []
    for size, out, kernel, stride, dilation in zip(in_size, out_size, *moves):
        total = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
        before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        begins.append(before)
        ends.append(total - before)
    return begins, ends
