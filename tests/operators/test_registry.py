"""The registry: rows are whole, a name has one row, and families state what is asked of them."""

from __future__ import annotations

from typing import Any

import pytest

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.operators import (
    DOMAIN,
    OPERATORS,
    STANDARD_OPERATORS,
    Memory,
    Operator,
    Port,
    StandardOperator,
    find_operator,
    memory_rule,
    no_scratch,
    register,
    registered,
)
from tinyfoa_rt.operators.geometry import same_as_first

TOY: dict[str, Any] = {
    "name": "ToyGrad",
    "inputs": (Port("grad_y"), Port("y")),
    "outputs": (Port("grad_x"),),
    "shape_rule": same_as_first,
    "scratch": no_scratch,
    "doc": "A toy.",
}


def test_an_operator_says_how_much_scratch_it_needs() -> None:
    Operator(**TOY)
    with pytest.raises(TypeError, match="scratch"):
        Operator(**{key: value for key, value in TOY.items() if key != "scratch"})


def test_an_operator_is_known_as_long_as_it_is_registered() -> None:
    row, softplus = Operator(**TOY), StandardOperator(name="Toy", domain="toys", memory=Memory(reuses={0: (0,)}))
    with registered(row, softplus):
        assert find_operator("ToyGrad", DOMAIN) is row and "ToyGrad" in OPERATORS
        assert memory_rule("Toy", "toys").reuses == {0: (0,)}
    assert find_operator("ToyGrad", DOMAIN) is None and find_operator("Toy", "toys") is None


def test_a_second_row_of_a_name_is_refused() -> None:
    known = dict(OPERATORS), dict(STANDARD_OPERATORS)
    for row in (OPERATORS["ReluGrad"], StandardOperator(name="Relu"), StandardOperator(name="Relu", domain="ai.onnx")):
        with pytest.raises(InputError, match="is registered already") as failure:
            register(row)
        assert "\n" not in str(failure.value)
    assert known == (dict(OPERATORS), dict(STANDARD_OPERATORS))


def test_a_row_takes_the_place_of_another_where_that_is_said() -> None:
    softplus = StandardOperator(name="Softplus")
    with registered(softplus, replaces=True):
        assert find_operator("Softplus", "") is softplus
    assert find_operator("Softplus", "") is not softplus


def test_the_domain_of_onnx_has_two_names() -> None:
    assert find_operator("Relu", "ai.onnx") is find_operator("Relu", "")
