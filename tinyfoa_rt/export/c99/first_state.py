"""The words that training begins with, as the storage holds them (docs/c99-storage.md)."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.export.c99.source import LayerSource, ModelSource
from tinyfoa_rt.ir.c_program import Piece
from tinyfoa_rt.ir.latents import Latent, latent_of
from tinyfoa_rt.ir.names import own, quantum_of
from tinyfoa_rt.ir.optimizers import STEP_COUNT
from tinyfoa_rt.ir.step import WORD_BITS
from tinyfoa_rt.ir.storage import KeptLayer

__all__ = ["model_id", "pieces_of"]

Array = NDArray[Any]
_MAGIC, _FORMAT = 0x414F4654, 2


def model_id(model: ModelSource) -> int:
    """Tells states apart that lie in different ways, or belong to models of different names; what is inside them has no say."""
    layout, bounds = model.layout, [(layer.grid.ins, layer.grid.outs) for layer in model.stored.layers]
    kept = (layout.header_words, len(layout.scales), *layout.statistics.values(), *layout.layers.values(), layout.nbytes)
    latents = tuple(layer.latent for layer in model.stored.layers if latent_of(layer.latent).is_integer)
    in_turn = tuple(len(block.steps) for block in model.blocks) if any(block.steps for block in model.blocks) else ()
    told_apart = (model.name, model.stored.optimizer.name, bounds, kept, *(each for each in (latents, in_turn) if each))
    return zlib.crc32(repr(told_apart).encode())


def pieces_of(model: ModelSource) -> tuple[Piece, ...]:
    """Return the first state, the header first; what no piece covers is zero."""
    layout = model.layout
    words = np.zeros(layout.nbytes // 4, dtype="<u4")
    runs, checks = [(layout.headers_nbytes // 4, layout.step_nbytes // 4)], []
    for source in (layer for block in model.blocks for layer in block.layers):
        layer = _LayerWords(model, source, layout.layers[source.stored.name])
        layer.write(words)
        runs += layer.runs()
        checks.append(layer.checks(words))
    header = _header(model, checks)
    return (Piece(0, header), *(Piece(4 * start, words[start:end]) for start, end in _joined(runs)))


def _header(model: ModelSource, checks: list[Array]) -> Array:
    block, step, total_steps = model.progress
    layout = model.layout
    scales = [np.array([float(model.state.get(name, 0.0)) for name in layout.scales])]
    followed = np.concatenate([*scales, *(model.state[name] for name in layout.statistics)]).astype("<f4")
    fixed = np.array((_MAGIC, _FORMAT, model_id(model), 1, block, step, total_steps, 0), dtype="<u4")
    layers = []
    for layer, checksums in zip(model.stored.layers, checks):
        layers += [np.arange(layer.grid.count + 1, dtype="<u4"), checksums]
    body = np.concatenate([fixed, followed.view("<u4"), *layers])
    return np.append(body, _checksum(body))


def _checksum(words: Array) -> Array:
    return np.array([zlib.crc32(words.tobytes())], dtype="<u4")


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of words that follow each other without a gap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in (run for run in runs if run[0] < run[1]):
        follows = bool(joined) and joined[-1][1] == start
        joined.append((joined.pop()[0] if follows else start, end))
    return joined


class _LayerWords:
    """The words of one layer, or of a tensor that a block keeps for its method."""

    def __init__(self, model: ModelSource, source: LayerSource, place: KeptLayer) -> None:
        self._state = model.state
        self._optimizer = model.stored.optimizer
        self._layer = source.stored
        self._place = place
        self._name = source.stored.name
        self._of = self._name if source.tensor else own(self._name, "weight")
        self._states = self._optimizer.states if self._layer.has_states else ()
        self._quantum = model.state.get(quantum_of(self._of))
        self._weight = self._rows(model.state[self._of])
        bias = model.state.get(own(self._name, "bias"))
        self._bias = None if bias is None else np.asarray(bias, dtype=np.float32)

    def write(self, words: Array) -> None:
        place, bands = self._place, self._layer.grid.bands
        for index in range(self._layer.grid.count):
            record = self._record(index)
            words[self._slot(index) : self._slot(index) + len(record)] = record
        if place.bits is not None and place.sums is not None:
            _write(words, place.bits, np.concatenate([self._bits(band) for band in bands]))
            _write(words, place.sums, np.concatenate([self._sums(band) for band in bands]).astype("<f4").view("<u4"))
        if place.bias is not None and self._bias is not None:
            _write(words, place.bias, self._bias.astype("<f4").view("<u4"))

    def runs(self) -> list[tuple[int, int]]:
        """The words of the records that may be other than zero; states and step counts only where training has begun."""
        runs = []
        for index in range(self._layer.grid.count):
            slot, num_words = self._slot(index), self._layer.latent_words(index)
            if self._has_learnt():
                runs.append((slot, slot + len(self._record(index))))
                continue
            bias = slot + num_words + len(self._states) * self._layer.num_weights(index)
            runs += [(slot, slot + num_words), (bias, bias + self._layer.num_biases(index))]
        return runs

    def checks(self, words: Array) -> Array:
        """Checksums of the records, and of the biases of each part of the outputs."""
        records = [_checksum(self._record(index)) for index in range(self._layer.grid.count)]
        if self._place.bias is None:
            return np.concatenate(records)
        biases = words[self._place.bias // 4 :]
        return np.concatenate([*records, *(_checksum(biases[row]) for row in self._layer.grid.rows)])

    def _slot(self, index: int) -> int:
        """The word at which the record of a slice begins."""
        return (self._place.slots + index * self._place.slot_nbytes) // 4

    def _has_learnt(self) -> bool:
        names = [own(of, kind) for of in (self._of, own(self._name, "bias")) for kind in self._states]
        return any(np.any(self._state[name]) for name in (*names, own(self._name, STEP_COUNT)) if name in self._state)

    def _band(self, band: slice) -> Array:
        """The part of every row that belongs to the inputs of a band."""
        return self._weight[:, band].reshape(len(self._weight), -1)

    def _sums(self, band: slice) -> Array:
        """Sum |W| of each row, as a device adds it: real weights one by one, whole numbers exactly."""
        if self._quantum is not None:
            sums = np.abs(self._band(band).astype(np.int32)).sum(axis=1)
            return np.asarray(sums.astype(np.float32) * self._quantum)
        return np.asarray(np.add.accumulate(np.abs(self._band(band)), axis=1)[:, -1])

    def _bits(self, band: slice) -> Array:
        """Rows of bits, bit i of a row in word i / 32, of the inputs of a band."""
        is_plus = self._band(band) >= 0
        padded = np.zeros((len(is_plus), -(-is_plus.shape[1] // WORD_BITS) * WORD_BITS), dtype=np.bool_)
        padded[:, : is_plus.shape[1]] = is_plus
        return np.packbits(padded, axis=1, bitorder="little").view("<u4").reshape(-1)

    def _record(self, index: int) -> Array:
        """Latent values, states, biases, their states, numbers of the slice: the order of ``record.c``."""
        band, ins, outs = self._layer.grid.part(index)
        kinds = self._states
        parts = [self._weight_state(kind)[outs, ins] for kind in kinds]
        if self._bias is not None:
            parts += [self._bias[outs], *(self._bias_state(kind)[band, outs] for kind in kinds)]
        latent = _packed(self._weight[outs, ins], latent_of(self._layer.latent))
        words = np.concatenate([latent, *(part.reshape(-1).astype("<f4").view("<u4") for part in parts)])
        return np.append(words, self._numbers(index)) if self._layer.has_states else words

    def _numbers(self, index: int) -> Array:
        """Step counts of weights and biases, which are alike, and scalars of both."""
        owners = (self._of,) if self._bias is None else (self._of, own(self._name, "bias"))
        found: list[Array] = []
        if self._optimizer.counts_steps:
            counts = self._state.get(own(self._name, STEP_COUNT), np.zeros(self._layer.grid.count, dtype=np.int32))
            found += [counts.reshape(-1)[index : index + 1].astype("<u4")] * len(owners)
        for name in (own(owner, kind) for kind in self._optimizer.scalars for owner in owners):
            scalars = self._state.get(name, np.zeros(self._layer.grid.count, dtype=np.float32))
            found.append(scalars.reshape(-1)[index : index + 1].astype("<f4").view("<u4"))
        return np.concatenate(found) if found else np.zeros(0, dtype="<u4")

    def _weight_state(self, kind: str) -> Array:
        found = self._state.get(own(self._of, kind))
        return np.zeros_like(self._weight) if found is None else self._rows(found)

    def _rows(self, weight: Array) -> Array:
        """Weights as checkpoints have them, ([taps], inputs, outputs), in the order of C: (outputs, inputs, taps)."""
        if self._of == self._name and self._quantum is None:  # what a method keeps lies as it is, but for whole numbers
            return np.asarray(weight, dtype=np.float32).reshape(self._layer.grid.outs[-1], -1, 1)
        return np.asarray(weight).reshape(-1, *weight.shape[-2:]).transpose(2, 1, 0)

    def _bias_state(self, kind: str) -> Array:
        found = self._state.get(own(self._name, "bias", kind))
        shape = (self._layer.grid.num_bands, self._layer.grid.outs[-1])
        return np.zeros(shape, dtype=np.float32) if found is None else np.asarray(found)


def _packed(numbers: Array, latent: Latent) -> Array:
    """Latent weights in words, the first in the lowest bits of the first word; zeros fill the last ones."""
    if not latent.is_integer:
        return np.ascontiguousarray(numbers, dtype="<f4").reshape(-1).view("<u4")
    flat = np.ascontiguousarray(numbers, dtype="<i2").reshape(-1, 1)
    bits = np.unpackbits(flat.view(np.uint8), axis=1, bitorder="little")[:, : latent.bits].reshape(-1)
    words = np.zeros(latent.num_words(len(flat)), dtype="<u4")
    filled = np.packbits(bits, bitorder="little")
    words.view(np.uint8)[: len(filled)] = filled
    return words


def _write(words: Array, offset: int, content: Array) -> None:
    words[offset // 4 : offset // 4 + len(content)] = content
