"""An architecture: sizes from which the network is laid out, and how many products a training step takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinyfoa_rt.zoo.build import lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, ModelSpec

__all__ = ["Architecture"]

# Local heads see means of as many cells along each axis (docs/training.md); a classifier is given as many.
_CELLS = 4


@dataclass(frozen=True)
class Architecture:
    """A stack of convolutions, hidden dense layers and a classifier; either of the first two may be missing.

    Attributes:
        input_shape: of a sample: (features,); (channels, height, width); of a signal (channels, 1, length).
        num_outputs: classes, or the numbers of a label of a regression.
        pool_input: so many positions along each axis are replaced by their mean in front of all else.
        channels: of the outputs of convolutions, first to last.
        kernel: positions along each axis of a convolution.
        strides: whether convolutions skip every second position; else the maximum of two by two follows them, with which
            generated C runs a convolution as one.
        pads: whether convolutions read zeros beyond the border, and have as many positions as their input.
        units: of hidden dense layers.
    """

    input_shape: tuple[int, ...]
    num_outputs: int
    pool_input: int = 1
    channels: tuple[int, ...] = ()
    kernel: int = 3
    strides: bool = False
    pads: bool = False
    units: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """In a few words, such as ``conv 8-16 of 3x3, on 14x14``."""
        positions = tuple(size for size in self.positions if size > 1)
        names = []
        if self.channels:
            along = "x".join([str(self.kernel)] * max(1, len(positions)))
            shrinks = f"{' padded' if self.pads else ''}{', strides' if self.strides else ''}"
            names.append(f"conv {_joined(self.channels)} of {along}{shrinks}")
        if self.units:
            names.append(f"dense {_joined(self.units)}")
        return f"{' '.join(names) or 'classifier'}, on {'x'.join(map(str, positions))}"

    @property
    def positions(self) -> tuple[int, ...]:
        """Of the input behind the means: height and width, or its features."""
        if len(self.input_shape) == 1:
            return self.input_shape
        return tuple(size // self._pooled(size, self.pool_input) for size in self.input_shape[1:])

    def spec(self, seed: int = 0) -> ModelSpec:
        """Return what the zoo builds, with weights by ``seed``."""
        name = self.title.replace(",", "").replace(" ", "-")
        return ModelSpec(name, f"{self.title}: designed", self.input_shape, seed, tuple(self._layers()))

    def multiply_adds(self, *, is_end_to_end: bool) -> int:
        """Return the most products of a weight that a training step of one sample takes: forward, weights, and inputs of layers.

        Blocks of one layer with learned heads are trained in steps of their own, of which it is that of the longest.
        """
        network = lay_out(self.spec(), "design")
        products = network.multiply_adds()
        if is_end_to_end:
            return 3 * sum(products.values()) - next(iter(products.values()))
        steps, before = [], 0
        for layer, count in products.items():
            steps.append(before + 2 * count + 3 * self._head(network.shapes[layer]))
            before += count
        steps[-1] -= 3 * self._head(network.shapes[layer])  # the classifier has no head
        return max(steps)

    def _layers(self) -> Iterator[LayerSpec]:
        positions = self.positions
        if self.pool_input > 1:
            yield _pool("average_pool", "means", [self._pooled(size, self.pool_input) for size in self.input_shape[1:]])
        for number, channels in enumerate(self.channels, start=1):
            kernel = [self._pooled(size, self.kernel) for size in positions]
            window = {"kernel": kernel, "pads": [size // 2 if self.pads else 0 for size in kernel] * 2}
            stride = [self._pooled(size, 2 if self.strides else 1) for size in positions]
            positions = tuple(
                (size + 2 * pad - each) // step + 1 for size, pad, each, step in zip(positions, window["pads"], kernel, stride)
            )
            yield _layer("conv", f"conv{number}", channels=channels, strides=stride, **window)
            pool = self._pool_window(positions, is_last=number == len(self.channels))
            relu = _layer("relu", f"relu{number}")
            if self.strides:
                yield relu
            if max(pool) > 1:
                yield _pool("average_pool" if self.strides else "max_pool", f"pool{number}", pool)
                positions = tuple(size // by for size, by in zip(positions, pool))
            if not self.strides:
                yield relu
        if len(self.input_shape) > 1:
            yield _layer("flatten", "flatten")
        for number, units in enumerate(self.units, start=1):
            yield _layer("dense", f"dense{number}", units=units)
            yield _layer("relu", f"active{number}")
        yield _layer("dense", "classifier", units=self.num_outputs)

    def _pool_window(self, positions: tuple[int, ...], *, is_last: bool) -> list[int]:
        """How many positions along each axis become one behind a convolution: the classifier is given a small grid."""
        step = 1 if self.strides else 2
        return [min(size, max(step, size // _CELLS if is_last else 1)) for size in positions]

    @staticmethod
    def _pooled(size: int, by: int) -> int:
        """A window along an axis; a signal has one position along its first one."""
        return by if size > 1 else 1

    def _head(self, shape: tuple[int, ...]) -> int:
        """Products of a learned head of a layer with an output of ``shape``."""
        cells = math.prod(min(size, _CELLS) for size in shape[1:])
        return shape[0] * cells * self.num_outputs


def _layer(kind: str, name: str, **options: Any) -> LayerSpec:
    return LayerSpec(kind, name, None, options)


def _pool(kind: str, name: str, window: list[int]) -> LayerSpec:
    return _layer(kind, name, kernel=window, strides=window)


def _joined(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))
