"""The order in which ``--method auto`` prefers ways to train: the points of accuracy that each choice is expected to cost.

The points of an approach are the sum of those of its choices, and of the slices that it must be cut into. They come from
measurements of small networks (docs/choosing.md) and are rough: what counts is the order that they give. A further choice is a
further entry of :data:`AXES`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tinyfoa_rt.ir.latents import FLOAT
from tinyfoa_rt.ir.options import AUTO, PlanOptions
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.planner.task import PlanningTask

__all__ = [
    "AXES", "FIXING", "LATENTS_OF_CONVOLUTIONS", "LATENTS_OF_DENSE", "LATENTS_OF_SIGNS", "Approach", "Axis", "Order", "Way",
    "chooses_latents", "level_of", "order_of", "tails",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """One way to choose.

    Attributes:
        options: fields of :class:`tinyfoa_rt.ir.options.PlanOptions`.
        points: of accuracy, expected to be lost against the best way.
        title: for reports.
        why: where the points come from.
    """

    options: Mapping[str, str]
    points: float
    title: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is chosen, the best way first; of a model that is trained end to end only where ``is_of_heads`` is false."""

    name: str
    ways: tuple[Way, ...]
    is_of_heads: bool = False

    @property
    def options(self) -> frozenset[str]:
        """The options that it chooses."""
        return frozenset(name for way in self.ways for name in way.options)


_DEPTHS = Axis(
    "block layers",
    (
        Way({"block_layers": "all"}, 0, "end to end", "the loss decides what every layer keeps; fine-tuning resnet8: 78.1 %"),
        Way({"block_layers": "4"}, 1, "in blocks of 4 layers", "between the two beside it"),
        Way({"block_layers": "2"}, 1.5, "in blocks of 2 layers", "between the two beside it"),
        Way({"block_layers": "1"}, 2, "layer by layer", "fine-tuning resnet8: 73.1 %; from scratch about equal to end to end"),
    ),
)
_HEADS = Axis(
    "heads",
    (
        Way({"head": "learned"}, 0, "with learned heads", "63.8 % on 20,000 images of CIFAR-10, backpropagation 58.6 %"),
        Way({"head": "rademacher"}, 5, "with fixed heads", "55.7 % there"),
    ),
    is_of_heads=True,
)
_PRECISION = Axis(
    "precision",
    (
        Way({"binarize": "none"}, 0, "in float", "56.7 % on 10,000 images of CIFAR-10"),
        Way({"binarize": "weights"}, 3, "with binary weights", "53.8 % there"),
        Way({"binarize": "both"}, 8, "with binary weights and activations", "48.9 % there"),
    ),
)
# What weights are kept as, where that is chosen too (``--latent auto``), by the layers that are trained.
LATENTS_OF_DENSE = Axis(
    "latent weights of dense layers",
    (
        Way({"latent": "float32"}, 0, "on weights of float32", "98.12 % on MNIST, 784-256-256-10"),
        Way({"latent": "int16"}, 0.05, "on weights of 16 bits", "as float32"),
        Way({"latent": "int12"}, 0.1, "on weights of 12 bits", "as float32"),
        Way({"latent": "int8"}, 0.2, "on weights of 8 bits", "98.07 % there; at equal RAM 2.7 to 0.3 points above float32"),
    ),
)
LATENTS_OF_CONVOLUTIONS = Axis(
    "latent weights of kernels",
    (
        LATENTS_OF_DENSE.ways[0],
        LATENTS_OF_DENSE.ways[1],
        Way({"latent": "int12"}, 0.3, "on weights of 12 bits", "small networks at one sample a step: as 16 bits, or little less"),
        Way({"latent": "int8"}, 4, "on weights of 8 bits", "2 to 6 points lost there"),
    ),
)
LATENTS_OF_SIGNS = Axis(
    "latent weights of signs",
    (
        Way({"latent": "int8"}, 0, "on weights of 8 bits", "96.32 % on MNIST, 784-256-256-10, both binary"),
        Way({"latent": "float32"}, 0.01, "on weights of float32", "96.15 % there"),
    ),
)
AXES: tuple[Axis, ...] = (_DEPTHS, _HEADS, _PRECISION)
# Options that fix a part of what is chosen.
FIXING = frozenset({"method", "slices", "schedule", *(name for axis in AXES for name in axis.options)})
# True gradients of perceptrons lose 0.2, 0.5, 1 and 1.6 points at 2, 4, 8 and 16 slices; small convolutions 1.4 to 6.5.
_HALVING_DENSE, _HALVING_KERNELS = 0.5, 2.0
# resnet8 loses 12, 3.7, 2.6 and 1.3 points where its last 1, 2, 3 and 4 layers are trained: 12 / K^1.5.
_POINTS_OF_ONE_LAYER = 12.0


@dataclass(frozen=True, slots=True)
class Approach:
    """A way to train: the options that make it up, their points, and what reports call it."""

    options: Mapping[str, Any]
    points: float
    title: str


@dataclass(frozen=True, slots=True)
class Order:
    """The order of ways to train a model.

    Attributes:
        axes: what is chosen.
        latents: formats of real weights, where these are chosen too; signs have an axis of their own.
        halving: points of each halving of the update fraction.
    """

    axes: tuple[Axis, ...]
    latents: Axis | None
    halving: float

    def approaches(self, given: Mapping[str, Any]) -> list[Approach]:
        """Return the ways to train, the best first, that do not contradict the options ``given``."""
        found: dict[tuple[tuple[str, str], ...], Approach] = {}
        for ways in product(*(_open(axis, given) for axis in self.axes)):
            is_whole = any(way.options.get("block_layers") == "all" for way in ways)
            made_of = [way for axis, way in zip(self.axes, ways) if not (axis.is_of_heads and is_whole)]
            for latent in self._latents({name: value for way in made_of for name, value in way.options.items()} | dict(given)):
                approach = _approach([*made_of, *latent])
                found.setdefault(tuple(approach.options.items()), approach)
        return sorted(found.values(), key=lambda approach: approach.points)

    def _latents(self, options: Mapping[str, Any]) -> Sequence[tuple[Way, ...]]:
        if self.latents is None:
            return ((),)
        has_signs = options.get("binarize", "none") != "none"
        return [(way,) for way in _open(LATENTS_OF_SIGNS if has_signs else self.latents, options)]

    def points_of(self, options: PlanOptions, num_slices: int) -> float:
        """Return the points of a plan by its options, where its finest block has ``num_slices``."""
        axes = (*self.axes, *(() if self.latents is None else (self.latents,)))
        fixed = {name: getattr(options, name) for axis in axes for name in axis.options}
        return self.approaches(fixed)[0].points + self.halving * level_of(num_slices)


def _approach(ways: Sequence[Way]) -> Approach:
    options = {name: value for way in ways for name, value in way.options.items()}
    is_plain = len(ways) > 1 and options.get("latent") == FLOAT  # "in float" says it
    titles = [way.title for way in ways if way.title and not (is_plain and "latent" in way.options)]
    return Approach(options, sum(way.points for way in ways), " ".join(titles))


def order_of(task: PlanningTask, *, axes: tuple[Axis, ...] = AXES, has_latents: bool) -> Order:
    """Return the order for the layers that a task trains; formats of latent weights are chosen too if it ``has_latents``."""
    has_kernels = any(layer.kind == "conv" for context in task.contexts for layer in context.block.layers)
    latents = LATENTS_OF_CONVOLUTIONS if has_kernels else LATENTS_OF_DENSE
    return Order(axes, latents if has_latents else None, _HALVING_KERNELS if has_kernels else _HALVING_DENSE)


def chooses_latents(profile: Profile, asked: PlanOptions, given: Collection[str]) -> bool:
    """Whether formats of latent weights are chosen with a method, where options are ``given``: if asked for, or in generated C.

    onnxruntime makes real numbers of whole ones, which saves no RAM.
    """
    return asked.latent == AUTO or ("latent" not in given and profile.runtime == "c99")


def _open(axis: Axis, given: Mapping[str, Any]) -> Sequence[Way]:
    """The ways that what is given leaves; where it is none of them, it is a way of its own."""
    ways = [way for way in axis.ways if all(given.get(name, value) == value for name, value in way.options.items())]
    return ways or [Way({}, 0, "")]


def tails(num_parts: int) -> Axis:
    """Return what ``--train auto`` chooses from: how many of a model's ``num_parts`` last parts of one depth are trained."""
    counts = sorted({int(base * 2**power) for base in (1, 1.5) for power in range(10)} & {*range(1, num_parts)}, reverse=True)
    last = [Way({"train": f"last:{count}"}, _POINTS_OF_ONE_LAYER / count**1.5, _last(count)) for count in counts]
    return Axis("trained", (Way({"train": "all"}, 0, "all layers"), *last))


def _last(count: int) -> str:
    return f"the last {count} layers" if count > 1 else "the last layer"


def level_of(num_slices: int) -> int:
    """Return how often a layer was halved to get so many slices."""
    return math.ceil(math.log2(num_slices))
