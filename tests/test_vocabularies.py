"""Rows of vocabularies (ir/optimizers.py, ir/losses.py): what repeats them says the same, and another package may add to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from tests.small_models import load_model, mlp
from tinyfoa_rt import Trainer, build, plan
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.losses import LOSSES, Loss, loss_of, register_loss, registered_loss
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, Optimizer, optimizer_of, register_optimizer, registered_optimizer
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.operators import OPERATORS
from tinyfoa_rt.operators.registry import registered
from tinyfoa_rt.operators.signature import snake_case
from tinyfoa_rt.operators.updates import update_operator
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.run.evaluation import evaluate_scores

LION = Optimizer("lion", "LionUpdate", 1e-4, "w - rate sign(m)", states=("m",), counts_steps=True, follows_gradient=False)


@pytest.fixture
def lion() -> Iterator[Optimizer]:
    with registered_optimizer(LION):
        yield LION


# Of labels 0 and 1, an output each: mean max(0, 1 - y s) with y = -1 and 1.
HINGE = Loss(
    "hinge", "HingeLoss", "probabilities", "sign", lambda s, t: float(np.maximum(0, 1 - (2 * t - 1) * s).sum(axis=1).mean())
)


@pytest.fixture
def hinge() -> Iterator[Loss]:
    with registered_loss(HINGE):
        yield HINGE


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
    with pytest.raises(UsageError, match=r"--optimizer tiger: is not known; use auto, sgd, normalized, momentum, adam, lion"):
        PlanOptions(optimizer="tiger")


@pytest.mark.parametrize("row", LOSSES.values(), ids=lambda row: row.name)
def test_a_loss_names_an_operator_of_scores_and_targets(row: Loss) -> None:
    operator = OPERATORS[row.operator]
    assert [port.name for port in operator.inputs] == ["logits", "target"]
    assert [port.name for port in operator.outputs] == ["grad_logits", "loss"]


def test_an_added_loss_is_known_everywhere(hinge: Loss) -> None:
    assert loss_of("hinge") is hinge
    assert PlanOptions(loss="hinge").loss == "hinge"
    scores = np.array([[0.5, -2.0], [-1.0, 3.0]], dtype=np.float32)
    found = evaluate_scores(scores, np.array([[1, 1], [0, 1]], dtype=np.float32), hinge)
    assert (found.loss, found.accuracy) == ((0.5 + 3) / 2, 0.75)
    assert found.balanced_accuracy == (1 + 2 / 3) / 2


def test_the_name_of_a_loss_is_taken_once_and_must_be_known(hinge: Loss) -> None:
    with pytest.raises(UsageError, match="loss hinge: is there already"):
        register_loss(hinge)
    with pytest.raises(UsageError, match="--loss huber: is not known"):
        PlanOptions(loss="huber")
    with pytest.raises(UsageError, match="loss huber: is not known; use cross-entropy, binary-cross-entropy"):
        loss_of("huber")


def test_what_is_added_is_planned_built_and_trained(tmp_path: Path) -> None:
    """The update and the loss have operators that are there; all else, names too, comes from the rows."""
    momentum, squares = optimizer_of("momentum"), loss_of("mean-squared-error")
    slow = replace(momentum, name="slow-momentum", base_rate=momentum.base_rate / 2)
    doubled = replace(squares, name="squares", measure=lambda s, t: 2 * squares.measure(s, t))
    with registered_optimizer(slow), registered_loss(doubled):
        graph = load_model(mlp(), tmp_path)
        x, y = np.ones((8, 8), np.float32), np.ones((8, 4), np.float32)
        found = {}
        for optimizer, loss in (("slow-momentum", "squares"), ("momentum", "mean-squared-error")):
            planned = plan(graph, "1MB", optimizer=optimizer, loss=loss, batch=4, binarize="none")
            build(graph, planned).save(tmp_path / loss)
            trainer = Trainer(tmp_path / loss, threads=1, kernels=None)
            found[loss] = trainer, trainer.evaluate(x, y).loss
            trainer.fit(x, y, normalization=None, epochs=1, rate_schedule="constant")
            assert trainer.state.arrays()["fc1#weight#velocity"].any()
        (ours, our_loss), (theirs, their_loss) = found.values()
        assert our_loss == 2 * their_loss
        assert ours.progress.rates == {name: pytest.approx(rate / 2) for name, rate in theirs.progress.rates.items()}


def test_generated_c_keeps_two_states_at_most(tmp_path: Path) -> None:
    row = Optimizer("three", "ThreeUpdate", 1e-3, "w - rate g", states=("a", "b", "c"), kernels=("weights", "biases"))
    body = """<domain: "tinyfoa", opset_import: ["" : 18]>
    ThreeUpdate <limit: float = 1.0> (w, grad, rate, a, b, c, origin) => (w_next, a_next, b_next, c_next)
    { change = Mul (grad, rate) w_next = Sub (w, change) a_next = Neg (a) b_next = Neg (b) c_next = Neg (c) }
    """
    with (
        registered_optimizer(row),
        registered(replace(update_operator(row), body=body)),
        pytest.raises(UnsupportedError, match="optimizer three: keeps 3 numbers"),
    ):
        plan(load_model(mlp(), tmp_path), "1MB", optimizer="three", target="c99", nonvolatile="unlimited")
