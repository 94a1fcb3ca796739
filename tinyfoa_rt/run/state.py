"""The state of a dense layer while its slices take turns.

The latent weights of all slices lie in ``weight`` (a memory-mapped file, where the plan says nonvolatile); the active slice is
copied out, trained apart, and copied back when its turn ends. Meanwhile ``signs``, ``bias`` and ``abs_sum`` hold zeros in its
place, as the function bodies expect (ops/products.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DenseState", "SlicePart"]

Array = NDArray[Any]
SlicePart = tuple[int, int, int, int]  # in_start, in_stop, out_start, out_stop

_STATES: Mapping[str, tuple[str, ...]] = {"sgd": (), "momentum": ("velocity",), "adam": ("mean", "variance")}


@dataclass
class DenseState:
    """One layer.

    Attributes:
        name: prefix of its tensors in the step graph.
        weight: latent weights (n_in, n_out), float32.
        bias: (n_out,), float32, or ``None``.
        optimizer: ``sgd``, ``momentum`` or ``adam``; each slice has a state of its own.
        is_binary: whether products use signs; else ``weight`` itself.
    """

    name: str
    weight: Array
    bias: Array | None
    optimizer: str = "sgd"
    is_binary: bool = True
    signs: Array = field(init=False)
    abs_sum: Array = field(init=False)
    _part: SlicePart | None = field(default=None, init=False)
    _tensors: dict[str, Array] = field(default_factory=dict, init=False)
    _kept: dict[SlicePart, dict[str, Array]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.signs = np.where(self.weight >= 0, 1, -1).astype(np.int8) if self.is_binary else self.weight
        self.abs_sum = np.abs(self.weight).sum(axis=0, dtype=np.float32)

    def begin_turn(self, part: SlicePart) -> Mapping[str, Array]:
        """Make ``part`` the active slice; return all tensors of the layer that a step reads.

        The arrays are those that a step's outputs are written to: ``NAME.next`` goes to ``NAME``.
        """
        self.end_turn()
        i0, i1, j0, j1 = part
        name, latent = self.name, np.ascontiguousarray(self.weight[i0:i1, j0:j1])
        tensors = {f"{name}.w": self.signs, f"{name}.w_slice": latent, f"{name}.origin": np.array((i0, j0), dtype=np.int32)}
        if self.is_binary:
            tensors[f"{name}.w_slice.bits"] = np.ascontiguousarray(self.signs[i0:i1, j0:j1])
            tensors[f"{name}.abs_sum"] = self.abs_sum
            tensors[f"{name}.abs_sum_slice"] = np.abs(latent).sum(axis=0, dtype=np.float32)
            self.abs_sum[j0:j1] -= tensors[f"{name}.abs_sum_slice"]
        self.signs[i0:i1, j0:j1] = 0
        if self.bias is not None:
            tensors[f"{name}.bias"] = self.bias
            tensors[f"{name}.bias_slice"] = self.bias[j0:j1].copy()
            self.bias[j0:j1] = 0
        tensors.update(self._kept.get(part) or self._new_states(tensors))
        self._part, self._tensors = part, tensors
        return tensors

    def end_turn(self) -> None:
        """Copy the active slice back into the layer; nothing happens where none is active."""
        if self._part is None:
            return
        i0, i1, j0, j1 = self._part
        name, tensors = self.name, self._tensors
        self.weight[i0:i1, j0:j1] = tensors[f"{name}.w_slice"]
        if self.is_binary:
            self.signs[i0:i1, j0:j1] = tensors[f"{name}.w_slice.bits"]
            # Summed anew, so that no rounding error stays.
            self.abs_sum[j0:j1] = np.abs(self.weight[:, j0:j1]).sum(axis=0, dtype=np.float32)
        if self.bias is not None:
            self.bias[j0:j1] = tensors[f"{name}.bias_slice"]
        self._kept[self._part] = {key: tensors[key] for key in self._new_states(tensors)}
        self._part = None

    def _new_states(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Zeros for the optimizer's state of the active slice and its bias."""
        states: dict[str, Array] = {}
        for parameter in (f"{self.name}.w_slice", f"{self.name}.bias_slice"):
            if parameter in tensors:
                for state in _STATES[self.optimizer]:
                    states[f"{parameter}.{state}"] = np.zeros_like(tensors[parameter])
                if self.optimizer == "adam":
                    states[f"{parameter}.step_count"] = np.zeros((), dtype=np.int32)
        return states
