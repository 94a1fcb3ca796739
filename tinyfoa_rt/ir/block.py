"""What partitioning yields: trainable layers, the blocks around them, and the slices of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyfoa_rt.ir.graph import Node

__all__ = ["Block", "Layer", "LayerKind", "Partition", "Slices"]

LayerKind = Literal["dense", "conv", "local", "bias"]


@dataclass(frozen=True)
class Layer:
    """One trainable layer: a dense, convolutional or locally connected product with a constant weight, or its biases alone.

    The weight is seen as ``groups`` independent matrices over ``taps`` kernel positions: ``out_features`` rows of
    ``in_features * taps`` elements, where ``in_features`` counts the inputs *of one group*. A locally connected layer has
    one such matrix for each of its ``positions``. The model multiplies the stored weight and bias by their factors (Gemm's alpha
    and beta); what is trained has them inside. Of a layer that is trained in part the weights of the first ``trained_inputs``
    are, and all biases.

    Biases that alone are trained (``bias``) are the weights of one input that is always 1, behind a product that stays as it is;
    ``positions`` is then how many elements of a sample share one, and ``fixed_row`` the size of a row of that product.
    """

    name: str
    kind: LayerKind
    nodes: tuple[Node, ...]
    weight: str
    bias: str | None
    input: str
    output: str
    in_features: int
    out_features: int
    taps: int = 1
    groups: int = 1
    positions: int = 1
    weight_factor: float = 1.0
    bias_factor: float = 1.0
    trained_inputs: int | None = None
    fixed_row: int = 0

    @property
    def is_in_part(self) -> bool:
        """Whether some of its weights stay as they are."""
        return self.trained_inputs is not None or self.kind == "bias"

    @property
    def fan_in(self) -> int:
        """Weights that an output is the sum over, those that stay as they are included."""
        return self.fixed_row or self.row_size

    @property
    def row_size(self) -> int:
        """Weights of one output feature (at one position where the layer is locally connected)."""
        return self.in_features * self.taps

    @property
    def weight_copies(self) -> int:
        """How many weight matrices there are: one a position if locally connected, else one."""
        return self.positions if self.kind == "local" else 1

    @property
    def weight_size(self) -> int:
        return self.out_features * self.row_size * self.weight_copies

    @property
    def bias_size(self) -> int:
        return self.out_features * self.weight_copies if self.bias is not None else 0

    @property
    def parameters(self) -> int:
        """Trained numbers of the layer: weights and biases."""
        return self.weight_size + self.bias_size


@dataclass(frozen=True)
class Block:
    """Layers that are trained together by one loss: those of one depth, or of a run of such *parts* that follow each other.

    ``nodes`` are all nodes of the block in execution order, those of its layers included. ``inputs`` are the values that enter
    it (skip tensors too), ``output`` is where its loss attaches, ``exports`` are all values that later blocks or the model's
    outputs read. ``keeps_reals``: the output is, or feeds, another output of the model than the one that learns, and so is never
    binarized. ``parts`` are the blocks of one depth that a block of several is made of, in execution order; a part whose layers
    are not among ``layers`` is frozen.
    """

    name: str
    depth: int
    layers: tuple[Layer, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    output: str
    exports: tuple[str, ...]
    is_classifier: bool = False
    keeps_reals: bool = False
    parts: tuple[Block, ...] = ()

    @property
    def stages(self) -> tuple[Block, ...]:
        """The blocks of one depth that it is made of: its parts, or itself."""
        return self.parts or (self,)

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)


@dataclass(frozen=True)
class Partition:
    """A graph cut into blocks, in execution order; ``stem`` holds the nodes before any trainable layer.

    The last block computes what the model's loss attaches at; ``behind`` holds the nodes, layers too, that lead only to other
    outputs.
    """

    stem: tuple[Node, ...]
    blocks: tuple[Block, ...]
    behind: tuple[Node, ...] = ()


@dataclass(frozen=True, order=True)
class Slices:
    """A grid of ``m_in`` x ``m_out`` slices over a layer's weight matrix (paper, Figure 1)."""

    m_in: int
    m_out: int

    @property
    def count(self) -> int:
        return self.m_in * self.m_out

    @property
    def update_fraction(self) -> float:
        """Share of a layer's weights that one step updates: 1 / (m_in * m_out)."""
        return 1 / self.count
