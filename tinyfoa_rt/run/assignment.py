"""What an installed execution provider takes of a model, asked of onnxruntime."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

__all__ = ["Answer", "ask_provider", "can_tell_assignment", "inline", "installed_providers"]

_CPU = "CPUExecutionProvider"


@dataclass(frozen=True)
class Answer:
    """Operators of the nodes that a provider takes, with their number, and in how many parts."""

    operators: Counter[str]
    parts: int


def installed_providers() -> tuple[str, ...]:
    """Providers in this onnxruntime, in its order of preference."""
    return tuple(onnxruntime.get_available_providers())


def can_tell_assignment() -> bool:
    """Whether this onnxruntime says which provider has taken a node: 1.24 and newer do."""
    return hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")


def inline(model: bytes) -> bytes:
    """Return the model as providers are given it: functions inlined and constants folded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inlined.onnx"
        options = _options()
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model, options, providers=[_CPU])
        return path.read_bytes()


def ask_provider(model: bytes, provider: str) -> Answer:
    """Return what an installed provider takes of a model that :func:`inline` has returned."""
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # or nodes would go away
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(model, options, providers=list(dict.fromkeys((provider, _CPU))))
    taken = [part for part in session.get_provider_graph_assignment_info() if part.ep_name == provider]
    return Answer(Counter(node.op_type for part in taken for node in part.get_nodes()), len(taken))


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return options
