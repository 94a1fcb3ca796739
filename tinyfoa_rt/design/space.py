"""What may be proposed: families of networks by the shape of the samples, each with the ways to train it in order of preference.

The rules, with where they come from, are a table in docs/design.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyfoa_rt.design.architecture import Architecture

__all__ = ["Candidate", "Family", "Way", "families", "shapes_of"]

_DENSE_WIDTHS = (4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024)
_CONV_WIDTHS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128)
_REDUCTIONS = (1, 2, 4)
_DEPTHS = (1, 2, 3)
_KERNELS = (3, 5)
# Pads and strides; without strides the maximum of two by two follows.
_SHRINKING = ((False, False), (True, False), (True, True))
# Fewer positions along an axis are no image that a convolution gains from; a signal is given wider means.
_LEAST_IMAGE = 7
_LEAST_SIGNAL = 32
# A table of fewer columns is no signal and no image.
_LEAST_PLANE = 64
# Axes that differ more are channels and time.
_LARGEST_RATIO = 4


@dataclass(frozen=True)
class Way:
    """A way to train: fields of :class:`tinyfoa_rt.ir.options.PlanOptions`, and what reports call it."""

    title: str
    options: Mapping[str, str]

    @property
    def is_end_to_end(self) -> bool:
        return self.options["block_layers"] == "all"


@dataclass(frozen=True)
class Candidate:
    """A network and a way to train it."""

    architecture: Architecture
    way: Way

    @property
    def title(self) -> str:
        return f"{self.architecture.title}, {self.way.title}"

    @property
    def multiply_adds(self) -> int:
        """The most that a training step of one sample takes."""
        return self.architecture.multiply_adds(is_end_to_end=self.way.is_end_to_end)


@dataclass(frozen=True)
class Family:
    """Networks that differ in width alone: layer by layer ``factors`` times the width.

    Attributes:
        base: all but the widths.
        factors: of the channels of its convolutions, or of the units of its hidden layers.
        ways: to train it, the best first: a later one is worth trying where it lets a wider network fit.
    """

    base: Architecture
    factors: tuple[int, ...]
    ways: tuple[Way, ...]
    is_dense: bool

    @property
    def widths(self) -> Sequence[int]:
        return _DENSE_WIDTHS if self.is_dense else _CONV_WIDTHS

    def at(self, width: int, way: Way) -> Candidate:
        sizes = tuple(width * factor for factor in self.factors)
        widened = replace(self.base, units=sizes) if self.is_dense else replace(self.base, channels=sizes)
        return Candidate(widened, way)


def _ways(latents: Sequence[str], kind: str, **options: str) -> tuple[Way, ...]:
    return tuple(Way(f"{latent}, {kind}", {"binarize": "none", "latent": latent, **options}) for latent in latents)


_WHOLE = {"block_layers": "all", "schedule": "full"}
_LOCAL = {"block_layers": "1", "schedule": "full", "head": "learned"}
_DENSE_WAYS = (
    *_ways(("int16", "int8"), "end to end", **_WHOLE),
    *_ways(("int8",), "end to end, in 4 slices", block_layers="all", slices="2x2"),
    *_ways(("float32",), "end to end", **_WHOLE),
)
_CONV_WAYS = (
    *_ways(("int16", "int12"), "end to end", **_WHOLE),
    *_ways(("int16", "int12"), "learned heads", **_LOCAL),
    *_ways(("float32",), "end to end", **_WHOLE),
)


def shapes_of(sample: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return what a sample of an array's shape may be to a network: features, an image, a signal.

    Axes of length 1 do not count. (H, W) is an image where the axes are alike, and channels of a signal else; of three axes
    the least, in front or behind, are channels. Many features may be a signal, or an image where they are a square.
    """
    axes = tuple(size for size in sample if size > 1) or (1,)
    features = (math.prod(axes),)
    if len(axes) == 1:
        (count,) = axes
        side = math.isqrt(count)
        planes = [(1, 1, count)] if count >= _LEAST_PLANE else []
        return (features, *planes, *([(1, side, side)] if planes and side * side == count else []))
    if len(axes) == 2:
        fewer, more = axes
        return (features, (1, *axes) if max(axes) <= _LARGEST_RATIO * min(axes) else (fewer, 1, more))
    if len(axes) == 3:
        last_is_least = axes[2] < min(axes[:2])
        return (features, (axes[2], *axes[:2]) if last_is_least else axes)
    return (features,)


def families(sample: Sequence[int], num_outputs: int) -> Iterator[Family]:
    """Return the families for samples of a shape, without the axis of the batch."""
    features, *others = shapes_of(sample)
    yield from _dense(Architecture(features, num_outputs))
    for shape in others:
        yield from _convolutional(Architecture(shape, num_outputs))
        for reduction in _reductions(shape)[1:]:
            yield from _dense(Architecture(shape, num_outputs, pool_input=reduction))


def _dense(base: Architecture) -> Iterator[Family]:
    for factors in ((1,), (2, 1)):
        yield Family(base, factors, _DENSE_WAYS, is_dense=True)


def _convolutional(base: Architecture) -> Iterator[Family]:
    for reduction in _reductions(base.input_shape):
        for kernel in _KERNELS:
            for pads, strides in _SHRINKING:
                for depth in _DEPTHS:
                    architecture = replace(base, pool_input=reduction, kernel=kernel, pads=pads, strides=strides)
                    if _can_shrink(architecture, depth):
                        yield Family(architecture, tuple(2**place for place in range(depth)), _CONV_WAYS, is_dense=False)


def _can_shrink(architecture: Architecture, depth: int) -> bool:
    """Whether the last of so many convolutions still sees as many positions as its kernel has."""
    size = min((size for size in architecture.positions if size > 1), default=1)
    for _ in range(depth):
        if size < architecture.kernel:
            return False
        size = max(1, (size if architecture.pads else size - architecture.kernel + 1) // 2)
    return True


def _reductions(shape: tuple[int, ...]) -> list[int]:
    """Of the input's positions; none makes an image or a signal smaller than what a convolution gains from."""
    along = [size for size in shape[1:] if size > 1]
    least = _LEAST_IMAGE if len(along) > 1 else _LEAST_SIGNAL
    return [by for by in _REDUCTIONS if by == 1 or min(along) // by >= least]
