"""Methods as a comparison names them: a learner (ir/learners.py), with options of its own: ``tinyfoa:slices=2x2:epochs=20``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.learners import LEARNERS
from tinyfoa_rt.ir.options import PlanOptions, refuse_renamed

__all__ = ["PLANNING", "SETTINGS", "Method", "method_of_text"]

# The budget and the seeds are those of the comparison, the samples those of its data.
PLANNING = frozenset(each.name for each in fields(PlanOptions)) - {"budget", "seed", "samples"}
_NEXT_OPTION = re.compile(r":(?=[a-z_-]+=)")
SETTINGS = ("epochs", "rate", "rate_schedule", "sampling")


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        text: as the user wrote it.
        planning: fields of :class:`tinyfoa_rt.ir.options.PlanOptions` that it sets.
        settings: those of :class:`tinyfoa_rt.artifact.settings.TrainSettings`.
    """

    text: str
    planning: Mapping[str, Any]
    settings: Mapping[str, Any]


def method_of_text(text: str) -> Method:
    """Return the method that ``LEARNER[:OPTION=VALUE]...`` names.

    Raises:
        UsageError: there is no such learner or option, an option is there twice, or its value is none.
    """
    name, *parts = _NEXT_OPTION.split(text)  # a value may hold colons: train=last:2
    if name not in LEARNERS:
        raise UsageError(f"method {text}", f"there is no learner '{name}'", f"use {', '.join(LEARNERS)}")
    given: dict[str, Any] = {}
    for part in parts:
        option, _, value = part.partition("=")
        option = option.replace("-", "_")
        refuse_renamed(option)
        if option in given:
            raise UsageError(f"method {text}", f"has '{option}' twice", "leave one out")
        if option not in PLANNING and option not in SETTINGS:
            problem = f"'{option}' is no option of a method"
            raise UsageError(f"method {text}", problem, f"use options of 'tinyfoa-rt plan', or {', '.join(SETTINGS)}")
        given[option] = _typed(text, option, value)
    planning = {**LEARNERS[name], **{option: value for option, value in given.items() if option in PLANNING}}
    PlanOptions(**planning)
    settings = {option: value for option, value in given.items() if option in SETTINGS}
    TrainSettings(**settings)
    return Method(text, planning, settings)


def _typed(text: str, option: str, value: str) -> Any:
    """The value as its field takes it."""
    planning = {each.name: int if "range" in each.metadata else str for each in fields(PlanOptions)}
    kind = planning.get(option) or get_type_hints(TrainSettings)[option]
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"method {text}", f"'{value}' is no number, which {option} takes", "give a number") from None
