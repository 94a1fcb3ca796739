"""``tinyfoa-rt design``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyfoa_rt.cli.arguments import data_option
from tinyfoa_rt.cli.open_line import OpenLine

if TYPE_CHECKING:
    from tinyfoa_rt.design.halving import Step
    from tinyfoa_rt.design.planning import Draft

__all__ = ["command"]

# As a shell reports a program that Ctrl-C ended.
_INTERRUPTED = 130


@click.command("design")
@data_option
@click.option("--budget", metavar="SIZE", help="RAM, such as 16KB. Default: that of the board.")
@click.option("--target", default="c99", show_default=True, help="A profile: c99, a board, ort-cpu, or a .toml of your own.")
@click.option("--flash", metavar="SIZE", help="Nonvolatile memory, in place of the board's.")
@click.option("--latency", metavar="N", help="The most multiply-adds of a training step of one sample, such as 500k or 2M.")
@click.option("--time", default="10min", show_default=True, metavar="TIME", help="For the trials, such as 90s or 5min.")
@click.option("--seed", default=0, show_default=True, help="Of weights, of the order of samples and of what validates.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder: model.onnx, plan.json, report.md.")
def command(
    data: str, budget: str | None, target: str, latency: str | None, time: str, seed: int, output: Path, **others: str | None
) -> None:
    """Find a network for data that can be trained inside a memory budget, where there is no model yet.

    Networks and ways to train them are proposed by rules (docs/design.md), planned exactly, and tried in short
    trainings, of which the better half goes on. Ctrl-C ends the trials, and what is known then counts.
    """
    from tinyfoa_rt.design import Request, Watch, design
    from tinyfoa_rt.design.report import terminal_parts, write_report
    from tinyfoa_rt.terminal import print_parts
    from tinyfoa_rt.units import parse_count, parse_seconds

    most = None if latency is None else parse_count(latency, what="--latency")
    request = Request(budget, target, others["flash"], most, parse_seconds(time, what="--time"), seed, others["label"])
    lines = _Lines()
    with lines:
        found = design(data, output, request, Watch(lines.show_planned, lines.show_tried))
    write_report(found, output)
    print_parts(terminal_parts(found, output))
    if found.halving.was_interrupted:
        click.echo("interrupted; what is known was written", err=True)
        sys.exit(_INTERRUPTED)


class _Lines(OpenLine):
    """What happens: what is planned, and each trial."""

    def show_planned(self, count: int) -> None:
        """One line, which is written over."""
        click.echo(f"\rplanning: {count} networks fit", nl=False, err=True)
        self.is_open = True

    def show_tried(self, step: Step, draft: Draft, counts: Sequence[int]) -> None:
        """A line a trial, which its result ends."""
        if step.measured is None:
            left = "" if step.seconds_left is None else f", about {_minutes(step.seconds_left)} left"
            place = f"rung {step.rung + 1}/{len(counts)}, {step.place + 1}/{counts[step.rung]}, {step.samples:,} samples{left}"
            click.echo(f"\n{place}: {draft.candidate.title}: ", nl=False, err=True)
        else:
            click.echo(str(step.measured), nl=False, err=True)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
