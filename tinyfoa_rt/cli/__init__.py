"""The command line: one command a file, loaded when it is called, so that ``--help`` starts at once."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from tinyfoa_rt.errors import as_known

__all__ = ["main"]

# Shows where an error comes from.
_DEBUG = "TINYFOA_DEBUG"
# As a shell reports a program that Ctrl-C ended.
_INTERRUPTED = 130

_COMMANDS = {
    "build": ("tinyfoa_rt.cli.build", "Build a plan: an artifact of step graphs that train on onnxruntime."),
    "compare": ("tinyfoa_rt.cli.compare", "Compare methods of training on a model and data, in budgets, over seeds."),
    "design": ("tinyfoa_rt.cli.design", "Find a network for data and a memory budget, where there is no model yet."),
    "export": ("tinyfoa_rt.cli.export", "Export an artifact as C99 for microcontrollers."),
    "eval": ("tinyfoa_rt.cli.eval", "Measure a trained model on test data."),
    "inspect": ("tinyfoa_rt.cli.inspect", "Show layers, shapes and blocks: what can be trained and what not, and why."),
    "plan": ("tinyfoa_rt.cli.plan", "Plan training inside a memory budget."),
    "predict": ("tinyfoa_rt.cli.predict", "Predict with a trained model: labels, or probabilities, of the samples in a file."),
    "train": ("tinyfoa_rt.cli.train", "Train a model or an artifact, with progress, metrics and checkpoints."),
    "zoo": ("tinyfoa_rt.cli.zoo", "List the models that come along, or write one as ONNX."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are needed; their help lines are known without."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would end with the status of any error
            click.echo("tinyfoa-rt: interrupted", err=True)
            ctx.exit(_INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import tinyfoa_rt

        click.echo(f"tinyfoa-rt {tinyfoa_rt.__version__}")
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version.")
def _cli() -> None:
    """Train ONNX models on the device, inside a memory budget that is known before it runs.

    Exit status: 0 done; 2 wrong use; 3 the budget cannot be met; 4 bad input, or too little memory for it; 70 a bug in
    tinyfoa-rt; 130 Ctrl-C. With TINYFOA_DEBUG=1 it shows where an error comes from.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; every error ends as one line on stderr and an exit status (tinyfoa_rt/errors.py)."""
    try:
        _cli.main(args=None if args is None else list(args), prog_name="tinyfoa-rt")
    except Exception as error:
        if os.environ.get(_DEBUG):
            traceback.print_exception(error)
        known = as_known(error)
        click.echo(f"tinyfoa-rt: {known}", err=True)
        sys.exit(known.exit_status)
