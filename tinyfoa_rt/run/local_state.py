"""The state of a locally connected layer while its slices take turns.

A slice is inputs x outputs at all positions and taps, so the weights are kept as (positions, taps, inputs, outputs) and biases
as (outputs, positions). A step sees them as the function bodies do (operators/products.py): a matrix of taps x inputs and outputs
a position, and flat biases. Both are the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.names import own
from tinyfoa_rt.run.layer_state import Array, LayerState

__all__ = ["LocalState"]


class LocalState(LayerState):
    """One layer; as :class:`LayerState`, with these shapes.

    ``weight`` is (positions, taps, inputs, outputs), ``bias`` (outputs, positions), ``abs_sums`` (m_in, positions, outputs).
    """

    def sum_inputs(self, weight: Array) -> Array:
        """Sum |W| over taps and inputs: (positions, outputs)."""
        return self._sum(weight, (1, 2))

    def forward_tensors(self, *, as_bytes: bool = False) -> Mapping[str, Array]:
        """What a forward pass or the inference model reads; no slice may be active."""
        return self._as_steps_see(super().forward_tensors(as_bytes=as_bytes))

    def begin_turn(self, index: int) -> Mapping[str, Array]:
        """Make slice ``index`` active; return all tensors of the layer that a step reads: views of what is kept."""
        return self._as_steps_see(super().begin_turn(index))

    def _as_steps_see(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Taps and inputs become one axis, biases flat; the bytes are shared, so what a step writes is kept."""
        seen = {}
        for name, array in tensors.items():
            assert array.flags.c_contiguous, name
            is_bias = array.ndim == 2 and name.startswith(own(self.name, "bias"))
            seen[name] = array.reshape(-1) if is_bias else array
            if array.ndim == 4:
                positions, taps, inputs, outputs = array.shape
                seen[name] = array.reshape(positions, taps * inputs, outputs)
        return seen
