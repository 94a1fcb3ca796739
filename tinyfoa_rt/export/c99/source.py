"""What lowering is given: step graphs with the plan's offsets, and the state that training begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.ir.storage import StorageLayout, StoredLayer, StoredModel

__all__ = ["BlockSource", "LayerSource", "ModelSource"]


@dataclass(frozen=True)
class LayerSource:
    """A trained layer, or a tensor that steps change and the block keeps for its method.

    Attributes:
        stored: what of it lies in the storage.
        positions: of an output; 1 where dense.
        tensor: the tensor of the step, ``#ROLE``; empty of a layer, which has more than one.
        key: of what rounds its weights, where they are whole numbers.
    """

    stored: StoredLayer
    positions: int = 1
    tensor: str = ""
    key: int = 0


@dataclass(frozen=True)
class BlockSource:
    """A trained block.

    Attributes:
        name: as in the plan.
        layers: its trained layers, then what its method keeps and steps change.
        step: its training step.
        offsets: of every tensor of the step in the arena, in bytes.
        base: where the arena's transient part begins.
        end: the byte behind all that the step and the forward pass write to.
        peak_nbytes: the arena that the plan says the block needs.
        scales: the tensors of the scales of its binary activations.
        statistics: running mean, variance and trained shift of its batch normalizations: the tensors, each with its length.
        starting_rate: by the recipe.
        slices_per_step: how many slices of a layer the error of a step moves, one after the other.
        constants: what its method keeps and steps only read, real numbers: names in the step, ``#ROLE``.
        steps: where its layers take turns, what a step of each takes, with that layer alone; ``step`` and ``offsets`` are then
            the first one's, and no base lies behind ``base``.
    """

    name: str
    layers: tuple[LayerSource, ...]
    step: StepGraph
    offsets: Mapping[str, int]
    base: int
    end: int
    peak_nbytes: int
    scales: tuple[str, ...]
    starting_rate: float
    slices_per_step: int = 1
    statistics: Mapping[str, int] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    steps: tuple[BlockSource, ...] = ()

    @property
    def all_steps(self) -> tuple[BlockSource, ...]:
        """One for each layer where they take turns, else the block itself."""
        return self.steps or (self,)


@dataclass(frozen=True)
class ModelSource:
    """A model as it is planned.

    Attributes:
        name: of the model.
        blocks: the trained ones, in order.
        stored: their layers, and the optimizer.
        layout: where these lie.
        profile: the device.
        forward: the forward pass of the whole model.
        starts: the node of ``forward`` at which each trained block begins.
        offsets: of every tensor of ``forward``, from the start of the transient part on, in bytes.
        score: the value whose largest element is the class.
        weight_scale: ``row`` or ``tensor``.
        loss: its name.
        rotate_every: steps that a slice stays.
        state: tensors by name as a checkpoint has them; what is missing is zero.
        progress: block, step and total steps that training goes on from.
    """

    name: str
    blocks: tuple[BlockSource, ...]
    stored: StoredModel
    layout: StorageLayout
    profile: Profile
    forward: StepGraph
    starts: tuple[int, ...]
    offsets: Mapping[str, int]
    score: str
    weight_scale: str
    loss: str
    rotate_every: int
    state: Mapping[str, NDArray[Any]] = field(repr=False)
    progress: tuple[int, int, int] = (0, 0, 0)
