"""Learners: names for sets of options of planning, as ``--method`` and comparisons take them.

What is given beside the name of a learner takes the place of its own: ``--method backpropagation --binarize both``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LEARNERS", "with_learner"]

# What a learner differs in from the defaults of `tinyfoa-rt train`: layer-wise, local heads, weights and activations of a bit.
LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "tinyfoa": {},
    "tinyfoa-float": {"binarize": "none"},
    "freeze-diagonal": {"schedule": "freeze-diagonal"},
    "backpropagation": {"block_layers": "all", "binarize": "none", "schedule": "full"},
    "backpropagation+bw+ba": {"block_layers": "all", "binarize": "both", "schedule": "full"},
    "drtp": {"method": "drtp", "binarize": "none", "schedule": "full"},
    "drtp+bw+ba": {"method": "drtp", "binarize": "both", "schedule": "full"},
    "pepita": {"method": "pepita", "binarize": "none", "schedule": "full"},
    "pepita+bw+ba": {"method": "pepita", "binarize": "both", "schedule": "full"},
    "forward-forward": {"method": "forward-forward", "binarize": "none", "schedule": "full", "optimizer": "adam"},
    "forward-forward+bw+ba": {"method": "forward-forward", "binarize": "both", "schedule": "full", "optimizer": "adam"},
}
_LAYER_WISE: Mapping[str, Any] = {"method": "local-head", "block_layers": "1"}


def with_learner(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which the name of a learner, their ``method``, is replaced by what it stands for."""
    name = given.get("method", "")
    if name not in LEARNERS:
        return dict(given)
    return {**_LAYER_WISE, **LEARNERS[name], **{option: value for option, value in given.items() if option != "method"}}
