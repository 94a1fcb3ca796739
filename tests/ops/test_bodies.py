"""Each function body alone, under onnx's reference evaluator and under onnxruntime, against its reference in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from tests.ops.body_cases import BodyCase, dense_cases
from tests.ops.conv_cases import conv_cases
from tests.ops.input_gradient_cases import dense_input_gradient_cases
from tests.ops.local_cases import local_cases
from tests.ops.one_node import EVALUATORS, check_equal, one_node_model
from tests.ops.references import REFERENCES
from tests.ops.vjp_cases import vjp_cases
from tinyfoa_rt.operators.signature import snake_case
from tinyfoa_rt.resources import resource_path

BODIES = sorted(resource_path("graphs/ops").glob("*.onnxtxt"))
CASES = [*dense_cases(), *dense_input_gradient_cases(), *local_cases(), *conv_cases(), *vjp_cases()]


def read(path: Path) -> onnx.FunctionProto:
    return onnx.parser.parse_function(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_body_equals_its_reference(case: BodyCase, evaluator: str) -> None:
    expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
    model = one_node_model(case, expected)
    onnx.checker.check_model(model, full_check=True)
    outputs = EVALUATORS[evaluator](case, model)
    assert len(outputs) == (1 if "forward" in case.variants else len(expected))
    check_equal(case, outputs, expected)


def test_every_body_is_compared() -> None:
    tried = {(case.op_type, variant) for case in CASES for variant in ("", *case.variants)}
    for path in BODIES:
        stem, _, variant = path.stem.partition(".")
        name = next(name for name in REFERENCES if snake_case(name) == stem)
        assert (name, variant) in tried, path.name


def test_every_reference_has_a_body() -> None:
    assert {snake_case(name) for name in REFERENCES} == {path.stem.partition(".")[0] for path in BODIES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_an_output_that_is_one_percent_wrong_is_noticed(case: BodyCase) -> None:
    expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
    for position, right in enumerate(expected):
        if right.dtype.kind == "f" and np.abs(right).max() < 100 * case.tolerance.absolute:
            continue  # zeros
        wrong = list(expected)
        wrong[position] = (right * 1.01).astype(right.dtype) if right.dtype.kind == "f" else right + right.dtype.type(1)
        with pytest.raises(AssertionError):
            check_equal(case, wrong, expected)


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_bodies_use_standard_operators_of_opset_18(path: Path) -> None:
    function = read(path)
    assert {each.domain: each.version for each in function.opset_import} == {"": 18, "tinyfoa": 1}
    for node in function.node:
        if node.op_type in REFERENCES:
            continue
        schema = onnx.defs.get_schema(node.op_type, 18)
        assert not schema.deprecated
        assert schema.min_input <= len(node.input) <= schema.max_input


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_no_gemm_multiplies_by_weights_that_change(path: Path) -> None:
    """Execution providers of phones want such weights constant. Gemm may multiply activations by errors, or by a head.

    Gradients of a layer's input are no part of a forward pass, and there Gemm saves turning the weights.
    A convolution's weights are those of Conv all the same: as MatMul operands they would need im2col (docs/operators.md).
    """
    for node in read(path).node:
        assert node.op_type not in ("ConvInteger", "QLinearConv")
        if node.op_type == "Gemm" and "input_grad" not in path.stem:
            assert not set(node.input[:2]) & {"w", "w_slice"}
