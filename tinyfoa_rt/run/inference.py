"""The parameters of the trained model, in the file that ``inference.onnx`` reads them from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.records import Manifest
from tinyfoa_rt.run.tensor_file import write_tensors
from tinyfoa_rt.run.tensor_header import encode_header, layout

__all__ = ["inference_layout", "write_inference_tensors"]


def inference_layout(manifest: Manifest, initial: Mapping[str, NDArray[Any]], file: str) -> dict[str, tuple[str, int, int]]:
    """Return where each parameter of the forward pass lies in ``file``: (file, offset, bytes)."""
    entries = layout(ModelState(manifest, initial).forward_tensors())
    start = len(encode_header(entries, {}))  # the length of the header included
    return {entry.name: (file, start + entry.start, entry.stop - entry.start) for entry in entries}


def write_inference_tensors(path: Path, state: ModelState) -> None:
    """Write the parameters as they are now; the file is the old one or the new one even after a power cut."""
    write_tensors(path, state.forward_tensors(as_bytes=True), {})
