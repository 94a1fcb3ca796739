"""A line on stderr that is begun before what ends it is known."""

from __future__ import annotations

import click

__all__ = ["OpenLine"]


class OpenLine:
    """A context that ends the line which is open when it is left; whoever begins and ends lines says so in ``is_open``."""

    def __init__(self) -> None:
        self.is_open = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> None:
        if self.is_open:
            click.echo(err=True)
