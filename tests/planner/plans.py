"""Plans made by hand, small enough to check with a pencil."""

from __future__ import annotations

from dataclasses import replace

from tests.profiles_for_tests import ALLOCATOR, ARENA
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.plan import Account, BlockPlan, Category, Nonvolatile, Plan, PlannedBuffer

OPTIONS = PlanOptions(
    target="c99", batch=4, optimizer="momentum", schedule="slice", head="rademacher", loss="cross-entropy", samples=60_000
)
STEPS = ("forward", "BinaryDense(z)", "HeadLogits(logits)", "HeadGrad(grad.h)", "SgdUpdate(w.next)")

BASELINES = {
    "bp_float": Account(72_576_000, 72_576_000, 72_576_000, 217_900_000),
    "bp_binary": Account(2_268_000, 72_576_000, 72_576_000, 147_500_000),
    "layerwise": Account(768_000, 24_576_000, 24_576_000, 24_700_000),
    "layerwise_sliced": Account(768_000, 6_144_000, 6_144_000, 11_264),
}


def buffer(name: str, nbytes: int, category: Category, offset: int | None, steps: tuple[int, int]) -> PlannedBuffer:
    return PlannedBuffer(name, nbytes, "ram", offset, steps[0], steps[1], category)


def block(name: str, size: int = 1024, *, is_arena: bool = True) -> BlockPlan:
    """A block of a dense layer in five steps whose peak, in the last step but one, is 11 ``size``."""

    def at(units: int) -> int | None:
        return units * size if is_arena else None

    buffers = (
        buffer(f"{name}.w", 4 * size, "weight", at(0), (0, 4)),
        buffer(f"{name}.velocity", size, "state", at(4), (0, 4)),
        buffer(f"{name}.x", 2 * size, "activation", at(5), (1, 4)),
        buffer(f"{name}.z", size, "activation", at(7), (1, 2)),
        buffer(f"{name}.scratch", size, "scratch", at(8), (1, 1)),
        buffer(f"{name}.logits", size, "head", at(8), (2, 3)),
        buffer(f"grad.{name}.h", 3 * size, "gradient", at(9), (3, 4)),
        buffer("forward through the blocks before", 5 * size, "forward", at(5), (0, 0)),
        PlannedBuffer(f"{name}.bits", 4 * size, "nonvolatile", None, 0, 4, "weight"),
    )
    peak = 12 * size if is_arena else 11 * size
    return BlockPlan(
        name=name,
        layers=(f"{name}.dense",),
        parameters=size * 4,
        slices=(2, 2),
        segments=(),
        update_fraction=0.25,
        forward_bytes=10 * size,
        gradient_bytes=11 * size,
        update_bytes=10 * size,
        peak_bytes=peak,
        written_bytes_per_epoch=None,
        buffers=buffers,
        steps=STEPS,
    )


def plan_of(blocks: tuple[BlockPlan, ...], budget: int, **changes: object) -> Plan:
    peak = max(b.peak_bytes for b in blocks)
    plan = Plan(
        model="mlp.onnx",
        model_sha256="00ff" * 16,
        shapes={},
        pool_input=1,
        profile=replace(ARENA, name="c99"),
        options=OPTIONS,
        feasible=peak <= budget,
        peak_bytes=peak,
        floor_bytes=peak,
        nonvolatile_parts=Nonvolatile(4096 * len(blocks)),
        written_bytes_per_epoch=None,
        written_bytes_per_day=None,
        flash_years=None,
        baselines=BASELINES,
        blocks=blocks,
        reason="Block hidden updates 1/4 of its weights a step, the largest fraction that fits.",
    )
    return with_budget(replace(plan, **changes), budget)  # type: ignore[arg-type]


def with_budget(plan: Plan, nbytes: int) -> Plan:
    """The plan for another budget; whether it is feasible is the caller's to say."""
    names = tuple(each.name for each in plan.blocks)
    return replace(plan, options=replace(plan.options, budget=nbytes, train=names))


def arena_plan() -> Plan:
    """Three blocks in an arena; ``hidden`` sets the peak of 24,576 bytes, 8,192 bytes below the budget."""
    return plan_of((block("first"), block("hidden", 2048), block("last", 512)), 32_768, floor_bytes=9000)


def allocator_plan() -> Plan:
    """Three blocks whose buffers an allocator places: the peak is the sum of what is live."""
    blocks = tuple(block(name, size, is_arena=False) for name, size in (("first", 1024), ("hidden", 2048), ("last", 512)))
    return plan_of(blocks, 32_768, profile=replace(ALLOCATOR, name="ort-cpu"), floor_bytes=9000, written_bytes_per_epoch=123_456)


def infeasible_plan() -> Plan:
    """The floor, 24,576 bytes, is above the budget of 16,384."""
    reason = "Block hidden needs at least 24,576 bytes. The smallest budget that would do is 24,576 bytes."
    return plan_of((block("first"), block("hidden", 2048), block("last", 512)), 16_384, reason=reason)


def long_plan(count: int, *, is_arena: bool = True) -> Plan:
    """``count`` blocks with names of over 200 characters, as converters write them; number 25, if any, sets the peak."""
    names = [f"model/conv2d_{index}/{'BiasAdd/ReadVariableOp/resource;' * 7}{index}" for index in range(count)]
    sizes = [4096 if index == 25 else 1024 + 16 * (index % 7) for index in range(count)]
    return plan_of(tuple(block(name, size, is_arena=is_arena) for name, size in zip(names, sizes)), 65_536)
