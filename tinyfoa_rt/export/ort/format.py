"""Models in ORT format, which minimal builds of onnxruntime load, by onnxruntime's own converter."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyfoa_rt.operators import DOMAIN

__all__ = ["OrtModels", "to_ort_format"]


# Of optimization; the converter puts it into the names of files.
_LEVEL = "disable"


@dataclass(frozen=True)
class OrtModels:
    """Converted models.

    Attributes:
        models: by the same keys as what was given.
        required_operators: for ``build.py --minimal_build --include_ops_by_config``: all operators and types in them.
    """

    models: Mapping[str, bytes]
    required_operators: str


def to_ort_format(models: Mapping[str, bytes], packed: Mapping[str, bytes], kernels: Path | None) -> OrtModels:
    """Convert ONNX models to ORT format.

    Function bodies are inlined, and nothing is optimized: a plan has counted the nodes as they are. The same model may give
    other bytes the next time: onnxruntime's order of some tables is its hash's.

    Args:
        models: those that run on standard operators.
        packed: those that run on kernels. ORT format holds no functions, so they need the library wherever they run.
        kernels: the library of kernels; without it ``packed`` is left out.
    """
    from onnxruntime.tools.ort_format_model import create_config_from_models

    with tempfile.TemporaryDirectory() as name, _quiet():
        folder = Path(name)
        places = _convert(models, folder / "models", None)
        if kernels is not None and packed:
            places |= _convert(packed, folder / "packed", kernels)
        create_config_from_models(places.values(), folder / "config", True)
        config = (folder / "config").read_text(encoding="utf-8")
        converted = {path: place.read_bytes() for path, place in places.items()}
    # Comments name the files of this machine; the operators of the library are no part of onnxruntime.
    lines = [line for line in config.splitlines() if not line.startswith(("#", f"{DOMAIN};"))]
    return OrtModels(converted, "\n".join(lines) + "\n")


def _convert(models: Mapping[str, bytes], folder: Path, kernels: Path | None) -> dict[str, Path]:
    """Convert models in a new folder; return where each is."""
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    folder.mkdir()
    for index, content in enumerate(models.values()):
        (folder / f"{index}.onnx").write_bytes(content)
    with _variable("ORT_CONVERT_ONNX_MODELS_TO_ORT_OPTIMIZATION_LEVEL", _LEVEL):
        convert_onnx_models_to_ort(folder, folder, [OptimizationStyle.Fixed], kernels, target_platform="arm")
    return {path: folder / f"{index}.{_LEVEL}.ort" for index, path in enumerate(models)}


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """The converter takes this from the environment alone."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


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
