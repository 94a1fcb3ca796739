"""What an artifact's manifest says: the model, its recipe, its blocks and where their tensors and models are."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARTIFACT_FORMAT", "BlockRecord", "LayerRecord", "Manifest", "shift_of", "statistics_of"]

ARTIFACT_FORMAT = "tinyfoa-artifact/1"


def statistics_of(value: str) -> tuple[str, str]:
    """The tensors of the running mean and variance of the batch normalization that computes ``value``."""
    return f"{value}.running_mean", f"{value}.running_variance"


def shift_of(value: str) -> str:
    """The tensor of the trained shift of the batch normalization that computes ``value``."""
    return f"{value}.shift"


@dataclass(frozen=True)
class LayerRecord:
    """A trained layer.

    Attributes:
        name: prefix of its tensors.
        kind: ``dense``, ``conv`` or ``local``.
        fan_in: inputs of an output.
        ins: bounds of its slices along the inputs.
        outs: bounds of its slices along the outputs.
        is_binary: products use the signs of its weights.
        positions: at how many places with an error of their own each weight is used: 1 but for convolutions.
    """

    name: str
    kind: str
    fan_in: int
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    is_binary: bool
    positions: int

    @property
    def num_slices(self) -> int:
        return (len(self.ins) - 1) * (len(self.outs) - 1)


@dataclass(frozen=True)
class BlockRecord:
    """A trained block.

    Attributes:
        name: as in the plan.
        step: path of its training step.
        inputs: values that enter it: names in the step and in the stages of the forward pass.
        output: the value where its loss attaches.
        scale: the tensor of the output's scale s; empty where the output is real.
        scale_momentum: the share of s that a step keeps.
        statistics: outputs of batch normalizations that keep running statistics; see :func:`statistics_of`
            and :func:`shift_of`.
        statistics_momentum: the share of each that a step keeps.
        head: whether a stored head is an input of the step.
        head_positions: how many positions a unit of the head is the mean of; 1 where it sees each by itself.
        is_classifier: whether it is trained with the model's own loss.
        layers: its trained layers.
    """

    name: str
    step: str
    inputs: tuple[str, ...]
    output: str
    scale: str
    scale_momentum: float
    statistics: tuple[str, ...]
    statistics_momentum: tuple[float, ...]
    head: bool
    head_positions: int
    is_classifier: bool
    layers: tuple[LayerRecord, ...]


@dataclass(frozen=True)
class Manifest:
    """What is trained how.

    Attributes:
        format: ``tinyfoa-artifact/1``.
        model: the model's name.
        input: name of its data input.
        input_shape: at batch 1.
        output: name of the output that classifies or reconstructs.
        score: the value whose largest element is the class: the output before Softmax.
        num_outputs: classes, or the size of the target.
        loss: ``cross-entropy`` or ``mean-squared-error``.
        batch: samples a step.
        optimizer: ``sgd``, ``momentum`` or ``adam``.
        schedule: ``slice``, ``freeze-diagonal`` or ``full``.
        binarize: ``both``, ``weights`` or ``none``.
        handover: ``bits`` ({0, 1}) or ``scaled`` ({0, s}): what a block hands to the next one.
        order: ``layerwise``, or ``interleaved`` where steps hand their output on.
        peak_bytes: RAM that the plan says.
        frozen_blocks: how many blocks of the model are not trained.
        stages: paths of the forward pass up to each block and behind the last; empty where there is nothing to compute.
        blocks: in the order of training.
    """

    format: str
    model: str
    input: str
    input_shape: tuple[int, ...]
    output: str
    score: str
    num_outputs: int
    loss: str
    batch: int
    optimizer: str
    schedule: str
    binarize: str
    handover: str
    order: str
    peak_bytes: int
    frozen_blocks: int
    stages: tuple[str, ...]
    blocks: tuple[BlockRecord, ...]

    @property
    def model_paths(self) -> tuple[str, ...]:
        """All models that the manifest names."""
        return (*(path for path in self.stages if path), *(block.step for block in self.blocks))
