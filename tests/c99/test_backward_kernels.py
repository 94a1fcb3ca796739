"""The kernels of gradients, heads and running statistics on the inputs of the function bodies, against the same references."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests.c99.backward_kernels import OPERATORS, run_operator
from tests.c99.kernel_library import KERNELS, build_library
from tests.ops.body_cases import BodyCase, dense_cases
from tests.ops.conv_cases import conv_cases
from tests.ops.local_cases import local_cases
from tests.ops.one_node import check_equal
from tests.ops.references import REFERENCES
from tests.ops.vjp_cases import vjp_cases

CASES = [case for case in (*dense_cases(), *local_cases(), *conv_cases(), *vjp_cases()) if case.op_type in OPERATORS]


@pytest.fixture(scope="module", params=["gcc", "clang"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = sorted((KERNELS / "plain").glob("*.c"))
    return build_library(tmp_path_factory.mktemp("backward"), request.param, sources, flags=["-lm"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_kernel_equals_the_operator_s_reference(library: ctypes.CDLL, case: BodyCase) -> None:
    expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
    check_equal(case, run_operator(library, case), expected)


def test_every_operator_is_compared() -> None:
    assert {case.op_type for case in CASES} == set(OPERATORS)
    pools = {case.op_type for case in CASES if case.attributes.get("pools")}
    assert pools == {"HeadLogits", "HeadGrad"}


# Places and bits do not move with the size of what they are of: they are equal or not.
@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in ("MaxPlaces", "PassMask")])
def test_a_kernel_that_is_given_an_input_one_percent_off_is_noticed(library: ctypes.CDLL, name: str) -> None:
    cases = [(case, REFERENCES[name](*case.inputs, **case.attributes)) for case in CASES if case.op_type == name]
    case, expected = max(cases, key=lambda each: float(np.abs(each[1][0]).sum()))
    given = next(i for i, each in enumerate(case.inputs) if each is not None and each.dtype == np.float32)
    inputs = list(case.inputs)
    inputs[given] = (1.01 * np.asarray(inputs[given])).astype(np.float32)
    wrong = BodyCase(case.label, name, tuple(inputs), case.attributes, tolerance=case.tolerance)
    with pytest.raises(AssertionError):
        check_equal(case, run_operator(library, wrong), expected)
