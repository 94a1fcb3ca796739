"""The options of planning on a command line: one for each field of :class:`tinyfoa_rt.ir.options.PlanOptions`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import Field, fields
from typing import Any

import click
from click.core import ParameterSource

from tinyfoa_rt.cli.arguments import renamed_option
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.options import RENAMED, PlanOptions

__all__ = ["PLANNING", "given_planning", "planning_options", "pop_planning", "refuse_given"]

# `--seed` is that of the order of samples.
_FLAGS = {"seed": "--head-seed"}
_GIVEN = ParameterSource.COMMANDLINE


def planning_options(*, without: Collection[str] = (), hidden: bool = False) -> Callable[[Any], Any]:
    """Give a command the options of planning, but for those of the fields ``without``."""

    def decorate(command: Any) -> Any:
        for each in reversed(fields(PlanOptions)):
            if each.name not in without:
                command = _option(each, hidden)(command)
        for name in RENAMED:
            command = renamed_option(_flag(name), _flag(RENAMED[name]))(command)
        return command

    return decorate


def _option(each: Field[Any], hidden: bool) -> Callable[[Any], Any]:
    return click.option(
        _flag(each.name),
        _parameter(each.name),
        type=int if "range" in each.metadata else str,
        default=each.default,
        show_default=each.default is not None,
        metavar=each.metadata.get("metavar") or None,
        help=each.metadata["help"],
        hidden=hidden,
    )


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def _parameter(name: str) -> str:
    return _flag(name).removeprefix("--").replace("-", "_")


# The parameters of commands.
PLANNING = frozenset(_parameter(each.name) for each in fields(PlanOptions))


def pop_planning(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options of planning out of a command's values; return them by the names of their fields."""
    names = {each.name: _parameter(each.name) for each in fields(PlanOptions)}
    return {name: values.pop(parameter) for name, parameter in names.items() if parameter in values}


def given_planning(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options of planning out of a command's values; return those that were given on the command line."""
    context = click.get_current_context()
    given = pop_planning(values)
    return {name: each for name, each in given.items() if context.get_parameter_source(_parameter(name)) is _GIVEN}


def refuse_given(allowed: Iterable[str], problem: str, mend: str) -> None:
    """Refuse the options of the current command that were given on its command line, but for the parameters ``allowed``.

    Raises:
        UsageError: there is one.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        is_given = context.get_parameter_source(parameter.name or "") is _GIVEN
        if is_given and isinstance(parameter, click.Option) and parameter.name not in allowed:
            raise UsageError(parameter.opts[0], problem, mend)
