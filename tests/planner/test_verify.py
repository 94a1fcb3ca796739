"""The verifier is tested with broken layouts and broken plans: each must be refused, and the whole ones accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.planner.plans import allocator_plan, infeasible_plan, with_budget
from tests.small_models import load_model, residual_net
from tinyfoa_rt import plan
from tinyfoa_rt.ir.buffer import Buffer, Layout, Lifetime, Placement
from tinyfoa_rt.ir.plan import BlockPlan, Nonvolatile, Plan
from tinyfoa_rt.ir.verify import LayoutFault, verify_layout, verify_plan

BUFFERS = [
    Buffer("a", 16, Lifetime(0, 3), 4),
    Buffer("b", 8, Lifetime(1, 4), 4),
    Buffer("c", 8, Lifetime(3, 5), 4),
    Buffer("pin", 4, Lifetime(0, 5), 4, "ram", 24),
]
WHOLE = Layout((Placement(BUFFERS[0], 0), Placement(BUFFERS[1], 16), Placement(BUFFERS[2], 0), Placement(BUFFERS[3], 24)), 28)


def moved(index: int, offset: int) -> Layout:
    placements = list(WHOLE.placements)
    placements[index] = Placement(placements[index].buffer, offset)
    return Layout(tuple(placements), max(p.end for p in placements))


BROKEN = {
    "one buffer inside another": (moved(1, 8), "a and b overlap in step 1|b and a overlap in step 1"),
    "a late buffer on one that still lives": (moved(2, 16), "overlap in step 3"),
    "misaligned": (moved(1, 18), "not aligned to 4"),
    "before the arena": (moved(1, -4), "outside the arena"),
    "a pin moved": (moved(3, 28), "pinned to 24, but lies at 28"),
    "a buffer left out": (Layout(WHOLE.placements[1:], 28), "each buffer once"),
    "a buffer twice": (Layout((*WHOLE.placements, WHOLE.placements[0]), 28), "each buffer once"),
    "arena too small": (Layout(WHOLE.placements, 24), "outside the arena"),
    "arena larger than its buffers": (Layout(WHOLE.placements, 32), "its buffers end at 28"),
    "another buffer": (
        Layout((*WHOLE.placements[:3], Placement(replace(BUFFERS[3], name="other"), 24)), 28),
        "each buffer once",
    ),
    "a buffer shrunk": (
        Layout((Placement(replace(BUFFERS[0], nbytes=8), 0), *WHOLE.placements[1:]), 28),
        "a was changed",
    ),
}


def test_the_whole_layout_is_accepted() -> None:
    verify_layout(WHOLE, BUFFERS)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_layout_is_refused(fault: str) -> None:
    broken, message = BROKEN[fault]
    with pytest.raises(LayoutFault, match=message):
        verify_layout(broken, BUFFERS)


@pytest.mark.parametrize("fields", [{"place": "nonvolatile"}, {"nbytes": -4}, {"lifetime": Lifetime(2, 2)}], ids=str)
def test_a_buffer_that_is_none_is_refused(fields: dict[str, object]) -> None:
    broken = replace(BUFFERS[1], **fields)  # type: ignore[arg-type]
    placements = (WHOLE.placements[0], Placement(broken, 16), *WHOLE.placements[2:])
    with pytest.raises(LayoutFault, match="b is not in RAM, or has no valid lifetime or size"):
        verify_layout(Layout(placements, 28), [BUFFERS[0], broken, *BUFFERS[2:]])


def test_another_program_may_have_pinned_a_buffer_between_words() -> None:
    pinned = replace(BUFFERS[3], offset=26)
    verify_layout(Layout((*WHOLE.placements[:3], Placement(pinned, 26)), 30), [*BUFFERS[:3], pinned])


def overlaps_on_some_byte(placements: list[Placement]) -> bool:
    """The plainest oracle: a map from (step, byte) to its owner."""
    owners: dict[tuple[int, int], str] = {}
    for placement in placements:
        for step in range(placement.buffer.lifetime.start, placement.buffer.lifetime.end):
            for byte in range(placement.offset, placement.end):
                if owners.setdefault((step, byte), placement.buffer.name) != placement.buffer.name:
                    return True
    return False


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30), st.integers(0, 5), st.integers(1, 4)), max_size=7))
def test_the_verifier_agrees_with_a_byte_map(cases: list[tuple[int, int, int, int]]) -> None:
    placements = [
        Placement(Buffer(f"b{i}", nbytes, Lifetime(start, start + length), 1), offset)
        for i, (nbytes, offset, start, length) in enumerate(cases)
    ]
    layout = Layout(tuple(placements), max((p.end for p in placements), default=0))
    try:
        verify_layout(layout, [p.buffer for p in placements])
        accepted = True
    except LayoutFault:
        accepted = False
    assert accepted != overlaps_on_some_byte(placements)


@pytest.fixture
def whole_plan(tmp_path: Path) -> Plan:
    return plan(load_model(residual_net(), tmp_path), "16KB", target="c99", batch=2, slices="2x2")


def with_block(result: Plan, change: Callable[[BlockPlan], BlockPlan]) -> Plan:
    return replace(result, blocks=(change(result.blocks[0]), *result.blocks[1:]))


def with_fraction(result: Plan, slices: tuple[int, int], fraction: float, schedule: str) -> Plan:
    """Of the first block; under a schedule but slices a fraction follows from nothing else."""
    changed = with_block(result, lambda block: replace(block, slices=slices, update_fraction=fraction))
    return replace(changed, options=replace(changed.options, schedule=schedule))


def with_account(result: Plan, **fields: int) -> Plan:
    name, account = next(iter(result.baselines.items()))
    return replace(result, baselines={**result.baselines, name: replace(account, **fields)})  # type: ignore[arg-type]


def kept(block: BlockPlan) -> int:
    """The place of a buffer of weights in RAM."""
    return next(place for place, each in enumerate(block.buffers) if each.category == "weight" and each.place == "ram")


def with_buffer(block: BlockPlan, index: int, **fields: object) -> BlockPlan:
    buffers = list(block.buffers)
    buffers[index] = replace(buffers[index], **fields)  # type: ignore[arg-type]
    return replace(block, buffers=tuple(buffers))


PLAN_FAULTS: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "a buffer on another": (lambda p: with_block(p, lambda b: with_buffer(b, 1, offset=b.buffers[0].offset)), "overlap"),
    "a buffer without an offset": (lambda p: with_block(p, lambda b: with_buffer(b, 0, offset=None)), "some have none"),
    "a buffer that grows": (lambda p: with_block(p, lambda b: with_buffer(b, 0, bytes=1 << 20)), "are live"),
    "a lifetime behind the end": (lambda p: with_block(p, lambda b: with_buffer(b, 0, last_step=99)), "lifetime"),
    "a peak that is too small": (lambda p: with_block(p, lambda b: replace(b, peak_bytes=b.peak_bytes - 4)), "but its peak"),
    "a peak that is too large": (lambda p: with_block(p, lambda b: replace(b, peak_bytes=b.peak_bytes + 4)), "but its peak"),
    "a fraction that is not that of its slices": (
        lambda p: with_block(p, lambda b: replace(b, update_fraction=b.update_fraction * 1.01)),
        "update fraction",
    ),
    "no slices": (lambda p: with_fraction(p, (-1, -1), 1.0, "slice"), "update fraction"),
    "a fraction above one": (lambda p: with_fraction(p, (1, 1), 2.0, "freeze-diagonal"), "update fraction"),
    "a fraction of nothing": (lambda p: with_fraction(p, (1, 1), 0.0, "freeze-diagonal"), "update fraction"),
    "a fraction that is no number": (lambda p: with_fraction(p, (1, 1), float("nan"), "freeze-diagonal"), "update fraction"),
    "phases that need less than is live": (
        lambda p: with_block(p, lambda b: replace(b, forward_bytes=1, gradient_bytes=1, update_bytes=1)),
        "its phases say",
    ),
    "a phase below nothing": (lambda p: with_block(p, lambda b: replace(b, update_bytes=-1)), "below 0"),
    "two buffers of one name": (
        lambda p: with_block(p, lambda b: replace(b, buffers=(*b.buffers, replace(b.buffers[0], bytes=0)))),
        "two buffers are named",
    ),
    "an offset outside RAM": (lambda p: with_block(p, lambda b: with_buffer(b, -1, offset=0)), "outside the arena"),
    "a size below nothing": (lambda p: with_block(p, lambda b: with_buffer(b, -1, bytes=-1)), "lifetime or size"),
    "an offset between words": (lambda p: with_block(p, lambda b: with_buffer(b, 0, offset=2)), "not aligned to"),
    "weights that are not kept": (
        lambda p: with_block(p, lambda b: with_buffer(b, kept(b), last_step=len(b.steps) - 2)),
        "is a weight, and is not kept throughout",
    ),
    "a negative offset": (lambda p: with_block(p, lambda b: with_buffer(b, 0, offset=-4)), "outside the arena"),
    "no block": (lambda p: replace(p, blocks=()), "trains no block"),
    "a block without layers": (lambda p: with_block(p, lambda b: replace(b, layers=())), "a block without layers"),
    "two blocks of one name": (
        lambda p: with_block(p, lambda b: replace(b, name=p.blocks[1].name)),
        "two blocks are ",
    ),
    "a layer that two blocks train": (
        lambda p: with_block(p, lambda b: replace(b, layers=p.blocks[1].layers)),
        "two blocks train the layer",
    ),
    "more flash than there is": (
        lambda p: replace(p, profile=replace(p.profile, nonvolatile_bytes=p.nonvolatile_bytes - 1)),
        "and the profile has",
    ),
    "fewer writes than none": (lambda p: replace(p, written_bytes_per_epoch=-1), "less than nothing"),
    "an account below nothing": (lambda p: with_account(p, update_bytes=-1), "has a figure below 0"),
    "less than nothing in flash": (lambda p: replace(p, nonvolatile_parts=Nonvolatile(-1)), "less than nothing"),
    "no fit, and yet not the smallest": (
        lambda p: replace(p, feasible=False, floor_bytes=p.peak_bytes - 1),
        "smallest there is",
    ),
    "a plan's peak below its blocks'": (lambda p: replace(p, peak_bytes=p.peak_bytes - 1), "largest block"),
    "a budget below the peak": (lambda p: with_budget(p, p.peak_bytes - 1), "is not between"),
    "a floor above the peak": (lambda p: replace(p, floor_bytes=p.peak_bytes + 1), "is not between"),
}


def test_an_allocator_cannot_have_more_live_than_its_peak() -> None:
    """Without offsets the peak is the sum of what is live, and nothing else holds it."""
    whole = allocator_plan()
    verify_plan(whole)
    with pytest.raises(LayoutFault, match="are live"):
        verify_plan(with_block(whole, lambda b: replace(b, peak_bytes=b.peak_bytes - 1)))


def test_a_whole_plan_is_accepted(whole_plan: Plan) -> None:
    verify_plan(whole_plan)
    verify_plan(replace(whole_plan, profile=replace(whole_plan.profile, nonvolatile_bytes=whole_plan.nonvolatile_bytes)))


def test_a_plan_that_does_not_fit_may_need_more_than_the_budget_and_the_flash() -> None:
    floor = infeasible_plan()
    assert floor.peak_bytes > floor.budget_bytes
    verify_plan(replace(floor, profile=replace(floor.profile, nonvolatile_bytes=0)))


@pytest.mark.parametrize("fault", PLAN_FAULTS)
def test_a_broken_plan_is_refused(whole_plan: Plan, fault: str) -> None:
    change, message = PLAN_FAULTS[fault]
    with pytest.raises(LayoutFault, match=message):
        verify_plan(change(whole_plan))
