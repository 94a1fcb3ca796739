"""Which provider takes which nodes: by tables that are read from files, and by the provider itself."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import onnx
import pytest

from tests.run.trained_models import artifact_of
from tinyfoa_rt.cli import main
from tinyfoa_rt.emit.inlined import read_nodes
from tinyfoa_rt.planner.placement import place_steps, placement_record
from tinyfoa_rt.providers import ProviderTable, provider_tables
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
