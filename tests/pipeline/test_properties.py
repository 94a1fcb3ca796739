"""What must hold for the plan of any model: checked on random ones, by the independent verifier and by definition."""

import itertools
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.random_models import random_models
from tests.small_models import load_model
from tinyfoa_rt import plan
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.ir.verify import verify_plan

TARGETS = ["ort-cpu", "c99"]
OPTIONS = st.fixed_dictionaries(
    {
        "target": st.sampled_from(TARGETS),
        "binarize": st.sampled_from(["both", "weights", "none"]),
        "optimizer": st.sampled_from(["sgd", "momentum", "adam"]),
        "head": st.sampled_from(["rademacher", "kaiming"]),
        "head_pool": st.sampled_from(["grid", "none", "average"]),
        "schedule": st.sampled_from(["slice", "freeze-diagonal", "full"]),
        "nonvolatile": st.sampled_from([None, "none"]),
        "samples": st.sampled_from([None, 1000]),
    }
).map(lambda options: {**options, "target": "ort-cpu"} if options["schedule"] == "freeze-diagonal" else options)


BUDGETS = st.sampled_from([1, 500, 3_000, 20_000, 1_000_000])


@settings(max_examples=50)
@given(random_models(), OPTIONS, BUDGETS)
def test_the_verifier_accepts_every_plan(tmp_path: Path, model: onnx.ModelProto, options: dict[str, str], budget: int) -> None:
    verify_plan(plan(load_model(model, tmp_path), budget, **options))


@pytest.mark.slow
@settings(max_examples=150)
@given(random_models(), OPTIONS, BUDGETS)
def test_the_verifier_accepts_more_plans(tmp_path: Path, model: onnx.ModelProto, options: dict[str, str], budget: int) -> None:
    verify_plan(plan(load_model(model, tmp_path), budget, **options))


@pytest.mark.slow
@settings(max_examples=40)
@given(random_models(), st.sampled_from(TARGETS), st.sampled_from([None, "none"]))
def test_the_floor_is_feasible_and_one_byte_below_it_is_not(
    tmp_path: Path, model: onnx.ModelProto, target: str, nonvolatile: str | None
) -> None:
    graph = load_model(model, tmp_path)
    floor = plan(graph, 1, target=target, nonvolatile=nonvolatile).floor_bytes
    at_floor = plan(graph, floor, target=target, nonvolatile=nonvolatile)
    below = plan(graph, floor - 1, target=target, nonvolatile=nonvolatile)
    assert at_floor.feasible
    assert at_floor.peak_bytes == floor
    assert not below.feasible
    assert below.floor_bytes == floor


def fractions(result: Plan) -> list[float]:
    """The update fraction of each block; nothing is updated where nothing fits."""
    return [block.update_fraction if result.feasible else 0.0 for block in result.blocks]


@pytest.mark.slow
@settings(max_examples=40)
@given(random_models(), st.sampled_from(TARGETS))
def test_a_larger_budget_never_gives_a_smaller_update_fraction(tmp_path: Path, model: onnx.ModelProto, target: str) -> None:
    graph = load_model(model, tmp_path)
    floor = plan(graph, 1, target=target).floor_bytes
    budgets = [floor - 1, floor, floor + 1, floor * 5 // 4, floor * 2, floor * 4, floor * 50]
    plans = [plan(graph, budget, target=target) for budget in budgets]
    for smaller, larger in itertools.pairwise(plans):
        assert all(a <= b for a, b in zip(fractions(smaller), fractions(larger)))
        if fractions(smaller) == fractions(larger):
            assert smaller.batch <= larger.batch


@pytest.mark.slow
@settings(max_examples=40)
@given(random_models(), st.sampled_from(TARGETS))
def test_auto_takes_what_needs_least(tmp_path: Path, model: onnx.ModelProto, target: str) -> None:
    """The search leaves out other optimizers and heads: none of them may have a lower floor.

    But for one: onnxruntime reads a stored head where it lies, and widens a hashed one (docs/memory.md).
    """
    graph = load_model(model, tmp_path)
    least = plan(graph, 1, target=target).floor_bytes
    heads = ["rademacher", *(["kaiming"] if target == "c99" else [])]
    for optimizer, head in itertools.product(["sgd", "momentum", "adam"], heads):
        assert plan(graph, 1, target=target, optimizer=optimizer, head=head).floor_bytes >= least


@pytest.mark.slow
@settings(max_examples=25)
@given(random_models(), st.sampled_from(TARGETS))
def test_planning_is_deterministic(tmp_path: Path, model: onnx.ModelProto, target: str) -> None:
    first = plan(load_model(model, tmp_path), "16KB", target=target)
    second = plan(load_model(model, tmp_path), "16KB", target=target)
    assert first == second


@pytest.mark.parametrize("target", TARGETS)
def test_blocks_that_are_alike_are_planned_alike(tmp_path: Path, target: str) -> None:
    """The measure remembers blocks by structure; a plan must not change with what was measured before."""
    from tests.small_models import mlp

    long = plan(load_model(mlp([64] * 9 + [4]), tmp_path), "8KB", target=target)
    short = plan(load_model(mlp([64] * 4 + [4]), tmp_path), "8KB", target=target)
    assert long.blocks[1].slices == short.blocks[1].slices
    assert {block.peak_bytes for block in long.blocks[2:-1]} == {long.blocks[2].peak_bytes}
    verify_plan(long)
