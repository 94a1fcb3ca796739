"""The pipeline: file -> draft -> opset 18 -> types and constants -> ``Graph``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tinyfoa_rt.errors import ModelError, TinyfoaError, UnsupportedError
from tinyfoa_rt.ir.graph import Graph, Source
from tinyfoa_rt.model.batch import infer_any_batch
from tinyfoa_rt.model.build import build_graph, keep_tensor_outputs
from tinyfoa_rt.model.digest import sha256_of
from tinyfoa_rt.model.draft import Draft, draft_model
from tinyfoa_rt.model.finite import check_finite
from tinyfoa_rt.model.inference_mode import in_inference_mode
from tinyfoa_rt.model.layout import pool_channels_first
from tinyfoa_rt.model.operands import check_operands
from tinyfoa_rt.model.opset import LOWEST_OPSET, raise_opset
from tinyfoa_rt.model.order import order_nodes
from tinyfoa_rt.model.pooled_input import MEND, with_pooled_input
from tinyfoa_rt.model.read import read_model
from tinyfoa_rt.model.rebatch import open_batch
from tinyfoa_rt.model.schema import check_node
from tinyfoa_rt.model.verify import verify_graph

__all__ = ["load"]


def load(path: str | os.PathLike[str], *, shapes: Mapping[str, Sequence[int]] | None = None, pool_input: int = 1) -> Graph:
    """Read an ONNX file of opset 7 to 24.

    Args:
        path: the file; external data is read from its folder only, and only when a constant is read.
        shapes: sizes for inputs with dynamic dimensions, by input name; the leading one is the batch and becomes 1.
        pool_input: put means of so many positions along each axis of the input in front of the model, which is then one of a
            smaller input; samples stay as they are.

    Raises:
        UsageError: ``shapes`` does not fit the model, or ``pool_input`` is out of range.
        ModelError: the file cannot be read or is not valid.
        UnsupportedError: it is valid, but cannot be planned for, or takes no smaller input.
    """
    file = Path(path)
    try:
        graph = _load(file, shapes or {})
        return graph if pool_input == 1 else _load_pooled(file, shapes or {}, pool_input)
    except TinyfoaError:
        raise
    except Exception as error:  # the file is untrusted: whatever the libraries below trip over is its fault
        cause = (str(error).splitlines() or [""])[0][:300]
        problem = f"cannot be understood ({type(error).__name__}: {cause})"
        raise ModelError(str(file), problem, "check it with onnx.checker, or export it again") from error


def _load_pooled(file: Path, shapes: Mapping[str, Sequence[int]], size: int) -> Graph:
    """A model that holds together, with a smaller input: where it does not take that, this is the reason."""
    try:
        return _load(file, shapes, size)
    except TinyfoaError as error:
        place = f"--pool-input {size}"
        if error.place == place:
            raise
        problem = f"makes the input smaller than the model takes: {error.place} {error.problem}"
        raise UnsupportedError(place, problem, MEND) from error


def _load(file: Path, shapes: Mapping[str, Sequence[int]], pool_input: int = 1) -> Graph:
    model = read_model(file)
    draft = draft_model(model, file)
    source = Source(str(file), sha256_of(model, file), {name: tuple(shape) for name, shape in shapes.items()}, pool_input)
    if pool_input != 1:
        draft = with_pooled_input(draft, pool_input, shapes)
    draft = order_nodes(draft)
    _check_operators(draft)
    draft = order_nodes(in_inference_mode(draft))
    check_finite(draft)
    draft = open_batch(draft, shapes)
    found = infer_any_batch(draft, shapes)
    draft = keep_tensor_outputs(draft, found.single)
    if draft.opsets[""] < LOWEST_OPSET:
        draft = order_nodes(raise_opset(draft, found))
        found = infer_any_batch(draft, shapes)
    graph = pool_channels_first(build_graph(draft, found))
    check_operands(graph)
    verify_graph(graph)
    return replace(graph, source=source)


def _check_operators(draft: Draft) -> None:
    for node in draft.nodes:
        check_node(node, draft.opsets)
    for function in draft.functions:
        opsets = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in function.opset_import}
        for node in function.node:
            check_node(node, opsets, is_in_function=True)
