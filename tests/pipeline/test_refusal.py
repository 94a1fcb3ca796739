"""What a build or an export would refuse, the planner and the inspection refuse, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from rich.console import Console

from tests.random_models import random_models
from tests.small_models import ModelBuilder, conv_net, load_model
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.c99 import lower
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.graph import Constant, Graph
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.report.inspection import print_inspection


def two_inputs() -> onnx.ModelProto:
    builder = ModelBuilder((8,))
    x = builder.dense(builder.node("Concat", ("input", "mask"), axis=1), 10, 4, "fc")
    model = builder.model(x)
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 2]))
    return model


def dense_at_positions() -> onnx.ModelProto:
    builder = ModelBuilder((5, 6))
    x = builder.node("Relu", (builder.node("MatMul", ("input", builder.weight(6, 8)), "tokens"),))
    x = builder.node("GlobalAveragePool", (builder.node("Transpose", (x,), perm=[0, 2, 1]),))
    x = builder.node("Flatten", (x,))
    return builder.model(builder.dense(x, 8, 3, "fc"))


def sine() -> onnx.ModelProto:
    """A frozen operator that has no C99 kernel."""
    builder = ModelBuilder((8,))
    x = builder.node("Sin", (builder.dense("input", 8, 8, "fc1"),), "sine")
    return builder.model(builder.dense(x, 8, 4, "fc2"))


CASES: list[tuple[Callable[[], onnx.ModelProto], dict[str, Any], str]] = [
    (two_inputs, {"target": "c99"}, "generated C takes one input"),
    (dense_at_positions, {}, "is a dense layer at several positions"),
    (sine, {"train": "last:1", "target": "c99"}, "Sin has no C99 kernel"),
]


def inspection_of(graph: Graph) -> str:
    out = StringIO()
    print_inspection(graph, Console(file=out, width=1000))
    return out.getvalue()


@pytest.mark.parametrize(("make", "options", "words"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_planner_refuses_what_a_build_or_an_export_would(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], options: dict[str, Any], words: str
) -> None:
    graph = load_model(make(), tmp_path)
    with pytest.raises(UnsupportedError, match=words):
        plan(graph, "1MB", **options)
    if options.get("target") != "c99":  # inspection is for onnxruntime
        assert words in inspection_of(graph)


def test_a_whole_model_is_not_refused_by_inspection(tmp_path: Path) -> None:
    assert "cannot be trained" not in inspection_of(load_model(conv_net(), tmp_path))


@settings(max_examples=20)
@given(random_models(), st.sampled_from(["ort-cpu", "c99"]))
def test_a_plan_that_is_accepted_builds_and_exports(tmp_path: Path, model: onnx.ModelProto, target: str) -> None:
    graph = load_model(model, tmp_path)
    artifact = build(graph, plan(graph, "4MB", target=target))
    if target == "c99":
        scales = {scale_of(value): np.ones((), np.float32) for block in artifact.blocks for value in block.binary}
        lower(c_source(artifact, {**artifact.initial, **scales}))


@pytest.mark.parametrize("target", ["ort-cpu", "c99"])
def test_planning_reads_no_weight(tmp_path: Path, target: str) -> None:
    def unread(constant: Constant) -> Constant:
        def read() -> Any:
            raise AssertionError(f"{constant.name} is read")

        return replace(constant, read=read) if constant.size > 16 else constant

    graph = load_model(conv_net(), tmp_path)
    constants = {name: unread(constant) for name, constant in graph.constants.items()}
    assert plan(replace(graph, constants=constants), "4MB", target=target).feasible
