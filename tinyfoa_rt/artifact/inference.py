"""The trained model, one ONNX file: training writes its parameters anew, whose places the manifest knows, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import ParameterRecord
from tinyfoa_rt.artifact.tensor_file import check_finite
from tinyfoa_rt.artifact.wire import fields
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import replacing
from tinyfoa_rt.names import elide

__all__ = ["find_parameters", "write_inference"]

# Fields of onnx.proto: the graph of a model, its initializers, their name and raw_data.
_GRAPH, _INITIALIZER, _NAME, _RAW_DATA = 7, 5, 8, 9


def find_parameters(model: bytes, tensors: Mapping[str, NDArray[Any]]) -> tuple[ParameterRecord, ...]:
    """Return where the initializers of a serialized model that are among ``tensors`` have their bytes."""
    found = []
    (graph,) = (span for span in _messages(model, (0, len(model)), _GRAPH))
    for initializer in _messages(model, graph, _INITIALIZER):
        (name,) = (model[start:stop].decode() for start, stop in _messages(model, initializer, _NAME))
        if name in tensors:
            ((start, stop),) = _messages(model, initializer, _RAW_DATA)
            assert stop - start == tensors[name].nbytes, "an initializer holds the tensor of its name"
            found.append(ParameterRecord(name, start, stop - start))
    return tuple(sorted(found, key=lambda each: each.offset))


def _messages(model: bytes, span: tuple[int, int], field: int) -> Iterable[tuple[int, int]]:
    return ((start, stop) for number, _, start, stop in fields(model, *span, "inference") if number == field)


def write_inference(path: Path, model: bytes, parameters: Iterable[ParameterRecord], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write ``model`` with its parameters as they are in ``tensors``; a power cut leaves the old file or the new one.

    Raises:
        InputError: the file cannot be written, a tensor holds NaN or Inf, or the manifest gives it no place of its size.
    """
    check_finite(path, tensors)
    parameters = tuple(parameters)
    for each in parameters:
        if each.name not in tensors or tensors[each.name].nbytes != each.nbytes:
            raise InputError("manifest, parameters", f"has no place for '{elide(each.name)}'", "build the artifact again")
    view, at = memoryview(model), 0
    with replacing(path) as append:
        for each in parameters:
            values = tensors[each.name]
            append(view[at : each.offset])
            append(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)
            at = each.offset + each.nbytes
        append(view[at:])
