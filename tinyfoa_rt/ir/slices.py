"""How the weight matrix of a layer is cut into slices: the only place that knows where a slice lies.

Paper, "Partial updates" and Figure 1: a weight matrix is a grid of m_in x m_out slices, and one slice is updated at a time.
Sizes need not divide evenly. Input splits fall on 32-bit words where the axis is long enough, so that the bits of a slice
start at a word; this holds for every profile, so that all of them train the same slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.step import WORD_BITS

__all__ = ["Part", "SliceGrid", "split"]


class Part(NamedTuple):
    """A slice: the band of inputs that it belongs to, its inputs and its outputs."""

    band: int
    ins: slice
    outs: slice

    @property
    def num_ins(self) -> int:
        return int(self.ins.stop - self.ins.start)

    @property
    def num_outs(self) -> int:
        return int(self.outs.stop - self.outs.start)


@dataclass(frozen=True)
class SliceGrid:
    """Bounds of slices, from 0 on: ``ins`` along the inputs, of a convolution those of a group, ``outs`` along the outputs.

    Slices are counted along the inputs first. A band is a column of them: those that share their inputs. The last ``num_frozen``
    slices never take a turn.
    """

    ins: tuple[int, ...]
    outs: tuple[int, ...]
    num_frozen: int = 0

    @classmethod
    def of(cls, layer: Layer, slices: Slices) -> SliceGrid:
        """The grid of ``layer`` cut into ``slices``, or as far as a layer of fewer inputs or outputs can be cut.

        Of a layer that is trained in part the first slices are that part, cut along its inputs alone so that they come first. The
        others are no larger, so that what reads one slice after the other does so in the memory of the one that is trained.
        """
        if layer.kind == "bias":
            slices = Slices(1, 1)  # they are few
        if layer.trained_inputs is not None:
            trained = _split_inputs(layer, layer.trained_inputs, min(slices.count, layer.trained_inputs))
            frozen = (*range(layer.trained_inputs, layer.in_features, max(_lengths(trained)))[1:], layer.in_features)
            return cls((*trained, *frozen), (0, layer.out_features), num_frozen=len(frozen))
        m_in, m_out = min(slices.m_in, layer.in_features), min(slices.m_out, layer.out_features)
        return cls(_split_inputs(layer, layer.in_features, m_in), split(layer.out_features, m_out))

    @property
    def num_bands(self) -> int:
        return len(self.ins) - 1

    @property
    def num_rows(self) -> int:
        """Rows of slices: parts of the outputs."""
        return len(self.outs) - 1

    @property
    def count(self) -> int:
        return self.num_bands * self.num_rows

    @property
    def turns(self) -> int:
        """Slices that are trained, one after the other, from the first on."""
        return self.count - self.num_frozen

    @property
    def bands(self) -> list[slice]:
        """The inputs of each band."""
        return [slice(a, b) for a, b in zip(self.ins, self.ins[1:])]

    @property
    def rows(self) -> list[slice]:
        """The outputs of each row of slices."""
        return [slice(a, b) for a, b in zip(self.outs, self.outs[1:])]

    def part(self, index: int) -> Part:
        """Slice ``index``, from 0."""
        row, band = divmod(index, self.num_bands)
        return Part(band, slice(self.ins[band], self.ins[band + 1]), slice(self.outs[row], self.outs[row + 1]))

    def __iter__(self) -> Iterator[Part]:
        return (self.part(index) for index in range(self.count))

    @property
    def largest(self) -> tuple[int, int]:
        """Inputs and outputs of the largest slice: what memory must hold."""
        return max(_lengths(self.ins)), max(_lengths(self.outs))

    @property
    def index_of_largest(self) -> int:
        """A slice that is as large as any."""
        band, row = (lengths.index(max(lengths)) for lengths in (_lengths(self.ins), _lengths(self.outs)))
        return row * self.num_bands + band

    @property
    def is_even(self) -> bool:
        """Whether all slices that are trained have one size."""
        trained = self.ins[: self.num_bands + 1 - self.num_frozen]  # slices are frozen where outputs are not cut
        return self.turns == 1 or len(set(_lengths(trained))) == len(set(_lengths(self.outs))) == 1

    def most_groups(self, group_outputs: int) -> int:
        """Of how many groups of a convolution, each with so many outputs, a slice has outputs, at most."""
        return max(-(-b // group_outputs) - a // group_outputs for a, b in zip(self.outs, self.outs[1:]))


def split(length: int, parts: int, granule: int = 1) -> tuple[int, ...]:
    """Return ``parts + 1`` bounds that split ``length`` as evenly as multiples of ``granule`` allow.

    The granule is dropped where some part would be left empty. ``parts`` is from 1 to ``length``.
    """
    units = -(-length // granule)
    if units < parts:
        granule, units = 1, length
    return tuple(min(length, units * i // parts * granule) for i in range(parts + 1))


def _split_inputs(layer: Layer, length: int, parts: int) -> tuple[int, ...]:
    """Split the first ``length`` inputs of a layer, so that bits begin at a word where there are enough of them."""
    return split(length, parts, WORD_BITS if layer.taps == 1 and length >= WORD_BITS * parts else 1)


def _lengths(bounds: tuple[int, ...]) -> list[int]:
    return [b - a for a, b in zip(bounds, bounds[1:])]
