"""What the programs of the box share: the name of this host, and how the log is written."""

import re
import socket
from collections.abc import Callable
from typing import Any

import click

_Command = Callable[..., Any]
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def with_log(command: _Command) -> _Command:
    form = click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
    levels = click.Choice(["debug", "info", "warn", "error"])
    return form(click.option("--log-level", type=levels, default="info", show_default=True)(command))


def _host_name(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not _HOST.fullmatch(value):
        raise click.BadParameter(f"{value!r}: expected a host's name")
    return value


host = click.option(
    "--host", default=socket.gethostname, show_default="host name", callback=_host_name,
    help="name of this host in ids and marks",
)  # fmt: skip
