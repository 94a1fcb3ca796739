"""What a design came to: a table of its candidates for a terminal and as Markdown, why the best was chosen, how to train it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.design.designing import MODEL, PLAN, Design
from tinyfoa_rt.design.trial import BATCH
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.units import format_nbytes

__all__ = ["commands_of", "sentences_of", "terminal_parts", "write_report"]

REPORT = "report.md"
_SHOWN = 8
_NONE = "-"


def write_report(found: Design, folder: Path) -> None:
    """Write report.md.

    Raises:
        InputError: the folder cannot be written.
    """
    columns = ["network", "RAM, bytes", "flash, bytes", "multiply-adds a step", *_rung_titles(found)]
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)]]
    lines += [_cells(found, number) for number in _ranked(found)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    commands = "".join(f"    {command}\n" for command in commands_of(found, folder))
    best = f"# {found.best.candidate.title}\n\n"
    write_whole(folder / REPORT, f"{best}{' '.join(sentences_of(found))}\n\n{commands}\n{table}".encode())


def sentences_of(found: Design) -> list[str]:
    """Return what was chosen and why, and what the figures are."""
    best, halving, plan = found.halving.best, found.halving, found.best.plan
    rung = max(number for number, results in enumerate(halving.results) if results)
    results, samples = halving.results[rung], halving.rungs[rung][1]
    assert best is not None
    measured = f"the best of {len(results)} that were trained on {samples:,} samples, of {len(found.drafts)} that fit"
    sizes = f"{plan.peak_bytes:,} of {plan.budget_bytes:,} bytes of RAM, {plan.nonvolatile_bytes:,} of flash"
    said = [f"{found.best.candidate.title}: {results[best]} on {found.validation:,} validation samples, {measured}; {sizes}."]
    if halving.was_cut or halving.was_interrupted:
        said.append(f"{'Time' if halving.was_cut else 'Ctrl-C'} has ended the trials before the last one.")
    said.append(
        f"Trials take {BATCH} samples a step, the plan one: their scores rank networks, and full training goes further. "
        f"Seed {found.request.seed}; the test samples were not read."
    )
    return said


def commands_of(found: Design, folder: Path) -> list[str]:
    """Return the commands that train the winner fully, and export it where the target runs C."""
    label = [] if found.request.label is None else ["--label", found.request.label]
    words: list[list[object]] = [
        ["build", folder / MODEL, "--plan", folder / PLAN, "-o", folder / "artifact"],
        ["train", folder / "artifact", "--data", found.data, *label, "--epochs", 10, "-o", folder / "trained"],
    ]
    if found.best.plan.profile.runtime == "c99":
        words.append(["export", folder / "trained", "-o", folder / "c99"])
    return [shlex.join(["tinyfoa-rt", *map(str, line)]) for line in words]


def terminal_parts(found: Design, folder: Path) -> list[RenderableType]:
    """Return the table of the best candidates, the reasons and the commands, for 100 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("network")
    last = max(0, len(found.halving.results) - 3)  # as many rungs as there is room for
    for title in ("RAM", "flash", *_rung_titles(found)[last:]):
        table.add_column(Text(title), justify="right", no_wrap=True)
    for number in _ranked(found)[:_SHOWN]:
        plan = found.drafts[number].plan
        memory = [format_nbytes(plan.peak_bytes), format_nbytes(plan.nonvolatile_bytes)]
        cells = [found.drafts[number].candidate.title, *memory, *_scores(found, number)[last:]]
        table.add_row(*(Text(cell, style="bold" if number == found.halving.best else "") for cell in cells))
    said = [Text(sentence) for sentence in sentences_of(found)]
    return [table, "", *said, "", Text("Train it fully:"), *(Text(f"  {line}") for line in commands_of(found, folder))]


def _ranked(found: Design) -> Sequence[int]:
    """The candidates, the best first: those that came furthest, by the score there."""

    def key(number: int) -> tuple[int, float]:
        reached = [rung for rung, results in enumerate(found.halving.results) if number in results]
        return (-reached[-1], -found.halving.results[reached[-1]][number].score) if reached else (1, 0.0)

    return sorted(range(len(found.drafts)), key=key)


def _rung_titles(found: Design) -> list[str]:
    return [f"{samples:,}" for _, samples in found.halving.rungs[: len(found.halving.results)]]


def _scores(found: Design, number: int) -> list[str]:
    return [str(results.get(number, _NONE)) for results in found.halving.results]


def _cells(found: Design, number: int) -> list[str]:
    plan, candidate = found.drafts[number].plan, found.drafts[number].candidate
    sizes = [f"{each:,}" for each in (plan.peak_bytes, plan.nonvolatile_bytes, candidate.multiply_adds)]
    return [candidate.title, *sizes, *_scores(found, number)]
