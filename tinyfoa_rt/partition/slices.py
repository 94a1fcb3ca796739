"""Slices of a layer: how its weight matrix is split into a grid.

Paper, "Partial updates" and Figure 1: a weight matrix is a grid of m_in x m_out slices, and one slice is updated at a time.
Sizes need not divide evenly. Input splits fall on 32-bit words where the axis is long enough, so that the bits of a slice
start at a word; this holds for every target, so that all of them train the same slices.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.step import WORD_BITS

__all__ = ["SliceRange", "bounds", "is_even", "largest_slice", "most_groups", "slice_at", "split"]


@dataclass(frozen=True, slots=True)
class SliceRange:
    """The slice of inputs ``[in_start, in_stop)`` and outputs ``[out_start, out_stop)``."""

    in_start: int
    in_stop: int
    out_start: int
    out_stop: int

    @property
    def num_inputs(self) -> int:
        return self.in_stop - self.in_start

    @property
    def num_outputs(self) -> int:
        return self.out_stop - self.out_start


def split(length: int, parts: int, granule: int = 1) -> tuple[int, ...]:
    """Return ``parts + 1`` bounds that split ``length`` as evenly as multiples of ``granule`` allow.

    The granule is dropped where some part would be left empty. ``parts`` is from 1 to ``length``.
    """
    units = -(-length // granule)
    if units < parts:
        granule, units = 1, length
    return tuple(min(length, units * i // parts * granule) for i in range(parts + 1))


def slice_at(layer: Layer, slices: Slices, index: int) -> SliceRange:
    """Return slice ``index`` of ``layer``, counted along the inputs first; 0 <= index < slices.count."""
    j, i = divmod(index, slices.m_in)
    ins = _input_bounds(layer, slices)
    outs = split(layer.out_features, slices.m_out)
    return SliceRange(ins[i], ins[i + 1], outs[j], outs[j + 1])


def bounds(layer: Layer, slices: Slices) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the bounds of the slices along the inputs and along the outputs."""
    return _input_bounds(layer, slices), split(layer.out_features, slices.m_out)


def is_even(layer: Layer, slices: Slices) -> bool:
    """Whether all slices have one size."""
    return all(len({b - a for a, b in zip(along, along[1:])}) == 1 for along in bounds(layer, slices))


def largest_slice(layer: Layer, slices: Slices) -> tuple[int, int]:
    """Return (inputs, outputs) of the largest slice: what memory must hold."""
    ins = _input_bounds(layer, slices)
    outs = split(layer.out_features, slices.m_out)
    return max(b - a for a, b in zip(ins, ins[1:])), max(b - a for a, b in zip(outs, outs[1:]))


def most_groups(layer: Layer, slices: Slices) -> int:
    """Of how many groups of a convolution a slice has outputs, at most."""
    size = layer.out_features // layer.groups
    outs = split(layer.out_features, slices.m_out)
    return max(-(-b // size) - a // size for a, b in zip(outs, outs[1:]))


def _input_bounds(layer: Layer, slices: Slices) -> tuple[int, ...]:
    granule = WORD_BITS if layer.taps == 1 and layer.in_features >= WORD_BITS * slices.m_in else 1
    return split(layer.in_features, slices.m_in, granule)
