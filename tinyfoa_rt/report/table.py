"""A plan as tables in a terminal, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.ir.plan import BlockPlan, Nonvolatile, Plan
from tinyfoa_rt.ir.storage import FLASH_CYCLES
from tinyfoa_rt.names import elide, elide_all
from tinyfoa_rt.report.comparison import comparison_table
from tinyfoa_rt.report.peaks import largest_at_peak, peak_block, peak_step
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.terminal import print_parts
from tinyfoa_rt.units import format_nbytes

__all__ = ["print_plan"]

_NAME_WIDTH = 30
_MOST_BLOCKS = 40
_SHOWN_AT_ENDS = 12


def print_plan(plan: Plan, console: Console | None = None) -> None:
    """Print the plan: what was planned, block by block, the totals, the comparison, and the reason."""
    print_parts(_parts(plan), console)


def _parts(plan: Plan) -> Iterator[RenderableType]:
    yield _headline(plan)
    yield _settings(plan)
    yield ""
    yield _block_table(plan)
    yield ""
    yield _totals(plan)
    if not plan.feasible:
        yield ""
        yield _floor_table(plan)
    yield ""
    yield from comparison_table(plan.baselines)
    yield ""
    yield Text(plan.reason)


def _headline(plan: Plan) -> Text:
    if plan.feasible:
        verdict, style = f"fits in {format_nbytes(plan.budget_bytes)}", "bold green"
    elif plan.peak_bytes > plan.budget_bytes:
        verdict, style = f"does not fit in {format_nbytes(plan.budget_bytes)}", "bold red"
    else:
        verdict, style = "does not fit in nonvolatile memory", "bold red"
    return Text.assemble((elide(plan.model, 50), "bold"), " on ", plan.profile.name, ": training ", (verdict, style))


def _settings(plan: Plan) -> Text:
    error = method_of(plan.options.method).title(plan.options)
    return Text(f"batch {plan.batch}, {plan.options.optimizer}, schedule {plan.options.schedule}, {error}", style="dim")


def _table(*columns: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, title in enumerate(columns):
        table.add_column(Text(title), justify="right" if index else "left", no_wrap=True)
    return table


def _block_table(plan: Plan) -> Table:
    table = _table("block", "parameters", "slices", "update", "forward", "gradient", "updating", "peak")
    largest = max(range(len(plan.blocks)), key=lambda i: plan.blocks[i].peak_bytes)
    shown = _shown(len(plan.blocks), largest)
    labels = _labels(plan.blocks)
    before = -1
    for index in shown:
        if index != before + 1:
            table.add_row(Text(f"… {index - before - 1} more blocks", style="dim"))
        table.add_row(*_block_row(plan.blocks[index], labels[index], is_largest=index == largest))
        before = index
    return table


def _shown(count: int, largest: int) -> Sequence[int]:
    """All blocks, or the first, the last and the largest of many."""
    if count <= _MOST_BLOCKS:
        return range(count)
    return sorted({*range(_SHOWN_AT_ENDS), largest, *range(count - _SHOWN_AT_ENDS, count)})


def _labels(blocks: Sequence[BlockPlan]) -> list[str]:
    """The names, and how many layers a block has beside the one that gives it its name."""
    suffixes = [f" +{len(block.layers) - 1}" if len(block.layers) > 1 else "" for block in blocks]
    names = elide_all([block.name for block in blocks], _NAME_WIDTH - max(map(len, suffixes)))
    return [name + suffix for name, suffix in zip(names, suffixes)]


def _block_row(block: BlockPlan, label: str, *, is_largest: bool) -> list[Text]:
    m_in, m_out = block.slices
    cells = [label, f"{block.parameters:,}", f"{m_in}x{m_out}", _fraction(block.update_fraction)]
    cells += [format_nbytes(n) for n in (block.forward_bytes, block.gradient_bytes, block.update_bytes)]
    cells.append(f"{block.peak_bytes:,}" + ("  <" if is_largest else "   "))
    return [Text(cell, style="bold" if is_largest else "") for cell in cells]


def _fraction(value: float) -> str:
    """A share such as 1/8, or in percent where it is no unit fraction."""
    inverse = round(1 / value)
    if abs(inverse * value - 1) > 1e-9:
        return f"{value:.1%}"
    return "all" if inverse == 1 else f"1/{inverse}"


def _totals(plan: Plan) -> Table:
    table = _table("memory", "bytes", "")
    rows = [("RAM, peak", plan.peak_bytes), ("RAM, budget", plan.budget_bytes), ("RAM, floor", plan.floor_bytes)]
    if plan.feasible:
        rows.insert(2, ("RAM, free", plan.budget_bytes - plan.peak_bytes))
    rows += _nonvolatile_rows(plan.nonvolatile_parts)
    for name, nbytes in rows:
        table.add_row(name, f"{nbytes:,}", format_nbytes(nbytes))
    if plan.written_bytes_per_epoch is None:
        table.add_row("written an epoch", "unknown", "give --samples")
    else:
        table.add_row("written an epoch", f"{plan.written_bytes_per_epoch:,}", format_nbytes(plan.written_bytes_per_epoch))
    if plan.written_bytes_per_day is not None:
        table.add_row("written a day", f"{plan.written_bytes_per_day:,}", format_nbytes(plan.written_bytes_per_day))
    if plan.flash_years is not None:
        table.add_row(f"flash of {FLASH_CYCLES:,} cycles", f"{plan.flash_years:,.1f} years", _turns(plan))
    return table


def _turns(plan: Plan) -> str:
    """How long slices stay, or how many a step moves."""
    if plan.options.slices_per_step > 1:
        return f"{plan.options.slices_per_step} slices a step"
    steps = plan.options.rotate_every
    return f"{steps:,} step{'s' * (steps > 1)} a turn" if steps else ""


def _nonvolatile_rows(found: Nonvolatile) -> list[tuple[str, int]]:
    """The sum, and its parts where there are several."""
    parts = [
        ("  storage", found.storage_bytes),
        ("  constants", found.constants_bytes),
        ("  first state", found.first_state_bytes),
        ("  kept for code", found.code_bytes),
    ]
    present = [part for part in parts if part[1]]
    return [("nonvolatile", found.total_bytes), *(present if len(present) > 1 else [])]


def _floor_table(plan: Plan) -> Table:
    """The largest buffers of the block that needs most, in the step that needs most."""
    worst = peak_block(plan)
    step = peak_step(worst)
    table = _table(f"largest buffers of block {elide(worst.name, 40)}, step {step} ({elide(worst.steps[step], 30)})", "bytes")
    for buffer in largest_at_peak(worst)[:5]:
        table.add_row(Text(elide(buffer.name, 70)), f"{buffer.bytes:,}")
    return table
