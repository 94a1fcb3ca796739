"""What a device that runs generated C keeps without power, and where: the nouns of docs/c99-storage.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyfoa_rt.ir.latents import FLOAT, latent_of
from tinyfoa_rt.ir.optimizers import Optimizer
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import WORD_BITS

__all__ = ["FLASH_CYCLES", "KeptLayer", "StorageLayout", "StoredLayer", "StoredModel"]

# How often a byte of flash can be written, as data sheets of microcontrollers say at least.
FLASH_CYCLES = 10_000


@dataclass(frozen=True)
class StoredLayer:
    """A trained layer, as far as its storage goes; or a tensor that a block keeps for its method, as one slice.

    Attributes:
        name: of the layer; of the tensor in the state.
        grid: its slices.
        taps: of a kernel; 1 where dense.
        is_binary: whether products use signs, which are kept packed beside the latent values.
        has_bias: whether it has biases.
        has_states: whether the optimizer's states of it are part of its records.
        latent: the format of its latent values.
    """

    name: str
    grid: SliceGrid
    taps: int
    is_binary: bool
    has_bias: bool
    has_states: bool = True
    latent: str = FLOAT

    def num_weights(self, index: int) -> int:
        """Latent values of a slice."""
        part = self.grid.part(index)
        return part.num_outs * part.num_ins * self.taps

    def latent_words(self, index: int) -> int:
        """Words that the latent values of a slice take."""
        return latent_of(self.latent).num_words(self.num_weights(index))

    def num_biases(self, index: int) -> int:
        """Biases that a slice trains."""
        return self.grid.part(index).num_outs if self.has_bias else 0

    def row_words(self, band: slice) -> int:
        """Words that the bits of an output take in a band."""
        return -(-int(band.stop - band.start) * self.taps // WORD_BITS)


@dataclass(frozen=True)
class StoredModel:
    """All that the blocks of a model train, in order.

    Attributes:
        optimizer: what it keeps of each slice is stored too.
        layers: of all blocks; of each, those of its network, then what it keeps for its method.
        scales: tensors of the scales of binary activations; one word each.
        statistics: tensors that batch normalizations follow, each with its length in words.
    """

    optimizer: Optimizer
    layers: tuple[StoredLayer, ...]
    scales: tuple[str, ...] = ()
    statistics: Mapping[str, int] = field(default_factory=dict)

    def record_words(self, layer: StoredLayer, index: int) -> int:
        """Words of the record of a slice: latent values, states, biases, their states, and numbers of both."""
        if not layer.has_states:
            return layer.latent_words(index)
        num_states = len(self.optimizer.states)
        states = num_states * layer.num_weights(index) + (1 + num_states) * layer.num_biases(index)
        numbers = (1 + int(layer.has_bias)) * (len(self.optimizer.scalars) + int(self.optimizer.counts_steps))
        return layer.latent_words(index) + states + numbers


@dataclass(frozen=True)
class KeptLayer:
    """Byte offsets of a layer; ``map`` and ``checks`` are words of the header.

    ``bits`` and ``sums`` are ``None`` where weights are real. There is one slot more than there are slices,
    so that a slice is written before its old content goes.
    """

    slots: int
    slot_nbytes: int
    map: int
    checks: int
    bits: int | None
    sums: int | None
    bias: int | None


@dataclass(frozen=True)
class StorageLayout:
    """Two headers, then what steps read of each layer, up to ``step_nbytes``; then the slots of each.

    ``scales`` and ``statistics`` are words of a header by the names of tensors. ``flash_nbytes`` is what the storage takes of
    flash: where that is erased in pages, whole ones, a spare one, and a note of what that replaces
    (targets/c99/samples/flash_storage.c).
    """

    header_words: int
    scales: Mapping[str, int]
    statistics: Mapping[str, int]
    layers: Mapping[str, KeptLayer]
    step_nbytes: int
    nbytes: int
    flash_nbytes: int

    @property
    def headers_nbytes(self) -> int:
        """Bytes of both headers, which lie first."""
        return 2 * 4 * self.header_words
