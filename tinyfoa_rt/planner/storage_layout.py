"""Where everything lies in the storage of generated C (docs/c99-storage.md): the plan counts it, and the export writes it."""

from __future__ import annotations

from tinyfoa_rt.ir.storage import KeptLayer, StorageLayout, StoredLayer, StoredModel

__all__ = ["first_state_nbytes", "lay_out", "turn_nbytes"]

_SPARE_PAGES = 2
_FIXED_WORDS = 8  # magic, format, model, sequence, block, step, total steps, turn


def lay_out(model: StoredModel, page_nbytes: int = 0) -> StorageLayout:
    """Return where the state of ``model`` lies, on a device that erases pages of ``page_nbytes``, or none."""
    scales = {name: _FIXED_WORDS + number for number, name in enumerate(model.scales)}
    word, statistics = _FIXED_WORDS + len(scales), {}
    for name, length in model.statistics.items():
        statistics[name] = word
        word += length
    header_words = word + sum(_map_words(layer) + _check_words(layer) for layer in model.layers) + 1
    offset = 2 * 4 * header_words
    read = []
    for layer in model.layers:
        read.append(_place_read(layer, offset))
        offset = read[-1][3]
    step_nbytes = offset
    kept = {}
    for layer, (bits, sums, bias, _) in zip(model.layers, read):
        slot_nbytes = 4 * model.record_words(layer, layer.grid.index_of_largest)
        checks = word + _map_words(layer)
        kept[layer.name] = KeptLayer(offset, slot_nbytes, word, checks, bits, sums, bias)
        word = checks + _check_words(layer)
        offset += slot_nbytes * (layer.grid.count + 1)
    flash_nbytes = (-(-offset // page_nbytes) + _SPARE_PAGES) * page_nbytes if page_nbytes else offset
    return StorageLayout(header_words, scales, statistics, kept, step_nbytes, offset, flash_nbytes)


def turn_nbytes(model: StoredModel, layer: StoredLayer, index: int) -> int:
    """Bytes of a layer that are written when slice ``index`` ends its turn, beside one header: record, bits, sums, biases."""
    part = layer.grid.part(index)
    signs = part.num_outs * (layer.row_words(part.ins) + 1) if layer.is_binary else 0
    return 4 * (model.record_words(layer, index) + signs + layer.num_biases(index))


def first_state_nbytes(model: StoredModel, layout: StorageLayout) -> int:
    """Bytes of constant data that the state takes before any training: optimizer states are zero, and left out."""
    latent = sum(
        layer.latent_words(index) + layer.num_biases(index) for layer in model.layers for index in range(layer.grid.count)
    )
    return 4 * (layout.header_words + latent) + layout.step_nbytes - layout.headers_nbytes


def _map_words(layer: StoredLayer) -> int:
    """The slot of each slice, and the free one."""
    return layer.grid.count + 1


def _check_words(layer: StoredLayer) -> int:
    """A checksum of each record, and of the biases of each part of the outputs."""
    return layer.grid.count + (layer.grid.num_rows if layer.has_bias else 0)


def _place_read(layer: StoredLayer, offset: int) -> tuple[int | None, int | None, int | None, int]:
    """Where bits, sums and biases lie from ``offset`` on, and where they end."""
    bits = sums = bias = None
    num_outs, bands = layer.grid.outs[-1], layer.grid.bands
    if layer.is_binary:
        bits, offset = offset, offset + 4 * num_outs * sum(map(layer.row_words, bands))
        sums, offset = offset, offset + 4 * num_outs * len(bands)
    if layer.has_bias:
        bias, offset = offset, offset + 4 * num_outs
    return bits, sums, bias, offset
