"""Emitted steps are ordinary ONNX models; without a body, or with arguments that are not kept, they are refused."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.profiles_for_tests import ALLOCATOR
from tests.small_models import ModelBuilder, load_model, mlp
from tests.steps.step_graphs import step_of
from tinyfoa_rt.emit import emit_forward, emit_step, load_functions
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.model import load
from tinyfoa_rt.operators import DOMAIN, OPERATORS
from tinyfoa_rt.operators.signature import snake_case
from tinyfoa_rt.partition import partition
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.steps import StepChoice, assemble_forward
from tinyfoa_rt.zoo import write_model

SLICED = StepChoice(Slices(2, 2), 6, holds_slice=True)
WHOLE = StepChoice(Slices(1, 1), 6, holds_slice=False)
BODIES = sorted(resource_path("graphs/ops").glob("*.onnxtxt"))


@pytest.mark.parametrize("choice", [SLICED, WHOLE], ids=["sliced", "whole"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
def test_the_full_checker_accepts_every_step(tmp_path: Path, choice: StepChoice, optimizer: str, binarize: str) -> None:
    graph = load_model(mlp((40, 24, 20, 4)), tmp_path)
    for index in range(3):
        model = emit_step(step_of(graph, index, ALLOCATOR, choice, optimizer=optimizer, binarize=binarize))
        onnx.checker.check_model(model, full_check=True)
        assert {opset.domain: opset.version for opset in model.opset_import} == {"": 18, DOMAIN: 1}
        assert model.ir_version == 9


def test_every_update_has_the_type_of_what_it_updates(tmp_path: Path) -> None:
    model = emit_step(step_of(load_model(mlp((40, 24, 20, 4)), tmp_path), 0, ALLOCATOR, SLICED, optimizer="adam"))
    inputs = {each.name: each.type for each in model.graph.input}
    updates = [each for each in model.graph.output if each.name.endswith("#next")]
    assert {each.name for each in updates} >= {"fc1#w_slice#next", "fc1#w_slice#bits#next", "relu1_out#scale#next"}
    assert all(inputs[each.name.removesuffix("#next")] == each.type for each in updates)


def test_emission_is_deterministic(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    first, second = (emit_step(step_of(graph, 0, ALLOCATOR, SLICED)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_bodies_match_their_rows_and_use_standard_operators(path: Path) -> None:
    function = onnx.parser.parse_function(path.read_text(encoding="utf-8"))
    assert function.domain == DOMAIN
    assert path.name.split(".")[0] == snake_case(function.name)
    row = OPERATORS.get(function.name)
    if row is not None:
        assert list(function.input) == [port.name for port in row.inputs]
        outputs = [port.name for port in row.outputs if not (".forward." in path.name and port.is_optional)]
        assert list(function.output) == outputs
    own = {onnx.parser.parse_function(other.read_text(encoding="utf-8")).name for other in BODIES}
    for node in function.node:
        assert node.op_type in own or onnx.defs.has(node.op_type, ""), node.op_type


def test_callees_come_along() -> None:
    names = [function.name for function in load_functions(["BinaryDense"], variants=frozenset({"sliced"}))]
    assert set(names) == {"BinaryDense", "SplitOrigin", "SliceColumns", "PlaceColumns", "ScaleSums"}
    assert [f.name for f in load_functions(["BinaryDense"])] == ["ScaleSums", "BinaryDense"]


def test_an_operator_without_a_body_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="SparseDense: cannot run on onnxruntime yet"):
        load_functions(["SparseDense"])


def test_every_row_of_the_table_has_a_body() -> None:
    assert [function.name for function in load_functions(OPERATORS) if function.name in OPERATORS] == [*OPERATORS]


def test_constants_of_the_model_are_initializers(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    clipped = builder.node("Clip", (builder.dense("input", 8, 8, "fc1"), builder.scalar(-1.0), builder.scalar(1.0)))
    reshaped = builder.node("Unsqueeze", (clipped, builder.ints(1)), "odd")
    graph = builder.load(tmp_path, builder.dense(builder.node("Flatten", (reshaped,)), 8, 3, "fc2"))
    forward, _ = assemble_forward(graph, partition(graph), {}, ALLOCATOR, 1)
    model = emit_forward(forward)
    onnx.checker.check_model(model, full_check=True)
    assert [each.name for each in model.graph.input] == ["input"]
    axes = next(node for node in model.graph.node if node.name == "odd").input[1]
    assert axes in {each.name for each in model.graph.initializer}
    x = np.random.default_rng(3).normal(size=(5, 8)).astype(np.float32)
    ours = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})[0]
    plain = onnxruntime.InferenceSession(tmp_path / "small.onnx").run(None, {"input": x})[0]
    np.testing.assert_array_equal(ours, plain)


def test_uneven_slices_have_open_sizes(tmp_path: Path) -> None:
    graph = load_model(mlp((40, 25, 20, 4)), tmp_path)
    model = emit_step(step_of(graph, 0, ALLOCATOR, StepChoice(Slices(3, 2), 6, holds_slice=True)))
    onnx.checker.check_model(model, full_check=True)
    dims = {each.name: each.type.tensor_type.shape.dim for each in model.graph.input}
    assert all(dim.dim_param for dim in dims["fc1#w_slice"])
    assert [dim.dim_value for dim in dims["fc1#w"]] == [40, 25]


def test_a_trained_bias_is_not_mistaken_for_the_model_s_constant_of_its_name(tmp_path: Path) -> None:
    write_model("mlp-64-128-128-10", tmp_path / "model.onnx")  # its biases are called fc1.bias, as a step calls them
    graph = load(tmp_path / "model.onnx")
    assert graph.is_constant("fc1.bias")
    model = emit_step(step_of(graph, 0, ALLOCATOR, SLICED, num_outputs=10))
    assert "fc1#bias" in {each.name for each in model.graph.input}
    assert "fc1#bias" not in {each.name for each in model.graph.initializer}
