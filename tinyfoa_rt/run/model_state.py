"""The state of all blocks: parameters, optimizer state, scales and what methods keep."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import BlockRecord, LayerRecord, Manifest, OptimizerRecord
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.ir.latents import FORMATS
from tinyfoa_rt.ir.names import kept_by, own, quantum_of, scale_of, shift_of, split, statistics_of
from tinyfoa_rt.run.conv_state import ConvState
from tinyfoa_rt.run.layer_state import LayerState
from tinyfoa_rt.run.local_state import LocalState
from tinyfoa_rt.run.mapped_memory import mapped_array

__all__ = ["ModelState"]

Array = NDArray[Any]
# The role of what a tensor was when its block was best.
_BEST = "best"
_KINDS: Mapping[str, type[LayerState]] = {"dense": LayerState, "bias": LayerState, "conv": ConvState, "local": LocalState}


class ModelState:
    """Arrays by name, and the state of each layer by its name.

    Args:
        manifest: of the artifact.
        initial: the tensors that training begins with; they are copied.
        storage: a folder for memory-mapped files with the latent weights and what the optimizer keeps of each; ``None`` keeps
            them in RAM.
        is_packed: whether steps and stages are in their packed form.

    Raises:
        InputError: a tensor is missing, or has another shape or type.
    """

    def __init__(
        self, manifest: Manifest, initial: Mapping[str, Array], storage: Path | None = None, *, is_packed: bool = False
    ) -> None:
        self.is_packed = is_packed
        self.layers: dict[str, LayerState] = {}
        self.others: dict[str, Array] = {}
        self.best: dict[str, Array] = {}
        self._kept = {kept_by(block.name, name) for block in manifest.blocks for name in block.kept}
        for block in manifest.blocks:
            for layer in block.layers:
                state = _layer_state(layer, initial, manifest.optimizer, storage)
                self.layers[layer.name] = state(is_packed=is_packed)
            for name in _other_names(block):
                self.others[name] = np.array(_required(initial, name))

    def arrays(self) -> dict[str, Array]:
        """All that must be kept, by name; turns end."""
        self.end_turns()
        found = dict(self.others)
        for layer in self.layers.values():
            found.update(layer.arrays())
        return {**found, **{own(name, _BEST): array for name, array in self.best.items()}}

    def restore(self, tensors: Mapping[str, Array]) -> None:
        """Take over the tensors of a checkpoint.

        Raises:
            InputError: one is missing, or has another shape or type.
        """
        self.best = {}
        _check_alike(self.arrays(), tensors)
        for name, array in self.others.items():
            array[...] = tensors[name]
        for layer in self.layers.values():
            layer.restore(tensors)
        self.best = {split(name)[0]: np.array(tensors[name]) for name in tensors if split(name)[1] == _BEST}

    def keep_best(self, block: BlockRecord) -> None:
        """Keep a copy of what belongs to a block, beside what it becomes; turns end."""
        self.best = {name: array.copy() for name, array in self._arrays_of(block).items()}

    def restore_best(self, block: BlockRecord) -> None:
        """Put back what :meth:`keep_best` has kept, and forget it; turns end.

        Raises:
            InputError: a tensor of the block was not kept, or has another shape or type.
        """
        _check_alike(self._arrays_of(block), self.best)
        for name in _other_names(block):
            self.others[name][...] = self.best[name]
        for layer in block.layers:
            self.layers[layer.name].restore(self.best)
        self.best = {}

    def _arrays_of(self, block: BlockRecord) -> dict[str, Array]:
        self.end_turns()
        found = {name: self.others[name] for name in _other_names(block)}
        for layer in block.layers:
            found.update(self.layers[layer.name].arrays())
        return found

    def forward_tensors(self, *, as_bytes: bool = False) -> dict[str, Array]:
        """What the forward pass reads, or with ``as_bytes`` the inference model; turns end."""
        self.end_turns()
        found = {name: array for name, array in self.others.items() if name not in self._kept}
        for layer in self.layers.values():
            found.update(layer.forward_tensors(as_bytes=as_bytes))
        return found

    def kept(self, *, as_reals: bool = False) -> dict[str, Array]:
        """What methods keep, by name; with ``as_reals`` heads of whole numbers as the trained model has them."""
        found = {name: array for name, array in self.others.items() if name in self._kept}
        whole = [name for name in found if as_reals and quantum_of(name) in found]
        return found | {name: np.array((found[name] * found[quantum_of(name)]).T, order="C") for name in whole}

    def end_turns(self) -> None:
        """End the turn of every layer: after this, arrays are whole."""
        for layer in self.layers.values():
            layer.end_turn()


def _other_names(block: BlockRecord) -> list[str]:
    known = [*(kept_by(block.name, name) for name in block.kept), *map(scale_of, block.binary)]
    return known + [name for value in block.statistics for name in (shift_of(value), *statistics_of(value))]


def _layer_state(
    layer: LayerRecord, initial: Mapping[str, Array], optimizer: OptimizerRecord, storage: Path | None
) -> partial[LayerState]:
    """The state of a layer, but for its form."""
    weight = np.asarray(_required(initial, own(layer.name, "weight")))
    bias = np.array(_required(initial, own(layer.name, "bias"))) if layer.has_bias else None
    known = dict.fromkeys(latent.dtype for latent in FORMATS.values())
    if weight.shape != layer.shape or str(weight.dtype) not in known:
        problem = f"is {weight.dtype}{list(weight.shape)}, expected {' or '.join(known)}, {list(layer.shape)}"
        raise InputError(f"initial state, tensor '{own(layer.name, 'weight')}'", problem, "build the artifact again")
    state = partial(_KINDS[layer.kind], layer.name, weight, bias, layer.grid, optimizer, layer.is_binary)
    if weight.dtype.kind == "i":
        state = partial(state, quantum=np.array(_required(initial, quantum_of(own(layer.name, "weight")))))
    if storage is None:
        return state
    return partial(state, allocate=lambda size, dtype: mapped_array((size,), dtype, storage))


def _required(tensors: Mapping[str, Array], name: str) -> Array:
    if name not in tensors:
        raise InputError(f"tensor '{name}'", "is missing", "build the artifact again, or start training anew")
    return tensors[name]


def _check_alike(arrays: Mapping[str, Array], tensors: Mapping[str, Array]) -> None:
    """Refuse the tensors of a checkpoint that are not of the shapes and types of the state's own."""
    for name, array in arrays.items():
        found = _required(tensors, name)
        if found.shape != array.shape or found.dtype != array.dtype:
            problem = f"is {found.dtype}{list(found.shape)}, expected {array.dtype}{list(array.shape)}"
            raise InputError(f"checkpoint, tensor '{name}'", problem, "start training anew")
