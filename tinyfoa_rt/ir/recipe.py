"""The recipe: what is trained how, apart from sizes. Slices and batch are what planning chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tinyfoa_rt.ir.class_weights import NO_CLASS_WEIGHTS
from tinyfoa_rt.ir.latents import FLOAT

__all__ = [
    "BINARIZE", "BLOCK_OUTPUTS", "CLASSIFIERS", "FIRST_LAYERS", "HEADS", "HEAD_POOLS", "SCALES", "STE_WINDOWS", "WEIGHT_SCALES",
    "Recipe",
]  # fmt: skip

HEADS = ("rademacher", "kaiming", "classifier", "learned")
HEAD_POOLS = ("grid", "average", "none")
BINARIZE = ("both", "weights", "none")
WEIGHT_SCALES = ("row", "tensor")
SCALES = ("running", "batch")
STE_WINDOWS = ("symmetric", "relu")
BLOCK_OUTPUTS = ("bits", "scaled")
CLASSIFIERS = ("real", "binary", "head")
FIRST_LAYERS = ("binary", "real")

# Of a batch of 100; smaller batches keep more, so that the mean is over as many samples.
_SCALE_MOMENTUM = 0.9
_REFERENCE_BATCH = 100
# Rates grow as kernels have fewer inputs; from here on the shift of a normalization, which reads none, does not follow them.
_SHIFT_INPUTS = 196


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a block is trained (design, section 2).

    Attributes:
        optimizer: what turns a gradient into a step (ir/optimizers.py).
        head: the fixed matrix of a local head: ``rademacher`` is computed from a hash; ``kaiming`` is random too, ``classifier``
            the model's own weights, and both are stored; ``learned`` is trained.
        binarize: weights and activations, weights only, or nothing.
        loss: of the model's output and of the local heads (ir/losses.py).
        class_weights: factors of the loss of each class, as :func:`tinyfoa_rt.ir.class_weights.parse_class_weights` takes them.
        num_outputs: classes, or the numbers of a label of a regression.
        seed: of the hashed head.
        head_pool: a local head sees the mean of each channel over all positions (``average``), or over each cell of a grid where
            convolutions are trained (``grid``), or every position (``none``).
        weight_scale: alpha, the factor of binary weights, is mean |W| of each output, or of the whole tensor as in the paper.
        scale: s is a running mean of |z|, or the mean over the batch as in the paper.
        ste_window: where the straight-through estimator lets the error pass: |z| < 1, or 0 < z < 1 as in the paper.
        activation_bits: of a binary activation: 1, or 2 where it is a level from 0 to 3 in steps of s.
        block_output: the next block reads h in {0, 1}, whose gradient takes h - 1/2, or h in {0, s} as in the paper.
        classifier: weights of the model's own classifier: ``real``, ``binary`` where all others are, or real and a ``head``:
            trained in one block with the layer before, which has no other head.
        first_layer: weights of layers that no trained or frozen layer is before are binarized as all others, or stay real.
        latent: what latent weights are: real numbers, or whole ones of few bits (ir/latents.py).
        method: where the error comes from, a name of :data:`tinyfoa_rt.steps.methods.METHODS`.
    """

    optimizer: str = "sgd"
    head: str = "rademacher"
    binarize: str = "both"
    loss: str = "cross-entropy"
    class_weights: str = NO_CLASS_WEIGHTS
    num_outputs: int = 10
    seed: int = 0
    head_pool: str = "none"
    weight_scale: str = "row"
    scale: str = "running"
    ste_window: str = "symmetric"
    activation_bits: int = 1
    block_output: str = "bits"
    classifier: str = "real"
    first_layer: str = "binary"
    latent: str = FLOAT
    method: str = "local-head"

    def scale_momentum(self, batch: int) -> float:
        """The share of s that a step keeps; 0 where s is the mean over the batch."""
        return 0.0 if self.scale == "batch" else float(_SCALE_MOMENTUM ** (batch / _REFERENCE_BATCH))

    def statistics_momentum(self, momentum: float, batch: int) -> float:
        """The share of running statistics that a step keeps, where the model keeps ``momentum``; see ``scale_momentum``."""
        return float(momentum ** (batch / _REFERENCE_BATCH))

    def shift_share(self, fan_in: int) -> float:
        """The share of a block's rate at which the shifts of its normalizations move, where an output has ``fan_in`` inputs."""
        return min(1.0, fan_in / _SHIFT_INPUTS)

    @property
    def input_center(self) -> float:
        """What a gradient takes off a binary input: bits are never negative, so all samples would push a weight the same way.

        Of bits it is their mean. Of levels it is less than that, which is 0.48 behind a normal distribution and falls as blocks
        learn: beyond the mean a step would move what all samples have in common the wrong way, and blocks run away.
        """
        centers = {1: 0.5, 2: 0.375}
        return centers[self.activation_bits] if self.block_output == "bits" else 0.0

    def of_classifier(self) -> Recipe:
        """The recipe of the model's own classifier.

        It is trained with its true loss; its output is never binarized, its weights where they are asked to be.
        """
        return replace(self, method="own-loss", binarize=self.binarize if self.classifier == "binary" else "none")

    def of_own_loss(self) -> Recipe:
        """The recipe of a block that ends in the model's own classifier: it is trained with the model's own loss."""
        return replace(self, method="own-loss")

    @property
    def window_floor(self) -> float:
        """Where the straight-through window begins: of levels in units of s, below which half a step is still the first level."""
        return 0.0 if self.ste_window == "relu" else -1.0 if self.activation_bits == 1 else -0.5

    @property
    def activation_dtype(self) -> str:
        """What binary activations are, as types of a step have it (ir/step.py)."""
        return "bit" if self.activation_bits == 1 else "level"
