"""The packed form of models: the bodies of packed operators say the same as those of their operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.emit.local_models import local_net
from tests.ops.body_cases import BodyCase, Tolerance
from tests.ops.one_node import EVALUATORS, one_node_model
from tests.ops.packed_models import packed_cases, packed_inputs, packed_model, packed_outputs
from tests.ops.references import REFERENCES
from tests.profiles_for_tests import ALLOCATOR
from tests.run.trained_models import artifact_of
from tests.small_models import load_model, mlp
from tests.steps.step_graphs import step_of
from tinyfoa_rt.emit import can_pack, emit_step
from tinyfoa_rt.emit.packed import PACKED_OPERATORS
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.steps import StepChoice

CASES = packed_cases()
SAME_BITS = Tolerance(0, 0, "the same numbers, or sums of whole ones")
SLICED = StepChoice(Slices(2, 2), 6, holds_slice=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_packed_operator_says_what_its_operator_says(case: BodyCase) -> None:
    expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
    plain = EVALUATORS["onnxruntime"](case, one_node_model(case, expected))
    model = packed_model(case, plain)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = dict(zip([each.name for each in model.graph.input], packed_inputs(case)))
    # A slice apart adds real errors twice to what has them taken off once.
    limits = case.tolerance if case.op_type == "SignDenseInputGrad" and "sliced" in case.variants else SAME_BITS
    for found, right in zip(session.run(None, feeds), packed_outputs(plain), strict=True):
        assert found.dtype == right.dtype
        np.testing.assert_allclose(found, right, limits.relative, limits.absolute, err_msg=limits.reason)


def test_every_packed_operator_is_compared() -> None:
    """Those of whole numbers: in tests/ort_ops/test_integers.py."""
    assert {case.op_type for case in CASES} == {
        name for name in PACKED_OPERATORS if "OnIntegers" not in name and "OfIntegers" not in name
    }


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
@pytest.mark.parametrize("index", range(3))
def test_packed_steps_are_whole_models(tmp_path: Path, index: int, optimizer: str) -> None:
    step = step_of(load_model(mlp((40, 24, 20, 4)), tmp_path), index, ALLOCATOR, SLICED, optimizer=optimizer)
    assert can_pack(step)
    model = emit_step(step, is_packed=True)
    onnx.checker.check_model(model, full_check=True)
    called = {node.op_type for node in model.graph.node if node.domain} | {
        node.op_type for function in model.functions for node in function.node if node.domain
    }
    assert called == {function.name for function in model.functions}
    types = {each.name: each.type.tensor_type.elem_type for each in [*model.graph.input, *model.graph.output]}
    assert not {onnx.TensorProto.INT8, onnx.TensorProto.UINT8} & set(types.values())
    if optimizer in ("sgd", "normalized"):
        assert "PackedPackSigns" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "normalized"])
def test_layers_of_one_block_read_real_numbers_and_bits(tmp_path: Path, optimizer: str) -> None:
    artifact = artifact_of(tmp_path, block_layers="all", optimizer=optimizer)
    (path,) = (path for path in artifact.models if path.startswith("packed/steps/"))
    model = onnx.load_from_string(artifact.models[path])
    onnx.checker.check_model(model, full_check=True)
    onnxruntime.InferenceSession(artifact.models[path], providers=["CPUExecutionProvider"])
    joined = {"sgd": "PackedDenseSignStep", "normalized": "PackedDenseNormalizedSignStep"}
    step = joined.get(optimizer, "PackedDenseSliceGrad")
    assert {step, f"{step}OfReals", "PackedSignDenseInputGrad"} <= {node.op_type for node in model.graph.node}


def test_artifacts_of_dense_networks_have_both_forms(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    assert artifact.has_packed_form
    assert {path for path in artifact.models if path.startswith("packed/")} == {
        f"packed/{path}" for path in artifact.manifest.model_paths
    }


def test_locally_connected_layers_have_no_packed_form(tmp_path: Path) -> None:
    graph = load_model(local_net(), tmp_path)
    assert not build(graph, plan(graph, "1MB", batch=6)).has_packed_form
