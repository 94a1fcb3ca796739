"""Where a plan needs most RAM: the block, its step, and what is live there."""

from __future__ import annotations

from itertools import accumulate

from tinyfoa_rt.ir.plan import BlockPlan, Plan, PlannedBuffer

__all__ = ["largest_at_peak", "num_steps", "peak_block", "peak_step", "ram_buffers"]


def peak_block(plan: Plan) -> BlockPlan:
    """Return the block that sets the peak: the first of those that need most."""
    return max(plan.blocks, key=lambda block: block.peak_bytes)


def peak_step(block: BlockPlan) -> int:
    """Return the first step in which the most bytes of RAM are live."""
    change = [0] * (num_steps(block) + 1)
    for buffer in ram_buffers(block):
        change[buffer.first_step] += buffer.bytes
        change[buffer.last_step + 1] -= buffer.bytes
    live = list(accumulate(change))
    return live.index(max(live))


def largest_at_peak(block: BlockPlan) -> list[PlannedBuffer]:
    """Return the RAM buffers that are live in the block's peak step, largest first."""
    step = peak_step(block)
    live = [buffer for buffer in ram_buffers(block) if buffer.first_step <= step <= buffer.last_step]
    return sorted(live, key=lambda buffer: -buffer.bytes)


def ram_buffers(block: BlockPlan) -> list[PlannedBuffer]:
    return [buffer for buffer in block.buffers if buffer.place == "ram"]


def num_steps(block: BlockPlan) -> int:
    """Return how many steps the block's program has; one where nothing is named."""
    return max([1, len(block.steps), *(buffer.last_step + 1 for buffer in block.buffers)])
