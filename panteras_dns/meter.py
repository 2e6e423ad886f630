"""How far something is: one line on a terminal, gone when all is done, and nothing for programs."""

import sys
from collections.abc import Callable

import click

Told = Callable[[int, int], None]  # how many are done, of how many


def meter(shown: Callable[[int, int], str]) -> Told:
    """*shown*: the line."""

    def tell(done: int, of: int) -> None:
        click.echo(f"\r\x1b[K{shown(done, of)}" if done < of else "\r\x1b[K", err=True, nl=False)

    return tell if sys.stderr.isatty() else lambda done, of: None
