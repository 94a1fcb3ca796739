"""Models in ORT format, which minimal builds of onnxruntime load, by onnxruntime's own converter."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OrtModels", "to_ort_format"]

_CONFIG = "required_operators_and_types.config"


@dataclass(frozen=True)
class OrtModels:
    """Converted models.

    Attributes:
        models: by the same keys as what was given.
        required_operators: for ``build.py --minimal_build --include_ops_by_config``: all operators and types in them.
    """

    models: Mapping[str, bytes]
    required_operators: str


def to_ort_format(models: Mapping[str, bytes]) -> OrtModels:
    """Convert ONNX models to ORT format.

    Function bodies are inlined and graphs are optimized as a session does it, without what depends on the processor. The same
    model may give other bytes the next time: onnxruntime's order of some tables is its hash's.
    """
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    with tempfile.TemporaryDirectory() as name, _quiet():
        source, target = Path(name) / "onnx", Path(name) / "ort"
        source.mkdir()
        for index, content in enumerate(models.values()):
            (source / f"{index}.onnx").write_bytes(content)
        convert_onnx_models_to_ort(source, target, [OptimizationStyle.Fixed], target_platform="arm", enable_type_reduction=True)
        converted = {path: (target / f"{index}.ort").read_bytes() for index, path in enumerate(models)}
        config = (target / _CONFIG).read_text(encoding="utf-8")
    lines = [line for line in config.splitlines() if not line.startswith("#")]  # comments name the files of this machine
    return OrtModels(converted, "\n".join(lines) + "\n")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The converter prints and logs its progress, and leaves it to Python to close what it has read."""
    level = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        logging.disable(level)
