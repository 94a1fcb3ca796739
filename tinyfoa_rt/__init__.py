"""Train ONNX models on the device, inside a memory budget that is known before it runs.

>>> import tinyfoa_rt
>>> model = tinyfoa_rt.load("model.onnx")                       # doctest: +SKIP
>>> plan = tinyfoa_rt.plan(model, budget="256KB", target="c99")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinyfoa_rt.errors import TinyfoaError

if TYPE_CHECKING:
    from tinyfoa_rt.artifact.folder import Artifact
    from tinyfoa_rt.comparison import compare
    from tinyfoa_rt.ir.graph import Graph
    from tinyfoa_rt.ir.plan import Plan
    from tinyfoa_rt.model import load
    from tinyfoa_rt.pipeline import build, plan
    from tinyfoa_rt.run.trainer import Trainer

__version__ = "0.1.0"

__all__ = ["Artifact", "Graph", "Plan", "TinyfoaError", "Trainer", "__version__", "build", "compare", "load", "plan"]

# Imported when they are first used: onnx and networkx are slow to import, and `tinyfoa-rt --help` needs neither.
_LAZY = {
    "Artifact": "tinyfoa_rt.artifact.folder",
    "Graph": "tinyfoa_rt.ir.graph",
    "Plan": "tinyfoa_rt.ir.plan",
    "Trainer": "tinyfoa_rt.run.trainer",
    "build": "tinyfoa_rt.pipeline",
    "compare": "tinyfoa_rt.comparison",
    "load": "tinyfoa_rt.model",
    "plan": "tinyfoa_rt.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
