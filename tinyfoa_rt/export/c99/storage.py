"""Where everything lies in the storage, and the words that training begins with (targets/c99/runtime/turns.c, header.c)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.export.c99.program import Piece
from tinyfoa_rt.export.c99.source import LayerSource, ModelSource
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import WORD_BITS
from tinyfoa_rt.ops.updates import OPTIMIZER_STATES

__all__ = ["KeptLayer", "StorageLayout", "lay_out", "model_id", "pieces_of"]

Array = NDArray[Any]
_MAGIC, _FORMAT = 0x414F4654, 1
_FIXED_WORDS = 8  # magic, format, model, sequence, block, step, total steps, turn
# Fewer zeros than these are not worth a piece of their own, which costs as much in the table.
_LEAST_GAP = 16


@dataclass(frozen=True)
class KeptLayer:
    """Byte offsets of a layer; ``map`` is a word of the header. ``bits`` and ``sums`` are ``None`` where weights are real."""

    slots: int
    slot_nbytes: int
    map: int
    bits: int | None
    sums: int | None
    bias: int | None


@dataclass(frozen=True)
class StorageLayout:
    """Two headers, then what steps read of each layer, up to ``step_nbytes``; then the slots of each.

    ``statistics`` are words of a header by the names of tensors.
    """

    header_words: int
    scales: tuple[str, ...]
    statistics: Mapping[str, int]
    layers: Mapping[str, KeptLayer]
    step_nbytes: int
    nbytes: int


def slice_count(layer: LayerSource) -> int:
    return (len(layer.ins) - 1) * (len(layer.outs) - 1)


def lay_out(model: ModelSource) -> StorageLayout:
    """Return where the state of ``model`` lies."""
    scales = tuple(block.scale for block in model.blocks if block.scale)
    layers = [layer for block in model.blocks for layer in block.layers]
    next_map, statistics = _FIXED_WORDS + len(scales), {}
    for name, length in _statistics(model):
        statistics[name] = next_map
        next_map += length
    header_words = next_map + sum(slice_count(layer) + 1 for layer in layers) + 1
    offset = 2 * 4 * header_words
    read = []
    for layer in layers:
        read.append(_place_read(layer, offset))
        offset = read[-1][3]
    step_nbytes = offset
    kept = {}
    for layer, (bits, sums, bias, _) in zip(layers, read):
        slot_nbytes = 4 * max(_record_words(layer, model.optimizer, index) for index in range(slice_count(layer)))
        kept[layer.layer.name] = KeptLayer(offset, slot_nbytes, next_map, bits, sums, bias)
        next_map += slice_count(layer) + 1
        offset += slot_nbytes * (slice_count(layer) + 1)
    return StorageLayout(header_words, scales, statistics, kept, step_nbytes, offset)


def _statistics(model: ModelSource) -> list[tuple[str, int]]:
    return [item for block in model.blocks for item in block.statistics.items()]


def _place_read(layer: LayerSource, offset: int) -> tuple[int | None, int | None, int | None, int]:
    """Where bits, sums and biases lie from ``offset`` on, and where they end."""
    bits = sums = bias = None
    if layer.is_binary:
        row_words = (_row_words((b - a) * layer.layer.taps) for a, b in _bands(layer))
        bits, offset = offset, offset + 4 * layer.outs[-1] * sum(row_words)
        sums, offset = offset, offset + 4 * layer.outs[-1] * len(_bands(layer))
    if layer.layer.bias is not None:
        bias, offset = offset, offset + 4 * layer.outs[-1]
    return bits, sums, bias, offset


def _bands(layer: LayerSource) -> list[tuple[int, int]]:
    return list(zip(layer.ins, layer.ins[1:]))


def _row_words(num_bits: int) -> int:
    return -(-num_bits // WORD_BITS)


def _part(layer: LayerSource, index: int) -> tuple[int, slice, slice]:
    """Band, inputs and outputs of a slice, counted along the inputs first."""
    j, i = divmod(index, len(layer.ins) - 1)
    return i, slice(layer.ins[i], layer.ins[i + 1]), slice(layer.outs[j], layer.outs[j + 1])


def _record_words(layer: LayerSource, optimizer: str, index: int) -> int:
    _, ins, outs = _part(layer, index)
    copies = 1 + len(OPTIMIZER_STATES[optimizer])
    num_outs, has_bias = outs.stop - outs.start, int(layer.layer.bias is not None)
    counts = 1 + has_bias if optimizer == "adam" else 0
    num_words: int = copies * num_outs * ((ins.stop - ins.start) * layer.layer.taps + has_bias) + counts
    return num_words


def model_id(model: ModelSource, layout: StorageLayout) -> int:
    """Tells states apart that lie in different ways, or belong to models of different names; what is inside them has no say."""
    bounds = [(layer.ins, layer.outs) for block in model.blocks for layer in block.layers]
    kept = (layout.header_words, len(layout.scales), *layout.statistics.values(), *layout.layers.values(), layout.nbytes)
    return zlib.crc32(repr((model.name, model.optimizer, bounds, kept)).encode())


def pieces_of(model: ModelSource, layout: StorageLayout) -> tuple[Piece, ...]:
    """Return the first state, the header first; between the pieces there are zeros."""
    words = np.zeros(layout.nbytes // 4, dtype="<u4")
    for block in model.blocks:
        for layer in block.layers:
            _LayerWords(model, layer, layout.layers[layer.layer.name]).write(words)
    header = _header(model, layout)
    runs = _runs(words[2 * layout.header_words :], 2 * layout.header_words)
    return (Piece(0, header), *(Piece(4 * start, words[start:end]) for start, end in runs))


def _header(model: ModelSource, layout: StorageLayout) -> Array:
    block, step, total_steps = model.progress
    scales = [np.array([float(model.state.get(name, 0.0)) for name in layout.scales])]
    followed = np.concatenate([*scales, *(model.state[name] for name, _ in _statistics(model))]).astype("<f4")
    fixed = np.array((_MAGIC, _FORMAT, model_id(model, layout), 1, block, step, total_steps, 0), dtype="<u4")
    layers = [layer for each in model.blocks for layer in each.layers]
    maps = [np.arange(slice_count(layer) + 1, dtype="<u4") for layer in layers]
    body = np.concatenate([fixed, followed.view("<u4"), *maps])
    return np.append(body, np.array(zlib.crc32(body.tobytes()), dtype="<u4"))


def _runs(words: Array, first: int) -> list[tuple[int, int]]:
    """Runs of words that hold no long gap of zeros, as (start, end) counted from ``first``."""
    places = np.flatnonzero(words)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > _LEAST_GAP)
    starts, ends = places[np.concatenate([[0], breaks + 1])], places[np.concatenate([breaks, [len(places) - 1]])]
    return [(first + int(start), first + int(end) + 1) for start, end in zip(starts, ends)]


class _LayerWords:
    """The words of one layer."""

    def __init__(self, model: ModelSource, layer: LayerSource, place: KeptLayer) -> None:
        self._state = model.state
        self._optimizer = model.optimizer
        self._layer = layer
        self._place = place
        self._name = layer.layer.name
        self._weight = _rows(np.asarray(model.state[own(self._name, "weight")], dtype=np.float32))
        bias = model.state.get(own(self._name, "bias"))
        self._bias = None if bias is None else np.asarray(bias, dtype=np.float32)

    def write(self, words: Array) -> None:
        place = self._place
        for index in range(slice_count(self._layer)):
            record = self._record(index)
            start = (place.slots + index * place.slot_nbytes) // 4
            words[start : start + len(record)] = record
        if place.bits is not None and place.sums is not None:
            self._write(words, place.bits, np.concatenate([self._bits(a, b) for a, b in _bands(self._layer)]))
            sums = [np.add.accumulate(np.abs(self._band(a, b)), axis=1)[:, -1] for a, b in _bands(self._layer)]
            self._write(words, place.sums, np.concatenate(sums).astype("<f4").view("<u4"))
        if place.bias is not None and self._bias is not None:
            self._write(words, place.bias, self._bias.astype("<f4").view("<u4"))

    def _write(self, words: Array, offset: int, content: Array) -> None:
        words[offset // 4 : offset // 4 + len(content)] = content

    def _band(self, first: int, stop: int) -> Array:
        """The part of every row that belongs to the inputs of a band."""
        return self._weight[:, first:stop].reshape(len(self._weight), -1)

    def _bits(self, first: int, stop: int) -> Array:
        """Rows of bits, bit i of a row in word i / 32, of the inputs of a band."""
        is_plus = self._band(first, stop) >= 0
        padded = np.zeros((len(is_plus), _row_words(is_plus.shape[1]) * WORD_BITS), dtype=np.bool_)
        padded[:, : is_plus.shape[1]] = is_plus
        return np.packbits(padded, axis=1, bitorder="little").view("<u4").reshape(-1)

    def _record(self, index: int) -> Array:
        """Latent values, states, biases, their states, step counts: the order of ``move_record`` in C."""
        band, ins, outs = _part(self._layer, index)
        kinds = OPTIMIZER_STATES[self._optimizer]
        parts = [self._weight[outs, ins]]
        parts += [_rows(self._weight_state(kind))[outs, ins] for kind in kinds]
        if self._bias is not None:
            parts += [self._bias[outs], *(self._bias_state(kind)[band, outs] for kind in kinds)]
        words = np.concatenate([part.reshape(-1) for part in parts]).astype("<f4").view("<u4")
        if self._optimizer != "adam":
            return words
        count = self._state.get(own(self._name, "step_count"), np.zeros(slice_count(self._layer), dtype=np.int32))[index]
        return np.append(words, np.full(1 if self._bias is None else 2, count, dtype="<u4"))

    def _weight_state(self, kind: str) -> Array:
        found = self._state.get(own(self._name, "weight", kind))
        return np.zeros_like(self._state[own(self._name, "weight")]) if found is None else np.asarray(found)

    def _bias_state(self, kind: str) -> Array:
        found = self._state.get(own(self._name, "bias", kind))
        shape = (len(self._layer.ins) - 1, self._layer.outs[-1])
        return np.zeros(shape, dtype=np.float32) if found is None else np.asarray(found)


def _rows(weight: Array) -> Array:
    """Weights as checkpoints have them, ([taps], inputs, outputs), in the order of C: (outputs, inputs, taps)."""
    return weight.reshape(-1, *weight.shape[-2:]).transpose(2, 1, 0)
