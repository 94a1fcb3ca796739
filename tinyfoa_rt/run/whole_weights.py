"""What products read of a layer as a whole, while its slices take turns: signs, or the latent weights themselves.

In the place of the active slice they hold zeros, as the function bodies and kernels expect (operators/products.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PackedSigns", "RealWeights", "SignBytes", "WholeWeights", "pack_rows", "unpack_rows"]

Array = NDArray[Any]
_WORD_BITS = 32
_WORD = np.dtype("<u4")


def pack_rows(bits: Array) -> NDArray[np.uint32]:
    """Rows of 0 and 1 (rows, n) as words (rows, ceil(n / 32)): bit i is bit i % 32 of word i / 32, the rest zero."""
    padded = np.zeros((len(bits), -(-bits.shape[1] // _WORD_BITS) * _WORD_BITS), dtype=np.bool_)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(_WORD).astype(np.uint32, copy=False)


def unpack_rows(words: Array, num_bits: int) -> NDArray[np.uint8]:
    """The opposite of :func:`pack_rows`."""
    return np.unpackbits(words.astype(_WORD, copy=False).view(np.uint8), axis=1, count=num_bits, bitorder="little")


class WholeWeights:
    """Weights (..., inputs, outputs) in one piece; ``array`` is what a step is bound to.

    ``derive`` takes over latent weights; ``take`` returns a slice in a new array and leaves zeros in its place, where ``put``
    puts it back; ``set_slice`` takes over the latent weights of a slice.
    """

    array: Array

    def derive(self, weight: Array) -> None:
        raise NotImplementedError

    def take(self, ins: slice, outs: slice) -> Array:
        found = np.array(self.array[..., ins, outs], order="C")
        self.array[..., ins, outs] = 0
        return found

    def put(self, ins: slice, outs: slice, part: Array) -> None:
        self.array[..., ins, outs] = part

    def set_slice(self, ins: slice, outs: slice, weight: Array) -> None:
        self.put(ins, outs, weight)

    def as_bytes(self) -> Array:
        """As the inference model has them: (..., inputs, outputs)."""
        return self.array


class RealWeights(WholeWeights):
    """The latent weights themselves."""

    def derive(self, weight: Array) -> None:
        self.array = weight


class SignBytes(WholeWeights):
    """Signs, int8 -1 and +1."""

    def derive(self, weight: Array) -> None:
        self.array = _signs(weight >= 0)

    def set_slice(self, ins: slice, outs: slice, weight: Array) -> None:
        self.put(ins, outs, _signs(weight >= 0))


class PackedSigns(WholeWeights):
    """Signs of a dense layer as bits, a row an output: uint32 (outputs, words)."""

    def __init__(self) -> None:
        self._num_inputs = 0

    def derive(self, weight: Array) -> None:
        self._num_inputs = len(weight)
        self.array = pack_rows((weight >= 0).T)

    def take(self, ins: slice, outs: slice) -> Array:
        words, is_part = self._words(ins)
        rows = self.array[outs, words]
        part = rows & is_part
        rows &= ~is_part
        shift = ins.start % _WORD_BITS
        if shift == 0:
            return part
        bits = unpack_rows(part, shift + ins.stop - ins.start)[:, shift:]
        return pack_rows(bits)

    def put(self, ins: slice, outs: slice, part: Array) -> None:
        words, is_part = self._words(ins)
        shift = ins.start % _WORD_BITS
        if shift:
            bits = unpack_rows(part, ins.stop - ins.start)
            part = pack_rows(np.pad(bits, ((0, 0), (shift, 0))))
        rows = self.array[outs, words]
        rows &= ~is_part
        rows |= part

    def set_slice(self, ins: slice, outs: slice, weight: Array) -> None:
        self.put(ins, outs, pack_rows((weight >= 0).T))

    def as_bytes(self) -> Array:
        return np.ascontiguousarray(_signs(unpack_rows(self.array, self._num_inputs)).T)

    @staticmethod
    def _words(ins: slice) -> tuple[slice, Array]:
        """The words that hold inputs ``ins``, and a mask of their bits there."""
        first = ins.start // _WORD_BITS
        words = slice(first, -(-ins.stop // _WORD_BITS))
        places = np.arange(words.start * _WORD_BITS, words.stop * _WORD_BITS)
        return words, pack_rows(((places >= ins.start) & (places < ins.stop))[None])[0]


def _signs(is_positive: Array) -> NDArray[np.int8]:
    """+1 where true or 1, else -1."""
    signs = is_positive.astype(np.int8)
    signs += signs
    signs -= 1
    return signs
