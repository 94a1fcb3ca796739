"""What ``--method auto`` chooses, against plans of every approach there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt import plan
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.latents import FORMATS
from tinyfoa_rt.ir.options import PlanOptions, options_of
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.pipeline import fits
from tinyfoa_rt.planner.choosing import Choice, choose, most_slices
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.ranking import (
    AXES,
    LATENTS_OF_CONVOLUTIONS,
    LATENTS_OF_DENSE,
    LATENTS_OF_SIGNS,
    Order,
    level_of,
    order_of,
)
from tinyfoa_rt.planner.task import resolve_options

TARGETS = ("ort-cpu", "c99")
# Plans of every approach, or of many budgets, take a second each.
CASES = [
    (mlp, "c99"),
    pytest.param(mlp, "ort-cpu", marks=pytest.mark.slow),
    pytest.param(residual_net, "c99", marks=pytest.mark.slow),
    pytest.param(residual_net, "ort-cpu", marks=pytest.mark.slow),
]

Make = Callable[[], onnx.ModelProto]


def chosen(graph: Graph, budget: int, **given: Any) -> Choice:
    """The choice; it is planned by the options that it resolves to, as a user would repeat them."""

    def finish(costs: BlockCosts) -> Plan:
        return plan(graph, **{each.name: getattr(costs.task.options, each.name) for each in fields(PlanOptions)})

    return choose(graph, options_of(method="auto", budget=budget, **given), given, finish)


def plans_of_approaches(graph: Graph, budget: int, **given: Any) -> list[tuple[float, Plan]]:
    """Every approach's plan and its points."""
    found, order = [], order_in(graph, given["target"])
    for approach in order.approaches(given):
        planned = plan(graph, budget, **{**given, **approach.options})
        found.append((approach.points + order.halving * level_of(most_slices(planned)), planned))
    return found


def order_in(graph: Graph, target: str) -> Order:
    """The order of all layers, with formats of latent weights in generated C."""
    return order_of(resolve_options(graph, options_of(target=target, budget=1)), has_latents=target == "c99")


def budgets(graph: Graph, target: str, count: int) -> list[int]:
    """So many, from too little for anything to enough for all."""
    low = plan(graph, 1, method="auto", target=target).floor_bytes - 1
    high = plan(graph, "1GB", batch=1, block_layers="all", binarize="none", target=target).peak_bytes
    return [round(low * (high / low) ** (place / (count - 1))) for place in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "target"), CASES[:3])
def test_the_choice_is_the_best_of_all_approaches_that_fit(tmp_path: Path, make: Make, target: str) -> None:
    graph = load_model(make(), tmp_path)
    seen, given = set(), {"target": target, "head": "learned"}  # half of all approaches
    for budget in budgets(graph, target, 3):
        choice = chosen(graph, budget, **given)
        fitting = [points for points, planned in plans_of_approaches(graph, budget, **given) if planned.feasible]
        assert choice.plan.feasible == bool(fitting)
        if fitting:
            assert (
                choice.points == min(fitting) == order_in(graph, target).points_of(choice.plan.options, most_slices(choice.plan))
            )
            assert choice.plan.peak_bytes <= budget
        seen.add((choice.plan.feasible, choice.title))
    assert len(seen) > 1


@pytest.mark.parametrize(("make", "target"), CASES)
def test_more_ram_never_makes_the_choice_worse(tmp_path: Path, make: Make, target: str) -> None:
    graph = load_model(make(), tmp_path)
    choices = [chosen(graph, budget, target=target) for budget in budgets(graph, target, 12)]
    points = [choice.points for choice in choices if choice.plan.feasible]
    assert points == sorted(points, reverse=True)
    assert points[0] > points[-1] == 0
    assert choices[-1].title == "end to end in float" and choices[-1].next_better is None
    assert not choices[0].plan.feasible and choices[0].next_better is None


@pytest.mark.parametrize(("make", "target"), CASES)
def test_the_next_better_way_needs_what_is_said(tmp_path: Path, make: Make, target: str) -> None:
    graph = load_model(make(), tmp_path)
    offers = 0
    for budget in budgets(graph, target, 6)[1:]:
        choice = chosen(graph, budget, target=target)
        offer = choice.next_better
        if offer is None:
            continue
        offers += 1
        paid = plan(graph, offer.nbytes, target=target, **offer.options)
        now = plan(graph, budget, target=target, **offer.options)
        assert budget < offer.nbytes
        assert paid.feasible and most_slices(paid) <= offer.num_slices
        assert order_in(graph, target).points_of(paid.options, most_slices(paid)) < choice.points
        assert not now.feasible or most_slices(now) > offer.num_slices
        assert chosen(graph, offer.nbytes, target=target).points < choice.points
    assert offers > 2


def test_the_same_model_and_budget_give_the_same_plan(tmp_path: Path) -> None:
    graph = load_model(residual_net(), tmp_path)
    assert plan(graph, "12KB", method="auto") == plan(graph, "12KB", method="auto")


@pytest.mark.parametrize("target", ["c99", pytest.param("ort-cpu", marks=pytest.mark.slow)])
def test_where_nothing_fits_the_least_is_planned(tmp_path: Path, target: str) -> None:
    graph = load_model(conv_net(), tmp_path)
    given = {"target": target, "block_layers": "1"}
    result = plan(graph, 1000, method="auto", **given)
    floors = [planned.floor_bytes for _, planned in plans_of_approaches(graph, 1000, **given)]
    assert not result.feasible
    assert result.floor_bytes == min(floors) < max(floors)
    assert f"The smallest budget that would do is {min(floors):,} bytes" in result.reason
    assert plan(graph, min(floors), method="auto", **given).feasible
    assert not plan(graph, min(floors) - 1, method="auto", **given).feasible


@pytest.mark.parametrize(
    "given",
    [{"binarize": "both"}, {"head": "kaiming", "block_layers": "1"}, {"block_layers": "3"}, {"slices": "2x2"}, {"batch": 3}],
)
def test_what_is_given_is_kept(tmp_path: Path, given: dict[str, Any]) -> None:
    graph = load_model(mlp(), tmp_path)
    for budget in ("4KB", "64KB"):
        options = plan(graph, budget, method="auto", **given).options
        assert {name: getattr(options, name) for name in given} == given


@pytest.mark.parametrize("target", TARGETS)
def test_as_long_a_tail_as_fits_is_trained_end_to_end(tmp_path: Path, target: str) -> None:
    graph = load_model(residual_net(), tmp_path)
    lengths = []
    for budget in (int(1500 * 1.3**power) for power in range(18)):
        result = plan(graph, budget, method="auto", train="auto", target=target, batch=1, binarize="none", slices="1x1")
        if result.feasible:
            assert result.options.block_layers == "all" and len(result.blocks) == 1
            lengths.append(len(result.options.train))
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1] == len(plan(graph, "1MB").blocks)


def test_a_tail_is_chosen_by_auto_alone() -> None:
    with pytest.raises(UsageError, match="--train auto: is for --method auto"):
        PlanOptions(train="auto")


def test_flash_counts_too(tmp_path: Path) -> None:
    """What is trained is stored more than once: where there is RAM for all layers, and no flash, the last ones are trained."""
    graph = load_model(mlp((64, 48, 10)), tmp_path)
    options: dict[str, Any] = {"method": "auto", "train": "auto", "target": "c99", "latent": "float32"}
    plans = [plan(graph, "64KB", **options, nonvolatile=str(nbytes)) for nbytes in range(8_000, 40_000, 4_000)]
    trained = [len(each.options.train) if each.feasible else 0 for each in plans]
    assert trained == sorted(trained) and {*trained} == {0, 1, 2}


def test_a_model_that_nothing_trains_is_refused_as_ever(tmp_path: Path) -> None:
    builder = ModelBuilder((6,))
    hidden = builder.node("Floor", (builder.dense("input", 6, 5),))
    graph = builder.load(tmp_path, builder.node("Floor", (builder.dense(hidden, 5, 3),)))
    with pytest.raises(UnsupportedError, match="Floor has no gradient rule"):
        plan(graph, "64KB", method="auto")


def test_the_sentence_says_what_and_what_next(tmp_path: Path) -> None:
    graph = load_model(mlp((64, 48, 10)), tmp_path)
    assert plan(graph, "1MB", method="auto").reason.startswith(
        "Chosen: to train end to end in float, whole layers in every step. Nothing is expected to learn better"
    )
    needed = chosen(graph, 24_000, batch=1).next_better
    assert needed is not None
    reason = plan(graph, 24_000, method="auto", batch=1).reason
    assert f"The next better way, {needed.title}, " in reason and f"needs {needed.nbytes:,} bytes." in reason


def test_the_page_has_every_way_with_its_points() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "choosing.md").read_text(encoding="utf-8")
    for way in (way for axis in AXES for way in axis.ways):
        assert f"| {way.title} | {way.points:g} | " in text
    for layers, halving in (("dense layers", 0.5), ("convolutions", 2)):
        assert f"| each halving of the update fraction, {layers} | {halving:g} | " in text
    for axis, layers in ((LATENTS_OF_DENSE, "dense"), (LATENTS_OF_CONVOLUTIONS, "convolutions"), (LATENTS_OF_SIGNS, "signs")):
        for way in axis.ways:
            titles = (way.title, f"{way.title}, {layers}", f"{way.title} (`--latent auto`)")
            assert any(f"| {title} | {way.points:g} | " in text for title in titles), way.title


@pytest.mark.parametrize("target", [pytest.param("ort-cpu", marks=pytest.mark.slow), "c99"])
def test_latents_have_as_many_bits_as_fit(tmp_path: Path, target: str) -> None:
    """Whole layers in float, then in ever fewer bits, then slices; each plan is that of the format by name."""
    graph, given = load_model(mlp((96, 64, 48, 10)), tmp_path), {"target": target, "binarize": "none", "batch": 1}
    budget = {name: plan(graph, "1MB", latent=name, slices="1x1", **given).peak_bytes for name in FORMATS}
    seen = []
    for most in sorted({*budget.values(), budget["int8"] - 1}, reverse=True):
        found = plan(graph, most, latent="auto", **given)
        seen.append((found.options.latent, most_slices(found) > 1))
        named = plan(graph, most, latent=found.options.latent, **given)
        assert (found.feasible, found.blocks, found.peak_bytes) == (True, named.blocks, named.peak_bytes)
        assert found.reason.startswith("Chosen: to train on weights of")
    assert seen[0] == ("float32", False)
    if target == "c99":
        # What is cut in two has room for more bits again.
        assert seen == [("float32", False), ("int16", False), ("int12", False), ("int8", False), ("int16", True)]


def test_kernels_keep_more_than_eight_bits(tmp_path: Path) -> None:
    """Eight bits cost more than two slices where convolutions are trained."""
    graph, given = load_model(conv_net(), tmp_path), {"target": "c99", "binarize": "none", "batch": 1, "block_layers": "all"}
    most = plan(graph, "1MB", latent="int12", slices="1x1", **given).peak_bytes - 1
    found = plan(graph, most, latent="auto", **given)
    assert plan(graph, most, latent="int8", slices="1x1", **given).feasible
    assert found.options.latent == "int16" and most_slices(found) == 2
    with pytest.raises(UsageError, match="--latent auto: is for planning, which chooses a format"):
        fits(graph, "1MB", latent="auto")


def test_method_and_latents_are_chosen_together(tmp_path: Path) -> None:
    graph, given = load_model(mlp((96, 64, 48, 10)), tmp_path), {"target": "c99", "batch": 1}
    most = plan(graph, "1MB", block_layers="all", binarize="none", latent="int8", slices="1x1", **given).peak_bytes
    found = plan(graph, most, method="auto", latent="auto", **given)
    assert (found.options.block_layers, found.options.latent, most_slices(found)) == ("all", "int8", 1)
    assert "end to end in float" in found.reason and "on weights of 8 bits" in found.reason


@pytest.mark.parametrize(("make", "formats"), [(mlp, {"int16", "int12", "int8"}), (conv_net, {"int16", "int12"})])
def test_whole_layers_of_few_bits_come_before_slices(tmp_path: Path, make: Make, formats: set[str]) -> None:
    """In generated C weights of few bits are taken as budgets shrink, the more bits the longer, and slices behind them."""
    graph = load_model(make(), tmp_path)
    given = {"target": "c99", "batch": 1, "block_layers": "all", "binarize": "none"}
    fewest = min(formats, key=lambda name: int(name[3:]))
    real, least = (plan(graph, "1MB", **given, slices="1x1", latent=each).peak_bytes for each in ("float32", fewest))
    kinds = []
    for budget in (real, real - 1, least, least - 1):
        found = plan(graph, budget, method="auto", **given)
        kinds.append((found.options.latent, most_slices(found) if found.feasible else None))
    assert kinds[0] == ("float32", 1)
    assert kinds[1][0] in formats and kinds[1][1] == 1
    assert kinds[2] == (fewest, 1)
    assert kinds[3][1] != 1


def test_weights_of_few_bits_are_chosen_where_they_save_ram(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    for budget in (4_000, 40_000):
        assert plan(graph, budget, method="auto", target="ort-cpu").options.latent == "float32"


def test_signs_have_latents_of_eight_bits_where_these_train(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    given: dict[str, Any] = {"binarize": "both", "block_layers": "all"}
    order = order_in(graph, "c99")
    assert [(each.options["latent"], each.points) for each in order.approaches(given)] == [("int8", 8), ("float32", 8.01)]
    assert plan(graph, "64KB", method="auto", target="c99", **given).options.latent == "int8"


@pytest.mark.parametrize("latent", ["int16", "float32"])
def test_a_format_that_is_given_is_kept(tmp_path: Path, latent: str) -> None:
    graph = load_model(mlp(), tmp_path)
    for budget in (1_000, 4_000):
        assert plan(graph, budget, method="auto", target="c99", latent=latent).options.latent == latent
