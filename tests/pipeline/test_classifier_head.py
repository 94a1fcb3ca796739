"""What --head auto stands for: before the classifier of a trained model its own weights, from scratch heads that learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.pipeline import build, fits, plan
from tinyfoa_rt.planner.task import resolve_options
from tinyfoa_rt.run.trainer import Trainer

BATCH = 8


@pytest.fixture(name="graph")
def load_graph(tmp_path: Path) -> Graph:
    return load_model(conv_net(), tmp_path)


def heads_of(graph: Graph, **options: Any) -> list[str]:
    return [context.recipe.head for context in resolve_options(graph, PlanOptions(budget=1, **options)).contexts[:-1]]


def test_it_is_the_default_behind_frozen_blocks_where_nothing_is_binarized(graph: Graph) -> None:
    assert heads_of(graph, train="last:2", binarize="none") == ["classifier"]
    assert heads_of(graph, train="last:2", binarize="none", head="rademacher") == ["rademacher"]
    assert heads_of(graph, train="last:2", binarize="weights") == ["rademacher"]
    assert heads_of(graph, train="last:2", binarize="none", classes=7) == ["rademacher"]
    assert heads_of(graph, binarize="none") == ["rademacher"] * 2


def test_from_scratch_heads_learn_where_activations_are_real_and_steps_are_normalized(graph: Graph) -> None:
    normalized = {"optimizer": "normalized"}
    for binarize in ("none", "weights"):
        assert heads_of(graph, binarize=binarize, **normalized) == ["learned"] * 2
        assert heads_of(graph, binarize=binarize, head="kaiming", **normalized) == ["kaiming"] * 2
    assert heads_of(graph, **normalized) == ["rademacher"] * 2
    assert heads_of(graph, binarize="none", classes=7, train="last:2", **normalized) == ["rademacher"]


def test_heads_learn_where_they_fit(tmp_path: Path) -> None:
    """A byte less than a plan with heads that learn needs, and heads are fixed; where that does not fit either, it says so."""
    graph = load_model(mlp((12, 16, 16, 4)), tmp_path)
    options: dict[str, Any] = {"optimizer": "normalized", "binarize": "none", "batch": 1, "slices": "1x1"}
    needs = {head: plan(graph, "1MB", head=head, **options).peak_bytes for head in ("learned", "rademacher")}
    assert needs["rademacher"] < needs["learned"]
    for budget, head in (
        (needs["learned"], "learned"),
        (needs["learned"] - 1, "rademacher"),
        (needs["rademacher"], "rademacher"),
    ):
        planned = plan(graph, budget, **options)
        assert planned.feasible and planned.options.head == head
        assert fits(graph, budget, **options)
    least = plan(graph, needs["rademacher"] - 1, **options)
    assert not least.feasible and least.floor_bytes == needs["rademacher"]
    assert not fits(graph, needs["rademacher"] - 1, **options)


def test_blocks_before_have_hashed_heads(graph: Graph) -> None:
    assert heads_of(graph, head="classifier") == ["rademacher", "classifier"]


def test_it_is_refused_where_no_block_is_read_by_the_classifier(graph: Graph) -> None:
    with pytest.raises(UsageError, match="no trained block's output is what a dense classifier reads"):
        plan(graph, "1MB", head="classifier", train="last:1")


@pytest.mark.parametrize("wrong", [1.0, 1.01])
def test_the_first_loss_is_the_models_own_but_for_its_bias(tmp_path: Path, graph: Graph, wrong: float) -> None:
    options: dict[str, Any] = {"train": "last:2", "binarize": "none", "batch": BATCH}
    trainer = Trainer(build(graph, plan(graph, "1MB", **options)))
    rng = np.random.default_rng(0)
    x, y = 9 * rng.normal(size=(BATCH, 3, 8, 8)).astype(np.float32), rng.integers(0, 5, BATCH)
    (head,) = (array for name, array in trainer.state.others.items() if name.endswith("#head"))
    head *= np.float32(wrong)
    scores = trainer.scores(x).astype(np.float64) - trainer.state.arrays()["fc#bias"]
    expected = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(BATCH), y]
    first = next(iter(trainer.iterate(x, y, normalization=None, epochs=1, rate=1e-30)))
    # Float32 sums of 72 products; an error of one percent in the head is one of 1e-3 in the loss.
    assert (abs(first.loss - expected.mean()) < 1e-5) == (wrong == 1.0)


def test_a_plan_with_it_can_be_built(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    options: dict[str, Any] = {"train": "last:2", "binarize": "none"}
    made = plan(graph, "1MB", **options)
    assert made.options.head == "classifier"
    assert build(graph, made).blocks[0].kept == ("#head",)
