"""What an artifact's manifest says: the model, its recipe, its blocks and where their tensors and models are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.slices import SliceGrid

__all__ = [
    "ARTIFACT_FORMAT", "BlockRecord", "InputRecord", "LayerRecord", "LossRecord", "Manifest", "OptimizerRecord",
    "ParameterRecord", "RateRecord", "TensorRecord",
]  # fmt: skip

ARTIFACT_FORMAT = "tinyfoa-artifact/5"


@dataclass(frozen=True)
class LayerRecord:
    """A trained layer.

    Attributes:
        name: prefix of its tensors.
        kind: ``dense``, ``conv`` or ``local``; ``bias`` where biases alone are trained, as weights of one input.
        shape: of its weights: (inputs, outputs); (taps, inputs of a group, outputs); (positions, taps, inputs, outputs).
            Of biases alone it is (1, biases).
        ins: bounds of its slices along the inputs.
        outs: bounds of its slices along the outputs.
        turns: how many of its slices are trained, from the first on; the others stay as they are.
        has_bias: whether it has biases: (outputs,), or (outputs, positions) of a local layer.
        is_binary: products use the signs of its weights.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    turns: int
    has_bias: bool
    is_binary: bool

    @property
    def grid(self) -> SliceGrid:
        grid = SliceGrid(self.ins, self.outs)
        return replace(grid, num_frozen=grid.count - self.turns)


@dataclass(frozen=True)
class InputRecord:
    """A data input of the model.

    Attributes:
        name: in the model, and so of the array that it is given.
        dtype: NumPy's name of its element type.
        shape: at batch 1.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def is_real(self) -> bool:
        """Whether it takes real numbers, which may be normalized; whole ones mean what they say."""
        return self.dtype in ("float32", "float16", "float64")


@dataclass(frozen=True)
class TensorRecord:
    """A tensor that steps and stages are given or hand out, and that is no value of the model (ir/names.py).

    Attributes:
        name: in the graphs.
        role: what it is to its owner: ``rate``, ``w``, ``scale`` ...
        owner: a layer, a block, a value or another tensor; empty for a step as a whole.
        next_of: the tensor whose next value it is; empty where it is none.
    """

    name: str
    role: str
    owner: str
    next_of: str


@dataclass(frozen=True)
class LossRecord:
    """What is minimized (ir/losses.py): its name, what its labels are, and how scores predict."""

    name: str
    labels: str
    prediction: str

    @classmethod
    def of(cls, name: str) -> LossRecord:
        """What the table of losses says."""
        row = loss_of(name)
        return cls(name, row.labels, row.prediction)


@dataclass(frozen=True)
class OptimizerRecord:
    """What takes steps (ir/optimizers.py): its name, what it keeps of a parameter and of a slice, and whether it counts steps."""

    name: str
    states: tuple[str, ...]
    scalars: tuple[str, ...]
    counts_steps: bool

    @classmethod
    def of(cls, name: str) -> OptimizerRecord:
        """What the table of optimizers says."""
        row = optimizer_of(name)
        return cls(name, row.states, row.scalars, row.counts_steps)


@dataclass(frozen=True)
class RateRecord:
    """The rate at which a block starts, as a law of the mean square of what it reads.

    It is boost * min(numerator / (fan_in * max(power, least_power)), most), computed in float64 in this order; without the bound
    where ``most`` is ``None``, and ``boost`` alone where ``numerator`` is.
    """

    boost: float
    numerator: float | None
    fan_in: int
    least_power: float
    most: float | None

    def at(self, power: float) -> float:
        """The rate for inputs of mean square ``power``."""
        if self.numerator is None:
            return self.boost
        rate = self.numerator / (self.fan_in * max(power, self.least_power))
        return self.boost * (rate if self.most is None else min(rate, self.most))


@dataclass(frozen=True)
class BlockRecord:
    """A trained block.

    Attributes:
        name: as in the plan.
        step: path of its training step; the first of ``layer_steps`` where there are any.
        layer_steps: paths of the steps in which one layer alone moves, where layers take turns; empty where all move in one step.
        slices_per_step: how many slices of a layer the error of a step moves, one after the other.
        slice_step: path of what moves one of them; empty where a step moves one, and does it itself.
        inputs: values that enter it: names in the step and in the stages of the forward pass.
        output: the value where its loss attaches.
        binary: the values that it computes as bits, in the order of execution; see :func:`tinyfoa_rt.ir.names.scale_of`.
        scale_momentum: the share of a scale s that a step keeps.
        statistics: outputs of batch normalizations that keep running statistics; see :func:`tinyfoa_rt.ir.names.statistics_of`.
        statistics_momentum: the share of each that a step keeps.
        scores: the output of the step by which the block predicts, (batch, outputs); empty where it does not.
        kept: what the step reads that belongs to the block's method, such as a stored head: names in the step, ``#ROLE``; in the
            state they are ``BLOCK#ROLE``.
        rate: at which it starts.
        is_classifier: whether it computes the model's own output.
        layers: its trained layers.
    """

    name: str
    step: str
    layer_steps: tuple[str, ...]
    slices_per_step: int
    slice_step: str
    inputs: tuple[str, ...]
    output: str
    binary: tuple[str, ...]
    scale_momentum: float
    statistics: tuple[str, ...]
    statistics_momentum: tuple[float, ...]
    scores: str
    kept: tuple[str, ...]
    rate: RateRecord
    is_classifier: bool
    layers: tuple[LayerRecord, ...]

    @property
    def steps(self) -> tuple[str, ...]:
        """The paths of its training steps."""
        return self.layer_steps or (self.step,)


@dataclass(frozen=True)
class ParameterRecord:
    """Where a parameter lies in the trained model: ``nbytes`` bytes of ``inference.onnx`` from ``offset`` on, little-endian."""

    name: str
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Manifest:
    """What is trained how.

    Attributes:
        format: ``tinyfoa-artifact/5``.
        model: the model's name.
        inputs: its data inputs; a sample has a value for each.
        output: name of the output that classifies or reconstructs.
        score: the value whose largest element is the class: the output before Softmax.
        num_outputs: classes, or the numbers of a label.
        loss: of the model's output and of the local heads (ir/losses.py).
        batch: samples a step.
        optimizer: of weights and biases (ir/optimizers.py).
        schedule: ``slice``, ``freeze-diagonal`` or ``full``.
        binarize: ``both``, ``weights`` or ``none``.
        activation_bits: of the values that are handed on as bits: 1, or 2 where they are levels from 0 to 3.
        block_output: ``bits`` ({0, 1}) or ``scaled`` ({0, s}): what a block hands to the next one.
        order: ``layerwise``, or ``interleaved`` where steps hand their output on.
        peak_bytes: RAM that the plan says.
        budget_bytes: RAM that it was planned for; 0 where that is a device's that runs generated C.
        rows: how many samples a forward pass takes at once, so that it stays within that.
        needs_kernels: whether the plan counts on the library of kernels: function bodies would take more.
        frozen_blocks: how many blocks of the model are not trained.
        stages: paths of the forward pass up to each block and behind the last; empty where there is nothing to compute.
        blocks: in the order of training.
        tensors: of all steps and stages.
        parameters: of the trained model, by rising offset.
    """

    format: str
    model: str
    inputs: tuple[InputRecord, ...]
    output: str
    score: str
    num_outputs: int
    loss: LossRecord
    batch: int
    optimizer: OptimizerRecord
    schedule: str
    binarize: str
    activation_bits: int
    block_output: str
    order: str
    peak_bytes: int
    budget_bytes: int
    rows: int
    needs_kernels: bool
    frozen_blocks: int
    stages: tuple[str, ...]
    blocks: tuple[BlockRecord, ...]
    tensors: tuple[TensorRecord, ...]
    parameters: tuple[ParameterRecord, ...]

    @property
    def input(self) -> str:
        """The name of the data input, the first where there are several."""
        return self.inputs[0].name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of that input at batch 1."""
        return self.inputs[0].shape

    @property
    def takes_normalization(self) -> bool:
        """Whether samples may be normalized: there is one input, of real numbers."""
        return len(self.inputs) == 1 and self.inputs[0].is_real

    @property
    def binary_values(self) -> frozenset[str]:
        """The values that blocks hand on as bits."""
        return frozenset(name for block in self.blocks for name in block.binary)

    @property
    def next_of(self) -> Mapping[str, str]:
        """For each output that is a next value, the tensor that it is the next value of."""
        return {tensor.name: tensor.next_of for tensor in self.tensors if tensor.next_of}

    @property
    def model_paths(self) -> tuple[str, ...]:
        """All models that the manifest names."""
        steps = [path for block in self.blocks for path in (*block.steps, block.slice_step)]
        return tuple(path for path in (*self.stages, *steps) if path)
