"""What may be asked of a plan: the options of ``tinyfoa-rt plan``, the keywords of :func:`tinyfoa_rt.plan`, fields of its JSON.

A new option is a field of :class:`PlanOptions` and nothing else: the command line, the checks and the plan's JSON read it there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.class_weights import NO_CLASS_WEIGHTS, parse_class_weights
from tinyfoa_rt.ir.latents import FLOAT, FORMATS
from tinyfoa_rt.ir.learners import LEARNERS, with_learner
from tinyfoa_rt.ir.losses import LOSSES
from tinyfoa_rt.ir.optimizers import OPTIMIZERS
from tinyfoa_rt.ir.recipe import (
    BINARIZE,
    BLOCK_OUTPUTS,
    CLASSIFIERS,
    FIRST_LAYERS,
    HEAD_POOLS,
    HEADS,
    SCALES,
    STE_WINDOWS,
    WEIGHT_SCALES,
)

__all__ = ["AUTO", "RENAMED", "PlanOptions", "choices_of", "options_of", "refuse_renamed"]

AUTO = "auto"
SCHEDULES = ("slice", "freeze-diagonal", "full")
ORDERS = ("layerwise", "interleaved")
SLICES_AT = ("each", "one")
RECOMPUTE = ("never", "auto", "always")
# What options were called, and what they are called now.
RENAMED: Mapping[str, str] = {"alpha": "weight_scale", "window": "ste_window", "handover": "block_output"}
_GRID = re.compile(r"(\d{1,6})x(\d{1,6})")
_LARGEST_COUNT = 2**31
_MOST_CLASSES = 1_000_000
_MOST_SLICES = 1_000_000


def _text(default: Any, what: str, metavar: str = "") -> Any:
    return field(default=default, metadata={"help": what, "metavar": metavar})


def _choice(default: str, allowed: Collection[str], what: str, *, may_be_auto: bool = False) -> Any:
    """A field that takes one of ``allowed``: a registry is read when a value is checked, since other packages add to it."""
    return field(default=default, metadata={"help": what, "allowed": allowed, "may_be_auto": may_be_auto or default == AUTO})


def _count(default: int | None, what: str, lowest: int = 1, highest: int = _LARGEST_COUNT) -> Any:
    return field(default=default, metadata={"help": what, "range": (lowest, highest)})


def refuse_renamed(name: str) -> None:
    """Refuse what an option was called.

    Raises:
        UsageError: ``name`` is one of :data:`RENAMED`; it says what the option is called now.
    """
    if name in RENAMED:
        old, new = _flag(name), _flag(RENAMED[name])
        raise UsageError(old, f"is called {new} now", f"write {new}, or {RENAMED[name]} in Python")


def options_of(**given: Any) -> PlanOptions:
    """Return the options that keywords give; ``method`` may name a learner.

    Raises:
        UsageError: one has an old name, or a value that its field does not take.
    """
    for name in given:
        refuse_renamed(name)
    if isinstance(given.get("block_layers"), int):
        given["block_layers"] = str(given["block_layers"])
    return PlanOptions(**with_learner(given))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _any_of(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"


def choices_of(option: Field[Any]) -> tuple[str, ...] | None:
    """Return what a field of :class:`PlanOptions` may be now, ``auto`` first; ``None`` where it is no choice."""
    allowed = option.metadata.get("allowed")
    return None if allowed is None else (*((AUTO,) if option.metadata["may_be_auto"] else ()), *allowed)


@dataclass(frozen=True)
class PlanOptions:
    """How to plan; each field says in its metadata what it means, and which values it takes.

    A plan holds its options *resolved*: the budget in bytes, the batch, what was taken for an ``auto`` optimizer, head or loss,
    and the names of the blocks that are trained.

    Raises:
        UsageError: a value is not one of those that the field takes.
    """

    budget: str | int | None = _text(
        None, "RAM, such as 256KB (KB is 1024 bytes, kB 1000), or bytes. Default: that of the board.", "SIZE"
    )
    target: str = _text("ort-cpu", "A profile: ort-cpu, c99, a board, or a .toml of your own.")
    batch: int | None = _count(None, "Samples a step. Default: the most that fit, up to 128.")
    slices: str = _text(
        AUTO, "Grid of slices for all layers, such as 2x2 (inputs x outputs); auto lets the plan choose.", "INxOUT"
    )
    slices_at: str = _choice(
        "each",
        SLICES_AT,
        "Where blocks have several layers, a step updates the active slice of each layer, or of one layer after the other.",
    )
    slices_per_step: int = _count(
        1, "Slices of a layer that the error of one forward pass moves, one after the other through one buffer.", 1, _MOST_SLICES
    )
    optimizer: str = _choice(
        AUTO, OPTIMIZERS, f"{_any_of(OPTIMIZERS)}; auto: sgd, or normalized where blocks have several layers."
    )
    block_layers: str = _text(
        "1", "Where blocks end: after 1 layer, after K, all (backpropagation), or names of layers.", "1|K|all|NAMES"
    )
    recompute: str = _choice(
        "never",
        RECOMPUTE,
        "Activations of blocks of several layers are computed again, not kept: never, auto (as needed) or always.",
    )
    method: str = _text(
        "local-head",
        f"A learner: {_any_of(LEARNERS)}; auto: the best that fits (docs/choosing.md); or where a block's error comes from: "
        "local-head, or a method that was registered.",
        "NAME",
    )
    head: str = _choice(
        AUTO,
        HEADS,
        "Local heads: rademacher (hashed), kaiming, classifier (the model's own, for the block that it reads) or learned. "
        "auto: classifier behind frozen blocks where nothing is binarized; from scratch learned, where it fits, activations are "
        "real and steps normalized; else rademacher.",
    )
    head_pool: str = _choice(
        "grid", HEAD_POOLS, "Means of each channel that a head sees: grid (4 x 4 cells), average (one), none (every unit)."
    )
    schedule: str = _choice("slice", SCHEDULES, "slice, freeze-diagonal or full.")
    train: str | tuple[str, ...] = _text(
        "all",
        "What to train; the rest is frozen. NAME[:1/4]: a quarter of its inputs; NAME[bias]: its biases alone. "
        "auto, with --method auto: as much as fits. In Python also a tuple of names.",
        "all|last:K|NAMES",
    )
    binarize: str = _choice("both", BINARIZE, "both (weights and activations), weights or none.")
    loss: str = _choice(
        AUTO,
        LOSSES,
        "cross-entropy, binary-cross-entropy (outputs are 0 or 1) or mean-squared-error. auto: as the data of 'train' ask, "
        "else by the model's last function, its number of outputs, and whether the output is as large as the input.",
    )
    class_weights: str = _text(
        NO_CLASS_WEIGHTS,
        "Factors of the loss of a sample by its class: none, a number for each class, or balanced (1 / count, where the data are "
        "known, as in 'train').",
        "none|balanced|LIST",
    )
    loss_at: str | None = _text(
        None, "The output, or another value, that the loss attaches at. Default: the output that most layers are before.", "NAME"
    )
    nonvolatile: str | None = _text(None, "Nonvolatile memory, in place of the board's.", "SIZE|none|unlimited")
    weight_scale: str = _choice("row", WEIGHT_SCALES, "Scale of binary weights: row, or tensor (paper).")
    scale: str = _choice("running", SCALES, "Scale of activations: running, or batch (paper).")
    ste_window: str = _choice(
        "symmetric",
        STE_WINDOWS,
        "Where the straight-through estimator lets an error pass. |z| < 1: symmetric; 0 < z < 1: relu (paper).",
    )
    activation_bits: int = _count(
        1, "Bits of activations that are binarized: 1, or 2, four levels in steps of their scale.", 1, 2
    )
    block_output: str = _choice(
        "bits", BLOCK_OUTPUTS, "The next block reads 0 or 1 (of two bits 0 to 3): bits; that times s: scaled (paper)."
    )
    classifier: str = _choice(
        "real",
        CLASSIFIERS,
        "Weights of the model's classifier: real or binary. head: real, and the learned head of the last block before it, with "
        "which it trains.",
    )
    first_layer: str = _choice(
        "binary", FIRST_LAYERS, "Weights of what reads the samples: binary, or real; what it hands on is binarized all the same."
    )
    latent: str = _choice(
        FLOAT,
        FORMATS,
        "What trained weights are kept as: float32, or int16, int12 or int8, whole numbers that steps round by chance; auto: "
        "as many bits as fit, where fewer do not save slices.",
        may_be_auto=True,
    )
    classes: int | None = _count(None, "A new classifier, for so many classes.", 2, _MOST_CLASSES)
    order: str = _choice("layerwise", ORDERS, "layerwise, or interleaved: all blocks take a step on each batch.")
    seed: int = _count(0, "Seed of the local heads.", 0)
    samples: int | None = _count(None, "Samples of the data set: then the bytes written an epoch are known.")
    samples_per_day: int | None = _count(
        None, "Samples that a device trains on in a day: then it is known how many years its flash lasts."
    )
    writes_per_day: str | None = _text(
        None, "What a day may write: then the plan chooses --rotate-every and, where that is enough, --slices-per-step.", "SIZE"
    )
    rotate_every: int | None = _count(None, "Steps that a slice stays. Default: 1, or on a board an equal part of an epoch.")

    def __post_init__(self) -> None:
        for each in fields(self):
            value, flag = getattr(self, each.name), _flag(each.name)
            allowed, limits = choices_of(each), each.metadata.get("range")
            if allowed is not None and value not in allowed:
                raise UsageError(f"{flag} {value}", "is not known", f"use {', '.join(allowed)}")
            if limits is not None and value is not None and not limits[0] <= value <= limits[1]:
                raise UsageError(f"{flag} {value}", f"is not between {limits[0]:,} and {limits[1]:,}", "give a number in between")
        if self.schedule == "full" and self.slices not in (AUTO, "1x1"):
            raise UsageError(f"--slices {self.slices}", "the schedule 'full' has no slices", "leave one of the two out")
        if self.slices_at == "one" and self.schedule != "slice":
            raise UsageError("--slices-at one", f"the schedule '{self.schedule}' moves all layers", "leave one of the two out")
        self._check_turns()
        if self.train == AUTO and self.method != AUTO:
            raise UsageError("--train auto", "is for --method auto", "name what to train, such as last:2, or add --method auto")
        self.grid()
        parse_class_weights(self.class_weights)

    @property
    def against_several_slices(self) -> str:
        """Why a step cannot move several slices of a layer; empty where it can."""
        against = {
            f"the schedule '{self.schedule}' moves all of a layer": self.schedule != "slice",
            "a step of --slices-at one moves the slice of one layer": self.slices_at == "one",
            "blocks of --order interleaved take their steps together": self.order == "interleaved",
            "a slice that stays (--rotate-every) would be written in every step": (self.rotate_every or 1) > 1,
        }
        return next((problem for problem, is_given in against.items() if is_given), "")

    def _check_turns(self) -> None:
        """What says how many slices move, how long they stay, and how much that may write."""
        if self.slices_per_step > 1 and self.against_several_slices:
            problem, mend = self.against_several_slices, "leave one of the two out"
            raise UsageError(f"--slices-per-step {self.slices_per_step}", problem, mend)
        if self.writes_per_day is not None and self.samples_per_day is None:
            mend = "give --samples-per-day too"
            raise UsageError(f"--writes-per-day {self.writes_per_day}", "says nothing without the samples of a day", mend)

    def refuse_others(self, given: Mapping[str, Any]) -> None:
        """Refuse options, by the names of fields, that do not repeat what these say.

        Raises:
            UsageError: names the first.
        """
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in given:
            refuse_renamed(name)
        for name, value in with_learner(given).items():
            if known.get(name, known) != value:
                problem = f"is not what the plan says ({known[name]})" if name in known else "is no option of planning"
                raise UsageError(f"{_flag(name)} {value}", problem, "plan again with it")

    def grid(self) -> Slices | None:
        """The grid asked for, or ``None`` where the plan chooses."""
        if self.slices == AUTO:
            return None
        match = _GRID.fullmatch(self.slices)
        if match is None or not int(match[1]) or not int(match[2]):
            raise UsageError(f"--slices {self.slices}", "is not a grid", "write inputs x outputs, for example 2x2, or auto")
        return Slices(int(match[1]), int(match[2]))
