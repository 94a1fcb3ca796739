"""The verifier: checks a layout and a whole plan, and shares no code with the planner.

It replays the schedule: buffers are born and die step by step, and the bytes in use are kept as a sorted list of intervals. A
buffer that is born must find its bytes free, so no two buffers that live at the same time can overlap.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import astuple

from tinyfoa_rt.ir.buffer import Buffer, Layout
from tinyfoa_rt.ir.plan import BlockPlan, Plan

__all__ = ["LayoutFault", "verify_layout", "verify_plan"]


class LayoutFault(Exception):
    """A plan that would not hold: names what is wrong, the buffers and the step. It is a defect of the planner."""


class _Occupancy:
    """The bytes in use, as intervals in increasing order."""

    def __init__(self) -> None:
        self._intervals: list[tuple[int, int, str]] = []

    def claim(self, start: int, end: int, owner: str, step: int) -> None:
        at = bisect_left(self._intervals, (start, end, owner))
        for neighbour in self._intervals[max(0, at - 1) : at + 1]:
            if neighbour[0] < end and start < neighbour[1]:
                raise LayoutFault(f"{owner} and {neighbour[2]} overlap in step {step}")
        insort(self._intervals, (start, end, owner))

    def release(self, start: int, end: int, owner: str) -> None:
        del self._intervals[bisect_left(self._intervals, (start, end, owner))]


# name, first byte, byte behind the last, first step, step behind the last
_Span = tuple[str, int, int, int, int]


def verify_layout(layout: Layout, buffers: Sequence[Buffer]) -> None:
    """Check that ``layout`` places every RAM buffer once, aligned, pinned where asked, and never two on the same byte.

    Raises:
        LayoutFault: names the first fault found.
    """
    placed = {placement.buffer.name: placement for placement in layout.placements}
    names = {buffer.name for buffer in buffers}
    if set(placed) != names or not len(names) == len(layout.placements) == len(buffers):
        raise LayoutFault("the layout does not place each buffer once")
    for buffer in buffers:
        placement = placed[buffer.name]
        if buffer.place != "ram" or buffer.nbytes < 0 or buffer.lifetime.start >= buffer.lifetime.end:
            raise LayoutFault(f"{buffer.name} is not in RAM, or has no valid lifetime or size")
        if placement.buffer != buffer:
            raise LayoutFault(f"{buffer.name} was changed")
        if placement.offset < 0 or placement.offset + buffer.nbytes > layout.arena_nbytes:
            raise LayoutFault(f"{buffer.name} lies outside the arena")
        if buffer.offset is not None and placement.offset != buffer.offset:
            raise LayoutFault(f"{buffer.name} is pinned to {buffer.offset}, but lies at {placement.offset}")
        if buffer.offset is None and placement.offset % buffer.alignment:
            raise LayoutFault(f"{buffer.name} is not aligned to {buffer.alignment}")
    highest = max((placed[b.name].offset + b.nbytes for b in buffers), default=0)
    if highest != layout.arena_nbytes:
        raise LayoutFault(f"the arena is said to be {layout.arena_nbytes} bytes, but its buffers end at {highest}")
    _replay((b.name, placed[b.name].offset, placed[b.name].offset + b.nbytes, b.lifetime.start, b.lifetime.end) for b in buffers)


def verify_plan(plan: Plan) -> None:
    """Check that every block of ``plan`` fits its peak, that no two train the same, and that the plan's figures agree.

    Raises:
        LayoutFault: names the first fault found.
    """
    _verify_names(plan)
    _verify_figures(plan)
    for block in plan.blocks:
        _verify_block(block, plan.profile.alignment)
        _verify_fraction(plan, block)
    if plan.peak_bytes != max((block.peak_bytes for block in plan.blocks), default=0):
        raise LayoutFault("the plan's peak is not that of its largest block")
    if plan.feasible and not plan.floor_bytes <= plan.peak_bytes <= plan.budget_bytes:
        raise LayoutFault(f"peak {plan.peak_bytes} is not between floor {plan.floor_bytes} and budget {plan.budget_bytes}")
    if not plan.feasible and plan.peak_bytes != plan.floor_bytes:
        raise LayoutFault("a plan that does not fit must be the smallest there is")


def _verify_names(plan: Plan) -> None:
    if not plan.blocks or not all(block.layers for block in plan.blocks):
        raise LayoutFault("the plan trains no block, or a block without layers")
    blocks, layers = [block.name for block in plan.blocks], [name for block in plan.blocks for name in block.layers]
    for what, names in (("blocks are", blocks), ("blocks train the layer", layers)):
        if len(set(names)) < len(names):
            raise LayoutFault(f"two {what} {next(name for name in names if names.count(name) > 1)}")


def _verify_figures(plan: Plan) -> None:
    """Of nonvolatile memory, and of other ways of training."""
    if min(*astuple(plan.nonvolatile_parts), plan.written_bytes_per_epoch or 0) < 0:
        raise LayoutFault("the plan keeps or writes less than nothing")
    lasting = (plan.flash_years or 0) * 365.25 * (plan.written_bytes_per_day or 0)  # bytes; written so that NaN is refused
    known = 10_000 * plan.nonvolatile_parts.storage_bytes if plan.written_bytes_per_day else 0
    if (plan.written_bytes_per_day or 0) < 0 or not abs(lasting - known) <= 1e-9 * known:
        raise LayoutFault(f"a flash that is written {plan.written_bytes_per_day} bytes a day lasts {plan.flash_years} years")
    limit = plan.profile.nonvolatile_bytes
    if plan.feasible and limit is not None and plan.nonvolatile_bytes > limit:
        raise LayoutFault(f"the plan keeps {plan.nonvolatile_bytes} bytes, and the profile has {limit}")
    for name, account in plan.baselines.items():
        if min(astuple(account)) < 0:
            raise LayoutFault(f"the account {name} has a figure below 0")


def _verify_fraction(plan: Plan, block: BlockPlan) -> None:
    """Written so that NaN, which compares false with everything, is refused."""
    m_in, m_out = block.slices
    fraction = block.update_fraction
    count = m_in * m_out * (len(block.layers) if plan.options.slices_at == "one" else 1)
    moved = min(plan.options.slices_per_step, m_in * m_out)
    follows = plan.options.schedule != "slice" or plan.shares_of(block) or abs(fraction * count - moved) <= 1e-9
    if min(m_in, m_out) < 1 or not 0 < fraction <= 1 or not follows:
        raise LayoutFault(f"block {block.name}: {m_in} x {m_out} slices do not give an update fraction of {fraction}")


def _verify_buffers(block: BlockPlan, alignment: int) -> None:
    names = set()
    last = len(block.steps) - 1
    for buffer in block.buffers:
        if not 0 <= buffer.first_step <= buffer.last_step < len(block.steps) or buffer.bytes < 0:
            raise LayoutFault(f"block {block.name}: {buffer.name} has no valid lifetime or size")
        if buffer.category in ("weight", "state") and (buffer.first_step, buffer.last_step) != (0, last):
            raise LayoutFault(f"block {block.name}: {buffer.name} is a {buffer.category}, and is not kept throughout")
        if buffer.offset is not None and (buffer.place != "ram" or buffer.offset < 0):
            raise LayoutFault(f"block {block.name}: {buffer.name} lies outside the arena")
        if buffer.offset is not None and buffer.offset % alignment:
            raise LayoutFault(f"block {block.name}: {buffer.name} is not aligned to {alignment}")
        if buffer.name in names:
            raise LayoutFault(f"block {block.name}: two buffers are named {buffer.name}")
        names.add(buffer.name)


def _verify_block(block: BlockPlan, alignment: int) -> None:
    _verify_buffers(block, alignment)
    in_ram = [buffer for buffer in block.buffers if buffer.place == "ram"]
    most = _most_live([(b.bytes, b.first_step, b.last_step) for b in in_ram], len(block.steps))
    if most > block.peak_bytes:
        raise LayoutFault(f"block {block.name}: {most} bytes are live, but its peak is {block.peak_bytes}")
    phases = (block.forward_bytes, block.gradient_bytes, block.update_bytes)
    if min(*phases, block.written_bytes_per_epoch or 0) < 0:
        raise LayoutFault(f"block {block.name}: a figure is below 0")
    if max(phases) != most:
        raise LayoutFault(f"block {block.name}: {most} bytes are live at most, but its phases say {max(phases)}")
    spans: list[_Span] = [
        (b.name, b.offset, b.offset + b.bytes, b.first_step, b.last_step + 1) for b in in_ram if b.offset is not None
    ]
    highest = max((span[2] for span in spans), default=most)
    if len(spans) not in (0, len(in_ram)):
        raise LayoutFault(f"block {block.name}: some buffers have offsets and some have none")
    if highest != block.peak_bytes:
        raise LayoutFault(f"block {block.name}: its buffers need {highest} bytes, but its peak is {block.peak_bytes}")
    _replay(spans)


def _most_live(buffers: Sequence[tuple[int, int, int]], num_steps: int) -> int:
    change = [0] * (num_steps + 1)
    for nbytes, first, last in buffers:
        change[first] += nbytes
        change[last + 1] -= nbytes
    live = most = 0
    for delta in change:
        live += delta
        most = max(most, live)
    return most


def _replay(spans: Iterable[_Span]) -> None:
    """Claim every buffer's bytes when it is born and release them when it dies, in order of time."""
    events: list[tuple[int, int, _Span]] = []
    for span in spans:
        if span[1] < span[2]:
            events.append((span[3], 1, span))
            events.append((span[4], 0, span))
    occupancy = _Occupancy()
    for step, is_birth, (name, start, end, _, _) in sorted(events):
        if is_birth:
            occupancy.claim(start, end, name, step)
        else:
            occupancy.release(start, end, name)
