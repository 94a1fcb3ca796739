"""The schedule of the authors' published code: one diagonal slice is frozen for an epoch, and all the rest is trained.

It is here for comparison and saves no memory: the step updates the whole layer, and the frozen slice is put back.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.slices import SliceGrid, split
from tinyfoa_rt.run.layer_state import LayerState

__all__ = ["FrozenSlice"]


class FrozenSlice:
    """Weights and optimizer state of one slice of a layer that is trained as a whole; outputs keep their biases free.

    Args:
        layer: with one slice.
        ins: inputs of the frozen slice.
        outs: its outputs.
    """

    def __init__(self, layer: LayerState, ins: slice, outs: slice) -> None:
        assert layer.grid.count == 1
        self._layer = layer
        self._place = (..., ins, outs)
        self._ins, self._outs = ins, outs
        kept = [layer.weight, *(state for key, state in layer.states.items() if key.startswith(own("weight", "")))]
        self._kept: list[tuple[NDArray[Any], NDArray[Any]]] = [(array, array[..., ins, outs].copy()) for array in kept]

    @classmethod
    def of_epoch(cls, layer: LayerState, epoch: int) -> FrozenSlice:
        """The diagonal slice of an epoch, out of halves."""
        num_ins, num_outs = layer.shape[-2:]
        part = SliceGrid(split(num_ins, 2), split(num_outs, 2)).part(3 * (epoch % 2))
        return cls(layer, part.ins, part.outs)

    def restore(self) -> None:
        """Undo what the step did to the slice, its signs and its outputs' sums included."""
        for array, before in self._kept:
            array[self._place] = before
        layer = self._layer
        if layer.is_binary:
            layer.whole.set_slice(self._ins, self._outs, layer.weight[self._place])
            layer.abs_sums[0, ..., self._outs] = layer.sum_inputs(layer.weight[..., self._outs])
