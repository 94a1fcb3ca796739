"""The state of a convolution while its slices take turns.

A slice is inputs of a group x outputs at all taps, so the weights are kept as (taps, inputs, outputs). A step sees them as the
function bodies do (operators/products.py): a matrix of taps x inputs and outputs. Both are the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.run.layer_state import Array, LayerState

__all__ = ["ConvState"]


class ConvState(LayerState):
    """One layer; as :class:`LayerState`, but ``weight`` is (taps, inputs of a group, outputs)."""

    def sum_inputs(self, weight: Array) -> Array:
        """Sum |W| over taps and inputs: (outputs,)."""
        return self._sum(weight, (0, 1))

    def forward_tensors(self, *, as_bytes: bool = False) -> Mapping[str, Array]:
        """What a forward pass or the inference model reads; no slice may be active."""
        return _as_matrices(super().forward_tensors(as_bytes=as_bytes))

    def begin_turn(self, index: int) -> Mapping[str, Array]:
        """Make slice ``index`` active; return all tensors of the layer that a step reads: views of what is kept."""
        return _as_matrices(super().begin_turn(index))


def _as_matrices(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Taps and inputs become one axis; the bytes are shared, so what a step writes is kept."""
    assert all(array.flags.c_contiguous for array in tensors.values())
    return {name: array.reshape(-1, array.shape[2]) if array.ndim == 3 else array for name, array in tensors.items()}
