"""The sentence of a plan that says what was chosen and why, or what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import BlockPlan, Nonvolatile, Plan, PlannedBuffer
from tinyfoa_rt.names import elide
from tinyfoa_rt.partition.layers import untrainable_products
from tinyfoa_rt.planner.assemble import search_space
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.nonvolatile import Flash
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.segments import repeated_share
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import assemble_step
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.units import format_nbytes

__all__ = ["explain"]


def explain(costs: BlockCosts, flash: Flash, plan: Plan) -> str:
    """Return why the blocks of ``plan`` are planned as they are, or what stands in the way."""
    task, blocks = costs.task, plan.blocks
    why = _why_chosen(task, costs, blocks) if plan.feasible else _why_not(task, flash, blocks)
    repeated = [_why_repeated(costs, index, block, plan.batch) for index, block in enumerate(blocks) if block.segments]
    return " ".join([why, *repeated]) + _why_frozen(task.graph)


def _why_frozen(graph: Graph) -> str:
    """A sentence about products that have weights and yet are no layers, or nothing where there are none."""
    reasons = untrainable_products(graph)
    names = [node.name for node in graph.nodes if node.name in reasons and graph.is_constant(node.input(1))]
    if not names:
        return ""
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    verb = "stay" if others else "stays"
    return f" {elide(names[0])}{others} {verb} frozen: {reasons[names[0]]}."


def _why_repeated(costs: BlockCosts, index: int, block: BlockPlan, batch: int) -> str:
    """What it costs to compute activations again, and what it saves."""
    context, slices = costs.task.contexts[index], Slices(*block.slices)
    step = assemble_step(context, costs.task.choice(Candidate(slices, batch, block.segments)))
    cuts = " and ".join(elide(context.block.parts[cut].name) for cut in block.segments)
    kept = costs.peak(index, Candidate(slices, batch))
    return (
        f"Block {elide(block.name)} computes {100 * repeated_share(context, step):.0f} % of its forward pass twice (cut before "
        f"{cuts}), by multiply-accumulates: in these sizes it would need {kept:,} bytes if all activations were kept."
    )


def _why_not(task: PlanningTask, flash: Flash, blocks: Sequence[BlockPlan]) -> str:
    """RAM, nonvolatile memory or both: who mends one only must not learn of the other afterwards."""
    worst = max(blocks, key=lambda block: block.peak_bytes)
    sentences = []
    if worst.peak_bytes > task.budget_bytes:
        sentences.append(_too_little_ram(task, worst))
    available = task.profile.nonvolatile_bytes
    need = flash.need([Candidate(Slices(*block.slices), task.batches[0]) for block in blocks])
    if available and need.total_bytes > available:
        least = flash.least
        need = least if least.total_bytes > available else need
        sentences.append(_too_little_nonvolatile(task, need, flash.most_last_blocks(available)))
    return " ".join(sentences)


def _too_little_ram(task: PlanningTask, worst: BlockPlan) -> str:
    largest = max(_in_ram_at_peak(worst), key=lambda buffer: buffer.bytes)
    where = (
        "There is no nonvolatile memory, so all parameters are in RAM."
        if task.profile.nonvolatile_bytes == 0
        else "Weights that are not being updated are read from nonvolatile memory and take no RAM."
    )
    context = next(context for context in task.contexts if context.block.name == worst.name)
    advice = method_of(context.recipe.method).advice(context, largest)
    mend = f" {advice}" if advice else ""
    if task.options.recompute == "never" and context.block.parts:
        mend += " Activations need not all be kept: --recompute auto."
    return (
        f"Block {elide(worst.name)} needs at least {worst.peak_bytes:,} bytes; its largest buffer is {elide(largest.name)} "
        f"({format_nbytes(largest.bytes)}). The smallest budget that would do is {worst.peak_bytes:,} bytes.{mend} {where}"
    )


def _too_little_nonvolatile(task: PlanningTask, need: Nonvolatile, fitting: int) -> str:
    """``fitting`` is how many of the last blocks can be trained."""
    fewer = f"train fewer blocks (--train last:{fitting}) or " if fitting else ""
    available = task.profile.nonvolatile_bytes or 0
    code = f", {format_nbytes(need.code_bytes)} of them for code" if need.code_bytes else ""
    return (
        f"{task.profile.name} has {format_nbytes(available)} of nonvolatile memory, but the model takes at least "
        f"{format_nbytes(need.total_bytes)} ({need.total_bytes:,} bytes{code}) there; "
        f"{fewer}name external memory (--nonvolatile {_next_size(need.total_bytes)})."
    )


def _next_size(nbytes: int) -> str:
    """The smallest power of two of at least 1 MB that holds ``nbytes``, as --nonvolatile takes it."""
    return f"{1 << max(0, (nbytes - 1) >> 20).bit_length()}MB"


def _in_ram_at_peak(block: BlockPlan) -> list[PlannedBuffer]:
    """The RAM buffers that are live in the step that needs most; a plan lists nonvolatile ones beside them."""
    in_ram = [buffer for buffer in block.buffers if buffer.place == "ram"]
    steps = range(len(block.steps))
    busiest = max(steps, key=lambda step: sum(b.bytes for b in in_ram if b.first_step <= step <= b.last_step))
    return [b for b in in_ram if b.first_step <= busiest <= b.last_step]


def _why_chosen(task: PlanningTask, costs: BlockCosts, blocks: Sequence[BlockPlan]) -> str:
    where = (
        "all parameters stay in RAM, for there is no nonvolatile memory"
        if task.profile.nonvolatile_bytes == 0
        else "weights that are not being updated are read from nonvolatile memory"
    )
    in_turn = task.options.slices_at == "one"
    if task.options.schedule != "slice" or task.options.slices != "auto":
        return f"The update fractions are as asked for; {where}."
    in_part = any(layer.is_in_part for context in task.contexts for layer in context.block.layers)
    cut = [(index, block) for index, block in enumerate(blocks) if block.slices != (1, 1)]
    if not cut:
        trained = "All that is trained (--train)" if in_part else "Every weight"
        when = "when its layer has its turn" if in_turn else "in every step"
        return f"{trained} is updated {when}: whole layers fit; {where}."
    index, tightest = min(cut, key=lambda item: item[1].update_fraction)
    larger = _next_larger(task, costs, index, tightest)
    needed = f", the next larger one needs {larger:,} bytes" if larger else ""
    m_in, m_out = tightest.slices
    what = "a layer's weights" if in_turn else "its weights"
    if in_part:
        what = f"what is trained of {'a layer' if in_turn else 'it'}"
    return (
        f"Block {elide(tightest.name)} updates 1/{m_in * m_out} of {what} a step ({m_in} x {m_out} slices), "
        f"the largest fraction that fits{needed}; {where}."
    )


def _next_larger(task: PlanningTask, costs: BlockCosts, index: int, block: BlockPlan) -> int | None:
    """The least RAM that the next larger update fraction would take, at the smallest batch."""
    count = Slices(*block.slices).count
    grids = [g for g in task.grids(task.contexts[index].block) if g.count < count]
    if not grids:
        return None
    next_count = max(g.count for g in grids)
    tried = search_space(costs).extremes(index, [g for g in grids if g.count == next_count])
    return min(costs.peak(index, each) for each in tried)
