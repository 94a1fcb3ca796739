"""The state of a dense layer while its slices take turns.

The latent weights lie slice after slice (in a memory-mapped file, where the plan says nonvolatile and a folder is given), so the
active slice is trained where it lies. Meanwhile ``whole``, ``bias`` and ``abs_sum`` hold zeros in its place, as the function
bodies expect (operators/products.py).

Every tensor of a turn is a function of what :meth:`LayerState.arrays` holds, bit for bit, so a turn may end and begin again at
any step (a checkpoint, an evaluation) and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.ir.names import own, quantum_of
from tinyfoa_rt.ir.optimizers import STEP_COUNT
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.run.sliced_tensor import Allocate, SlicedTensor
from tinyfoa_rt.run.whole_weights import PackedSigns, RealWeights, SignBytes, WholeWeights

__all__ = ["LayerState"]

Array = NDArray[Any]


def _in_ram(size: int, dtype: np.dtype[Any]) -> Array:
    return np.empty(size, dtype=dtype)


@dataclass
class LayerState:
    """One layer.

    Attributes:
        name: prefix of its tensors in the step graph.
        initial: latent weights (n_in, n_out) to begin with, float32 or whole numbers; they are copied.
        bias: (n_out,), float32, or ``None``.
        grid: its slices; one slice means that the whole layer is trained.
        optimizer: each slice has a state and a step count of its own.
        is_binary: whether products use signs; else the latent weights.
        allocate: gives memory for latent weights and what the optimizer keeps of each, by number and type of the elements.
        is_packed: whether signs are bits in words, as kernels read them; else a byte each.
        quantum: what one unit is worth where latent weights are whole numbers, (), float32; else ``None``.
        abs_sums: sum |W| of each output within each band of inputs, (m_in, n_out), float32.
    """

    name: str
    initial: InitVar[Array]
    bias: Array | None
    grid: SliceGrid
    optimizer: OptimizerRecord
    is_binary: bool = True
    is_packed: bool = False
    allocate: Allocate = _in_ram
    quantum: Array | None = None
    abs_sums: Array = field(init=False)
    whole: WholeWeights = field(init=False)
    _latent: SlicedTensor = field(init=False)
    _moments: dict[str, SlicedTensor] = field(default_factory=dict, init=False)
    _bias_moments: dict[str, Array] = field(default_factory=dict, init=False)
    _scalars: dict[str, Array] = field(default_factory=dict, init=False)
    _step_count: Array = field(init=False)
    _abs_sum: Array = field(init=False)
    _active: int | None = field(default=None, init=False)
    _tensors: dict[str, Array] = field(default_factory=dict, init=False)

    def __post_init__(self, initial: Array) -> None:
        self._latent = SlicedTensor(initial.shape, self.grid, self.allocate, initial.dtype)
        self._latent.assign(initial)
        self.abs_sums = np.stack([self.sum_inputs(initial[..., band, :]) for band in self.grid.bands])
        for kind in self.optimizer.states:
            self._moments[kind] = SlicedTensor(initial.shape, self.grid, self.allocate)
            self._moments[kind].assign(0)
            if self.bias is not None:
                self._bias_moments[kind] = np.zeros((self.grid.num_bands, *self.bias.shape), dtype=np.float32)
        parameters = ("weight", "bias") if self.bias is not None else ("weight",)
        for parameter, kind in product(parameters, self.optimizer.scalars):
            self._scalars[own(parameter, kind)] = np.zeros(self.grid.count, dtype=np.float32)
        self._step_count = np.zeros(self.grid.count, dtype=np.int32)
        self.whole = (PackedSigns() if self.is_packed else SignBytes()) if self.is_binary else RealWeights()
        self._derive()

    def sum_inputs(self, weight: Array) -> Array:
        """Sum |W| over the inputs of each output, given the weights or a part of them."""
        return self._sum(weight, (0,))

    def _sum(self, weight: Array, axes: tuple[int, ...]) -> Array:
        """Sums of whole numbers are exact, and then times the quantum."""
        if self.quantum is None:
            return np.asarray(np.abs(weight).sum(axis=axes, dtype=np.float32))
        return np.asarray(np.abs(weight.astype(np.int32)).sum(axis=axes).astype(np.float32) * self.quantum)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._latent.shape

    @property
    def signs(self) -> Array:
        """What products read of the layer as a whole, (n_in, n_out): int8, or float32 where it is not binary."""
        return self.whole.as_bytes()

    @property
    def weight(self) -> Array:
        """The latent weights in one piece: a copy, where there is more than one slice."""
        return self._latent.whole()

    @property
    def states(self) -> dict[str, Array]:
        """What the optimizer keeps, in one piece: like ``weight``, like ``abs_sums`` for biases, and numbers of each slice."""
        found = {own("weight", kind): moment.whole() for kind, moment in self._moments.items()}
        found.update({own("bias", kind): moment for kind, moment in self._bias_moments.items()})
        found.update(self._scalars)
        return found | ({STEP_COUNT: self._step_count} if self.optimizer.counts_steps else {})

    def arrays(self) -> dict[str, Array]:
        """All that must be kept, by name; no slice may be active."""
        assert self._active is None
        found = {own(self.name, "weight"): self.weight, own(self.name, "abs_sums"): self.abs_sums}
        if self.bias is not None:
            found[own(self.name, "bias")] = self.bias
        if self.quantum is not None:
            found[quantum_of(own(self.name, "weight"))] = self.quantum
        return {**found, **{own(self.name, key): value for key, value in self.states.items()}}

    def restore(self, tensors: Mapping[str, Array]) -> None:
        """Take over what :meth:`arrays` of another time returned; no slice may be active."""
        assert self._active is None
        self._latent.assign(tensors[own(self.name, "weight")])
        for kind, moment in self._moments.items():
            moment.assign(tensors[own(self.name, "weight", kind)])
        in_slices = {own(self.name, "weight"), *(own(self.name, "weight", kind) for kind in self._moments)}
        for name, array in self.arrays().items():
            if name not in in_slices:
                array[...] = tensors[name]
        self._derive()

    def forward_tensors(self, *, as_bytes: bool = False) -> Mapping[str, Array]:
        """What a forward pass reads, or with ``as_bytes`` the inference model; no slice may be active."""
        assert self._active is None
        tensors = {own(self.name, "w"): self.whole.as_bytes() if as_bytes else self.whole.array}
        if self.is_binary:
            tensors[own(self.name, "abs_sum")] = self._abs_sum
        elif self.quantum is not None and as_bytes:  # the trained model has real weights
            tensors = {own(self.name, "w"): self.whole.array * self.quantum}
        elif self.quantum is not None:
            tensors[quantum_of(own(self.name, "w"))] = self.quantum
        if self.bias is not None:
            tensors[own(self.name, "bias")] = self.bias
        return tensors

    @property
    def active(self) -> int | None:
        """The slice whose turn it is."""
        return self._active

    def reset_optimizer(self) -> None:
        """Forget what the optimizer has gathered; no slice may be active."""
        assert self._active is None
        for moment in self._moments.values():
            moment.assign(0)
        for array in (*self._bias_moments.values(), *self._scalars.values(), self._step_count):
            array[...] = 0

    def begin_turn(self, index: int) -> Mapping[str, Array]:
        """Make slice ``index`` active; return all tensors of the layer that a step reads.

        The arrays are those that a step's outputs are written to: ``NAME#next`` goes to ``NAME``.
        """
        self.end_turn()
        self._active = index
        self._tensors = self._whole() if self.grid.count == 1 else self._slice(index)
        if self.quantum is not None:
            self._tensors[quantum_of(own(self.name, "w"))] = self.quantum
        return self._tensors

    def end_turn(self) -> None:
        """Put what the turn has changed back in its place; nothing happens where no slice is active."""
        if self._active is None:
            return
        index, tensors, name = self._active, self._tensors, self.name
        self._active = None
        self._tensors = {}
        if self.grid.count == 1:
            return
        band, ins, outs = self.grid.part(index)
        self.whole.put(ins, outs, tensors[own(name, "w_slice", "bits") if self.is_binary else own(name, "w_slice")])
        if self.is_binary:
            self.abs_sums[band, ..., outs] = tensors[own(name, "abs_sum_slice")]
            self._abs_sum[..., outs] = self.abs_sums[..., outs].sum(axis=0)
        if self.bias is not None:
            self.bias[outs] = tensors[own(name, "bias_slice")]
        for kind, moment in self._bias_moments.items():
            moment[band, outs] = tensors[own(name, "bias_slice", kind)]
        if self.optimizer.counts_steps:
            self._step_count[index] = tensors[own(name, "w_slice", STEP_COUNT)]

    def _derive(self) -> None:
        """Derive signs and sums anew from latent weights and sums of bands."""
        self.whole.derive(self._latent.whole())
        self._abs_sum = self.abs_sums[0] if self.grid.count == 1 else self.abs_sums.sum(axis=0)

    def _whole(self) -> dict[str, Array]:
        name = self.name
        tensors = {own(name, "w"): self._latent.parts[0]}
        if self.is_binary:
            tensors[own(name, "w", "bits")] = self.whole.array
            tensors[own(name, "abs_sum")] = self._abs_sum
        for kind, moment in self._moments.items():
            tensors[own(name, "w", kind)] = moment.parts[0]
        if self.bias is not None:
            tensors[own(name, "bias")] = self.bias
            tensors.update({own(name, "bias", kind): moment[0] for kind, moment in self._bias_moments.items()})
        self._add_numbers(tensors, ("w", "bias"), 0)
        return tensors

    def _slice(self, index: int) -> dict[str, Array]:
        name = self.name
        band, ins, outs = part = self.grid.part(index)
        origin = (ins.start, outs.start, part.num_ins, part.num_outs)
        signs = self.whole.take(ins, outs)
        tensors = {own(name, "w"): self.whole.array, own(name, "origin"): np.array(origin, dtype=np.int32)}
        tensors[own(name, "w_slice")] = self._latent.parts[index]
        if self.is_binary:
            tensors[own(name, "w_slice", "bits")] = signs
            tensors[own(name, "abs_sum_slice")] = self.abs_sums[band, ..., outs].copy()
            tensors[own(name, "abs_sum")] = self._abs_sum
            others = [b for b in range(self.grid.num_bands) if b != band]
            self._abs_sum[..., outs] = self.abs_sums[others][..., outs].sum(axis=0)
        for kind, moment in self._moments.items():
            tensors[own(name, "w_slice", kind)] = moment.parts[index]
        if self.bias is not None:
            tensors[own(name, "bias")] = self.bias
            tensors[own(name, "bias_slice")] = self.bias[outs].copy()
            for kind, moments in self._bias_moments.items():
                tensors[own(name, "bias_slice", kind)] = moments[band, outs].copy()
            self.bias[outs] = 0
        self._add_numbers(tensors, ("w_slice", "bias_slice"), index)
        return tensors

    def _add_numbers(self, tensors: dict[str, Array], parameters: tuple[str, str], index: int) -> None:
        """Weight and bias of a slice have numbers of their own; their steps they count alike, each in a tensor of its own."""
        for parameter, kept in zip(parameters, ("weight", "bias") if self.bias is not None else ("weight",)):
            for kind in self.optimizer.scalars:
                tensors[own(self.name, parameter, kind)] = self._scalars[own(kept, kind)][index : index + 1].reshape(())
            if self.optimizer.counts_steps:
                count = self._step_count[index : index + 1].reshape(())
                tensors[own(self.name, parameter, STEP_COUNT)] = count if parameter == "w" else count.copy()
