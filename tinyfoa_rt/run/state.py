"""The state of a dense layer while its slices take turns.

The latent weights of all slices lie in ``weight`` (a memory-mapped file, where the plan says nonvolatile); the active slice is
copied out, trained apart, and copied back when its turn ends. Meanwhile ``signs``, ``bias`` and ``abs_sum`` hold zeros in its
place, as the function bodies expect (ops/products.py).

Every tensor of a turn is a function of what :meth:`DenseState.arrays` holds, bit for bit, so a turn may end and begin again at
any step (a checkpoint, an evaluation) and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DenseState", "Grid"]

Array = NDArray[Any]

_STATES: Mapping[str, tuple[str, ...]] = {"sgd": (), "momentum": ("velocity",), "adam": ("mean", "variance")}


@dataclass(frozen=True)
class Grid:
    """How a layer is cut: bounds along its inputs and its outputs; slices are counted along the inputs first."""

    ins: tuple[int, ...]
    outs: tuple[int, ...]

    @property
    def num_bands(self) -> int:
        return len(self.ins) - 1

    @property
    def count(self) -> int:
        return self.num_bands * (len(self.outs) - 1)

    def part(self, index: int) -> tuple[int, slice, slice]:
        """The band of slice ``index``, its inputs and its outputs."""
        j, i = divmod(index, self.num_bands)
        return i, slice(self.ins[i], self.ins[i + 1]), slice(self.outs[j], self.outs[j + 1])


@dataclass
class DenseState:
    """One layer.

    Attributes:
        name: prefix of its tensors in the step graph.
        weight: latent weights (n_in, n_out), float32.
        bias: (n_out,), float32, or ``None``.
        grid: its slices; one slice means that the whole layer is trained in place.
        optimizer: ``sgd``, ``momentum`` or ``adam``; each slice has a state and a step count of its own.
        is_binary: whether products use signs; else ``weight`` itself.
        abs_sums: sum |W| of each output within each band of inputs, (m_in, n_out), float32.
        states: the optimizer's, by name: like ``weight``, like ``abs_sums`` for biases, and the step count of each
            slice.
    """

    name: str
    weight: Array
    bias: Array | None
    grid: Grid
    optimizer: str = "sgd"
    is_binary: bool = True
    abs_sums: Array = field(init=False)
    states: dict[str, Array] = field(init=False)
    signs: Array = field(init=False)
    _abs_sum: Array = field(init=False)
    _active: int | None = field(default=None, init=False)
    _tensors: dict[str, Array] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        bands = [self.sum_inputs(self.weight[..., i:k, :]) for i, k in zip(self.grid.ins, self.grid.ins[1:])]
        self.abs_sums = np.stack(bands)
        self.states = {}
        for kind in _STATES[self.optimizer]:
            self.states[f"weight.{kind}"] = np.zeros_like(self.weight, subok=False)
            if self.bias is not None:
                self.states[f"bias.{kind}"] = np.zeros((self.grid.num_bands, *self.bias.shape), dtype=np.float32)
        if self.optimizer == "adam":
            self.states["step_count"] = np.zeros(self.grid.count, dtype=np.int32)
        self.refresh()

    def sum_inputs(self, weight: Array) -> Array:
        """Sum |W| over the inputs of each output, given the weights or a part of them."""
        return np.asarray(np.abs(weight).sum(axis=0, dtype=np.float32))

    def refresh(self) -> None:
        """Derive signs and sums anew, after the arrays were changed from outside."""
        assert self._active is None
        self.signs = self.weight
        if self.is_binary:
            self.signs = np.empty(self.weight.shape, dtype=np.int8)
            np.greater_equal(self.weight, 0, out=self.signs, casting="unsafe")
            self.signs += self.signs
            self.signs -= 1
        self._abs_sum = self.abs_sums[0] if self.grid.count == 1 else self.abs_sums.sum(axis=0)

    def arrays(self) -> dict[str, Array]:
        """All that must be kept, by name; no slice may be active."""
        assert self._active is None
        found = {f"{self.name}.weight": self.weight, f"{self.name}.abs_sums": self.abs_sums}
        if self.bias is not None:
            found[f"{self.name}.bias"] = self.bias
        return {**found, **{f"{self.name}.{key}": value for key, value in self.states.items()}}

    def forward_tensors(self) -> Mapping[str, Array]:
        """What a forward pass reads; no slice may be active."""
        assert self._active is None
        tensors = {f"{self.name}.w": self.signs}
        if self.is_binary:
            tensors[f"{self.name}.abs_sum"] = self._abs_sum
        if self.bias is not None:
            tensors[f"{self.name}.bias"] = self.bias
        return tensors

    @property
    def active(self) -> int | None:
        """The slice whose turn it is."""
        return self._active

    def reset_optimizer(self) -> None:
        """Forget what the optimizer has gathered; no slice may be active."""
        assert self._active is None
        for state in self.states.values():
            state[...] = 0

    def begin_turn(self, index: int) -> Mapping[str, Array]:
        """Make slice ``index`` active; return all tensors of the layer that a step reads.

        The arrays are those that a step's outputs are written to: ``NAME.next`` goes to ``NAME``.
        """
        self.end_turn()
        self._active = index
        self._tensors = self._whole() if self.grid.count == 1 else self._slice(index)
        return self._tensors

    def end_turn(self) -> None:
        """Copy the active slice back into the layer; nothing happens where none is active."""
        if self._active is None:
            return
        index, tensors = self._active, self._tensors
        self._active = None
        self._tensors = {}
        if self.grid.count == 1:
            return
        name = self.name
        band, ins, outs = self.grid.part(index)
        self.weight[..., ins, outs] = tensors[f"{name}.w_slice"]
        if self.is_binary:
            self.signs[..., ins, outs] = tensors[f"{name}.w_slice.bits"]
            self.abs_sums[band, ..., outs] = tensors[f"{name}.abs_sum_slice"]
            self._abs_sum[..., outs] = self.abs_sums[..., outs].sum(axis=0)
        if self.bias is not None:
            self.bias[outs] = tensors[f"{name}.bias_slice"]
        for kind in _STATES[self.optimizer]:
            self.states[f"weight.{kind}"][..., ins, outs] = tensors[f"{name}.w_slice.{kind}"]
            if self.bias is not None:
                self.states[f"bias.{kind}"][band, outs] = tensors[f"{name}.bias_slice.{kind}"]
        if self.optimizer == "adam":
            self.states["step_count"][index] = tensors[f"{name}.w_slice.step_count"]

    def _whole(self) -> dict[str, Array]:
        name = self.name
        tensors = {f"{name}.w": self.weight}
        if self.is_binary:
            tensors[f"{name}.w.bits"] = self.signs
            tensors[f"{name}.abs_sum"] = self._abs_sum
        if self.bias is not None:
            tensors[f"{name}.bias"] = self.bias
        parameters = {"w": "weight", "bias": "bias"} if self.bias is not None else {"w": "weight"}
        for short, long in parameters.items():
            for kind in _STATES[self.optimizer]:
                state = self.states[f"{long}.{kind}"]
                tensors[f"{name}.{short}.{kind}"] = state if long == "weight" else state[0]
        self._count_steps(tensors, parameters, 0)
        return tensors

    def _slice(self, index: int) -> dict[str, Array]:
        name = self.name
        band, ins, outs = self.grid.part(index)
        origin = (ins.start, outs.start, ins.stop - ins.start, outs.stop - outs.start)
        tensors = {f"{name}.w": self.signs, f"{name}.origin": np.array(origin, dtype=np.int32)}
        tensors[f"{name}.w_slice"] = np.array(self.weight[..., ins, outs], order="C", subok=False)
        if self.is_binary:
            tensors[f"{name}.w_slice.bits"] = np.array(self.signs[..., ins, outs], order="C", subok=False)
            tensors[f"{name}.abs_sum_slice"] = self.abs_sums[band, ..., outs].copy()
            tensors[f"{name}.abs_sum"] = self._abs_sum
            others = [b for b in range(self.grid.num_bands) if b != band]
            self._abs_sum[..., outs] = self.abs_sums[others][..., outs].sum(axis=0)
        self.signs[..., ins, outs] = 0
        parameters = ["w_slice"]
        for kind in _STATES[self.optimizer]:
            tensors[f"{name}.w_slice.{kind}"] = np.array(self.states[f"weight.{kind}"][..., ins, outs], order="C", subok=False)
        if self.bias is not None:
            parameters.append("bias_slice")
            tensors[f"{name}.bias"] = self.bias
            tensors[f"{name}.bias_slice"] = self.bias[outs].copy()
            for kind in _STATES[self.optimizer]:
                tensors[f"{name}.bias_slice.{kind}"] = self.states[f"bias.{kind}"][band, outs].copy()
            self.bias[outs] = 0
        self._count_steps(tensors, parameters, index)
        return tensors

    def _count_steps(self, tensors: dict[str, Array], parameters: Sequence[str] | Mapping[str, str], index: int) -> None:
        """Adam's step count: weight and bias of a slice count alike, each in a tensor of its own."""
        if self.optimizer != "adam":
            return
        for parameter in parameters:
            count = self.states["step_count"][index : index + 1].reshape(())
            tensors[f"{self.name}.{parameter}.step_count"] = count if parameter == "w" else count.copy()
