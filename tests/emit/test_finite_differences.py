"""The gradient of whole emitted steps equals central differences of their loss, in float64, for random blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emit.drawn_convs import CONV_ENDINGS, conv_cases
from tests.emit.drawn_steps import ENDINGS, StepCase, dense_cases, local_cases
from tests.emit.finite_differences import Gradient, check, check_equal

Strategy = st.SearchStrategy[StepCase]


@pytest.mark.parametrize("index", range(2))
@pytest.mark.parametrize("ending", ENDINGS)
@given(data=st.data())
@settings(max_examples=6)
def test_dense_blocks(tmp_path: Path, ending: str, index: int, data: st.DataObject) -> None:
    check(data.draw(dense_cases(ending, index)), tmp_path)


@given(case=dense_cases("relu", 2))
@settings(max_examples=20)
def test_classifiers(tmp_path: Path, case: StepCase) -> None:
    check(case, tmp_path)


@pytest.mark.parametrize("has_relu", [True, False])
@pytest.mark.parametrize(("index", "head_pool"), [(0, "none"), (0, "average"), (1, "none")])
@given(data=st.data())
@settings(max_examples=8)
def test_locally_connected_blocks(tmp_path: Path, has_relu: bool, index: int, head_pool: str, data: st.DataObject) -> None:
    check(data.draw(local_cases(has_relu, index, head_pool)), tmp_path)


@pytest.mark.parametrize("ending", CONV_ENDINGS)
@given(data=st.data())
@settings(max_examples=8)
def test_convolution_blocks(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    check(data.draw(conv_cases(ending)), tmp_path)


CASES = [
    dense_cases("joined", 1),
    dense_cases("relu", 2),
    local_cases(True, 0, "average"),
    conv_cases("sigmoid"),
    conv_cases("divided"),
]


@pytest.mark.parametrize("cases", CASES)
@given(data=st.data())
@settings(max_examples=6)
def test_a_gradient_that_is_one_percent_wrong_is_noticed(tmp_path: Path, cases: Strategy, data: st.DataObject) -> None:
    gradient = Gradient(data.draw(cases), tmp_path)
    slopes = [(each, gradient.slope(each)) for each in gradient.directions()]
    for name, right in gradient.of.items():
        if np.abs(right).max() < 1e-3:
            continue  # all units are below zero
        with pytest.raises(AssertionError):
            check_equal({**gradient.of, name: 1.01 * right}, slopes)
