"""Rows of vocabularies (ir/optimizers.py): what repeats them says the same, and another package may add to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx.parser
import pytest

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, Optimizer, optimizer_of, register_optimizer
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.operators.row import snake_case
from tinyfoa_rt.operators.updates import update_operator
from tinyfoa_rt.resources import resource_path

LION = Optimizer("lion", "LionUpdate", 1e-4, "w - rate sign(m)", states=("m",), counts_steps=True, follows_gradient=False)


@pytest.fixture
def lion() -> Iterator[Optimizer]:
    register_optimizer(LION)
    yield LION
    del OPTIMIZERS["lion"]


@pytest.mark.parametrize("row", OPTIMIZERS.values(), ids=lambda row: row.name)
def test_bodies_and_kernels_have_the_constants_of_the_row(row: Optimizer) -> None:
    text = (resource_path("graphs/ops") / f"{snake_case(row.update)}.onnxtxt").read_text(encoding="utf-8")
    body = onnx.parser.parse_function(text)
    constants = {node.output[0]: node.attribute[0].t for node in body.node if node.op_type == "Constant"}
    kernel = (resource_path("targets/c99") / f"kernels/plain/{row.name}_step.c").read_text(encoding="utf-8")
    defined = dict(re.findall(r"#define (\w+) (\S+)f\b", kernel))
    for name, value in row.hyper_parameters.items():
        assert onnx.numpy_helper.to_array(constants[name]) == pytest.approx(value, rel=1e-7), name  # a float32
        assert float(defined[name.upper()]) == value, name


def test_an_added_optimizer_is_known_everywhere(lion: Optimizer) -> None:
    assert optimizer_of("lion") is lion
    assert PlanOptions(optimizer="lion").optimizer == "lion"
    update = update_operator(lion)
    assert [port.name for port in update.inputs] == ["w", "grad", "rate", "m", "step_count", "origin"]
    assert [port.name for port in update.outputs] == ["w_next", "m_next", "step_count_next"]


def test_a_name_is_taken_once_and_must_be_known(lion: Optimizer) -> None:
    with pytest.raises(UsageError, match="optimizer lion: is there already"):
        register_optimizer(lion)
    with pytest.raises(UsageError, match=r"--optimizer tiger: is not known; use auto, sgd, momentum, adam, lion"):
        PlanOptions(optimizer="tiger")
