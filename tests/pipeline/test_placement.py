"""Which provider takes which nodes: by tables that are read from files, and by the provider itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests.run.trained_models import artifact_of
from tinyfoa_rt.cli import main
from tinyfoa_rt.emit.inlined import read_nodes
from tinyfoa_rt.pipeline.placement import place_steps, placement_record
from tinyfoa_rt.providers import REWRITES, ProviderTable, provider_tables
from tinyfoa_rt.run.assignment import ask_provider, can_tell_assignment, inline


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("placement")
    artifact_of(folder).save(folder / "artifact")
    return folder / "artifact"


def tables() -> dict[str, ProviderTable]:
    return {table.title: table for table in provider_tables()}


def test_tables_of_all_providers_are_there() -> None:
    assert set(tables()) == {"NNAPI", "CoreML", "OpenVINO", "QNN", "WebGPU", "XNNPACK"}
    for table in tables().values():
        assert "MatMul" in table.operators and table.source
        known = {schema.name for schema in onnx.defs.get_all_schemas()} | {"Gelu", "LayerNormalization"}
        ours = table.operators if table.source.startswith("onnxruntime documentation") else frozenset()
        assert ours <= known, ours - known  # a misspelt name would never be found


def test_weights_that_must_be_constant_are_not_those_of_training() -> None:
    for title in ("NNAPI", "XNNPACK"):
        assert not tables()[title].takes("Conv", has_constant_weight=False)
        assert tables()[title].takes("Conv", has_constant_weight=True)
    assert not tables()["CoreML"].takes("Gemm", has_constant_weight=False)
    assert tables()["NNAPI"].takes("MatMul", has_constant_weight=False)


def test_nodes_are_those_that_a_provider_is_given(folder: Path) -> None:
    """Functions are inlined: what is left are operators of ONNX."""
    nodes = read_nodes(inline((folder / "steps" / "1.onnx").read_bytes()))
    operators = Counter(node.op_type for node in nodes)
    assert operators["MatMulInteger"] == 4 and not [name for name in operators if name.startswith("tinyfoa")]


def test_numbers_add_up(folder: Path) -> None:
    from tinyfoa_rt.run import Artifact

    placements = place_steps(Artifact.load(folder))
    by_name = {each.provider: each for each in placements}
    assert placements[0].provider == "CPU" and placements[0].taken == placements[0].nodes
    for each in placements:
        assert each.taken + sum(each.left.values()) == each.nodes == placements[0].nodes
        assert set(each.rewrites) <= set(each.left)
        assert 0 < each.parts <= each.taken
    assert by_name["NNAPI"].left["MatMulInteger"] == by_name["NNAPI"].rewrites["MatMulInteger"] == 6
    assert "MatMulInteger" not in by_name["OpenVINO"].left
    assert json.loads(json.dumps(placement_record(placements)))[0]["provider"] == "CPU"


@pytest.mark.skipif(not can_tell_assignment(), reason="this onnxruntime does not say which provider takes what")
def test_a_provider_is_asked(folder: Path) -> None:
    model = inline((folder / "steps" / "1.onnx").read_bytes())
    answer = ask_provider(model, "CPUExecutionProvider")
    assert answer.operators == Counter(node.op_type for node in read_nodes(model))


@pytest.mark.parametrize("name", ["Sign", "Where", "And", "MatMulInteger", "ReduceL1", "ReduceSum", "LogSoftmax", "Neg"])
def test_other_words_say_the_same(name: str) -> None:
    """Each rewrite as a graph of exactly those operators, on values as a step has them."""
    rng = np.random.default_rng(0)
    signs = np.where(rng.random((6, 5)) < 0.5, -1, 1).astype(np.float32)
    real, mask = rng.normal(size=(6, 5)).astype(np.float32), (rng.random((6, 5)) < 0.5).astype(np.float32)
    ones = np.ones((5, 1), np.float32)
    bits = mask.astype(np.uint8)
    said: dict[str, tuple[list[tuple[str, list[str], str]], Callable[[], NDArray[Any]]]] = {
        "Sign": (
            [("Greater", ["x", "zero"], "g"), ("Cast", ["g"], "c")],
            lambda: (real > 0).astype(np.float32),
        ),
        "Where": ([("Mul", ["mask", "x"], "m")], lambda: np.where(mask > 0, real, 0)),
        "And": ([("Mul", ["mask", "other"], "m")], lambda: ((mask > 0) & (signs > 0)).astype(np.float32)),
        "MatMulInteger": (
            [("Cast", ["bits"], "c"), ("MatMul", ["c", "w"], "m")],
            lambda: bits.astype(np.int32) @ signs.T.astype(np.int32),
        ),
        "ReduceL1": ([("Abs", ["x"], "a"), ("ReduceSum", ["a", "axis"], "r")], lambda: np.abs(real).sum(1, keepdims=True)),
        "ReduceSum": ([("MatMul", ["x", "ones"], "m")], lambda: real.sum(1, keepdims=True)),
        "LogSoftmax": (
            [("Softmax", ["x"], "s"), ("Log", ["s"], "l")],
            lambda: real - np.log(np.exp(real).sum(1, keepdims=True)),
        ),
        "Neg": ([("Mul", ["x", "minus"], "m")], lambda: -real),
    }
    nodes, expected = said[name]
    assert tuple(op_type for op_type, _, _ in nodes) == REWRITES[name]
    constants: dict[str, NDArray[Any]] = {
        "x": real, "mask": mask, "other": (signs > 0).astype(np.float32), "bits": bits, "w": signs.T.copy(), "ones": ones,
        "zero": np.zeros(1, np.float32), "minus": np.full(1, -1, np.float32), "axis": np.array([1], np.int64),
    }  # fmt: skip
    made = [
        helper.make_node(op_type, inputs, [output], to=onnx.TensorProto.FLOAT)
        if op_type == "Cast"
        else helper.make_node(op_type, inputs, [output])
        for op_type, inputs, output in nodes
    ]
    outputs = [helper.make_tensor_value_info(nodes[-1][2], onnx.TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(made, "words", [], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {})
    # Sums of five numbers, in float32.
    np.testing.assert_allclose(found, expected(), rtol=1e-5, atol=1e-6)


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["inspect", str(folder), "--providers"])
    assert not end.value.code
    text = capsys.readouterr().out
    assert "OpenVINO" in text and "would take, in other words: " in text
    with pytest.raises(SystemExit) as end:
        main(["inspect", str(folder / "inference.onnx"), "--providers"])
    assert end.value.code == 2
    assert "build the model first" in capsys.readouterr().err
