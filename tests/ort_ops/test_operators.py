"""Each kernel against the body that it stands for, in each set of kernels that this processor can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from tests.ops.body_cases import BodyCase, Tolerance
from tests.ops.packed_models import packed_cases, packed_outputs
from tests.ops.references import REFERENCES
from tests.ort_ops.kernel_cases import CASES, models_of, run_with, without_body

Array = NDArray[Any]
# Kernels add float32 numbers in another order than onnxruntime: a sum of n products has a rounding error of sqrt(n) / 2 units in
# the last place and at most n, for 150 samples or 100 inputs of numbers around 1: 150 * 6e-8.
ANOTHER_ORDER = Tolerance(1e-5, 1e-5, "the sum's order")
# The same operations on the same numbers: products of signs, alone but for the mean that alpha=tensor needs.
SAME_BITS = Tolerance(0, 0, "integers, scaled as the body scales them")


def tolerance_of(case: BodyCase) -> Tolerance:
    is_exact = case.op_type in ("BinaryDense", "SignDense") and case.attributes["alpha"] == "row"
    return SAME_BITS if is_exact or case.op_type in ("BinaryToReal", "StraightThroughGrad") else ANOTHER_ORDER


def check_equal(case: BodyCase, found: Sequence[Array], expected: Sequence[Array]) -> None:
    limits = tolerance_of(case)
    for ours, right in zip(found, expected, strict=True):
        assert ours.dtype == right.dtype and ours.shape == right.shape
        if right.dtype == np.float32:
            np.testing.assert_allclose(ours, right, limits.relative, limits.absolute, err_msg=limits.reason)
        else:
            np.testing.assert_array_equal(ours, right)


@pytest.mark.parametrize("kernels", ["", "swar"], ids=["fastest", "swar"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_kernel_equals_its_body(case: BodyCase, kernels: str, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYFOA_OPS_KERNELS", kernels)
    model, feeds, expected = models_of(case)
    check_equal(case, run_with(library, without_body(model), feeds), expected)


@pytest.mark.parametrize(
    "case", [case for case in CASES if "wide" in case.label or "pieces" in case.label], ids=lambda case: case.label
)
def test_threads_change_no_bit(case: BodyCase, library: Path) -> None:
    model, feeds, _ = models_of(case)
    for one, two in zip(run_with(library, without_body(model), feeds), run_with(library, without_body(model), feeds, 2)):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_an_output_that_is_one_percent_wrong_is_noticed(case: BodyCase) -> None:
    _, _, expected = models_of(case)
    for position, right in enumerate(expected):
        if right.dtype == np.float32 and np.abs(right).max() < 100 * tolerance_of(case).absolute:
            continue  # zeros
        wrong = list(expected)
        wrong[position] = right * np.float32(1.01) if right.dtype == np.float32 else right ^ right.dtype.type(1)
        with pytest.raises(AssertionError):
            check_equal(case, wrong, expected)


@pytest.mark.parametrize("case", [case for case in CASES if "wide" in case.label], ids=lambda case: case.label)
def test_inputs_of_wrong_sizes_are_refused(case: BodyCase, library: Path) -> None:
    """A model is not trusted: a kernel that is given a smaller tensor says so, and reads nothing beyond it."""
    model, feeds, _ = models_of(case)
    for position, value in enumerate(feeds):
        if value.ndim != 2 or (position == 0 and case.op_type.endswith(("Dense", "DenseInputGrad"))):
            continue  # there may be fewer samples
        given = [*feeds[:position], np.ascontiguousarray(value[: len(value) // 2]), *feeds[position + 1 :]]
        with pytest.raises(Exception, match=r"tinyfoa:Packed.*, .*; build the artifact again"):
            run_with(library, without_body(model), given)


def test_a_target_that_is_no_class_is_refused(library: Path) -> None:
    case = next(case for case in CASES if case.op_type == "SoftmaxCrossEntropy")
    model, (logits, target), _ = models_of(case)
    with pytest.raises(Exception, match="a target is no class"):
        run_with(library, without_body(model), [logits, target + 4])


def test_joined_steps_leave_signs_and_sums(library: Path) -> None:
    """PackedDenseSignStep is a step and then the signs of what it leaves."""
    for case in (case for case in packed_cases() if case.op_type == "DenseSgdStep"):
        model, feeds, (w_next,) = models_of(case)
        (node,) = model.graph.node
        node.op_type = "PackedDenseSignStep"
        node.output.extend(["signs", "sums"])
        model.graph.output.extend(
            helper.make_tensor_value_info(name, kind, [None] * rank)
            for name, kind, rank in (("signs", onnx.TensorProto.UINT32, 2), ("sums", onnx.TensorProto.FLOAT, 1))
        )
        found = run_with(library, without_body(model), feeds)
        signs = replace(case, op_type="PackSigns", inputs=(found[0],), attributes={})
        expected = REFERENCES["PackSigns"](found[0], None, None, None)
        check_equal(case, found[:1], [w_next])
        check_equal(signs, found[1:2], packed_outputs(expected[:1]))
        np.testing.assert_allclose(found[2], expected[1], rtol=1e-5, err_msg=ANOTHER_ORDER.reason)


@pytest.mark.parametrize("kernels", ["", "swar"], ids=["fastest", "swar"])
@pytest.mark.parametrize("power", [0.0, 0.2, 0.005], ids=["unmeasured", "usual", "far below"])
@pytest.mark.parametrize("has_signs", [False, True], ids=["", "signs"])
def test_a_normalized_step_is_gradient_and_update(
    has_signs: bool, power: float, kernels: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYFOA_OPS_KERNELS", kernels)
    for case in (case for case in packed_cases() if case.op_type == "DenseSgdStep"):
        model, feeds, before, expected = _normalized_step(case, power, has_signs)
        found = run_with(library, without_body(model), [*feeds[:5], *before, feeds[5]])
        check_equal(case, found[:3], expected)
        if has_signs:
            signs, sums = REFERENCES["PackSigns"](found[0], None, None, None)
            np.testing.assert_array_equal(found[3], packed_outputs([signs])[0])
            np.testing.assert_allclose(found[4], sums, rtol=1e-5, err_msg=ANOTHER_ORDER.reason)


def test_a_normalized_step_of_more_samples_than_a_pass_is_refused(library: Path) -> None:
    case = next(case for case in packed_cases() if case.op_type == "DenseSgdStep" and "wide" in case.label)
    model, _, before, _ = _normalized_step(case, 0.2, has_signs=False)
    feeds = models_of(case)[1]
    with pytest.raises(Exception, match="takes 128 samples at most"):
        run_with(library, without_body(model), [*feeds[:5], *before, feeds[5]])


def _normalized_step(
    case: BodyCase, power: float, has_signs: bool
) -> tuple[onnx.ModelProto, list[Array], list[Array], list[Array]]:
    """A plain step as a normalized one: model, inputs that both have, power and count before, and w with these after."""
    model, feeds, _ = models_of(case)
    feeds = [each[:128] if position in (1, 2) else each for position, each in enumerate(feeds)]
    w, grad_z, x, scale, rate, part = case.inputs
    assert w is not None and grad_z is not None and x is not None
    attributes = dict(case.attributes)
    limit = attributes.pop("limit")
    grad, _ = REFERENCES["DenseSliceGrad"](grad_z[:128], x[:128], scale, part, **attributes)
    before = [np.array(power, dtype=np.float32), np.array(3, dtype=np.int32)]
    expected = REFERENCES["NormalizedUpdate"](w, grad, rate, *before, None, limit=limit, length=0.37)
    (node,) = model.graph.node
    node.op_type = f"PackedDenseNormalized{'Sign' * has_signs}Step"
    node.attribute.append(helper.make_attribute("length", 0.37))
    origin = node.input.pop()
    node.input.extend(["power", "step_count", origin])
    kinds = {"power": onnx.TensorProto.FLOAT, "step_count": onnx.TensorProto.INT32}
    numbers = [helper.make_tensor_value_info(name, kind, []) for name, kind in kinds.items()]
    given = [*model.graph.input]
    del model.graph.input[:]
    model.graph.input.extend([*given[:-1], *numbers, given[-1]])
    after = [(f"{name}_next", kind, 0) for name, kind in kinds.items()]
    signs = [("signs", onnx.TensorProto.UINT32, 2), ("sums", onnx.TensorProto.FLOAT, 1)] if has_signs else []
    for name, kind, rank in (*after, *signs):
        node.output.append(name)
        model.graph.output.append(helper.make_tensor_value_info(name, kind, [None] * rank))
    return model, feeds, before, [each.astype(np.float32) for each in expected[:2]] + [np.asarray(expected[2])]
