"""What the commands of the box share: where Consul is, with which token, and how the log is written."""

import functools
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from panteras_dns.arguments import ApiType
from panteras_dns.consul import DEFAULT as CONSUL

_Command = Callable[..., Any]
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def with_consul(command: _Command) -> _Command:
    """Give *command* `consul` (a URL) and `token`, which is never an argument."""

    @click.option("--consul", type=ApiType(), default=CONSUL, show_default=True, help="HTTP API of this host's agent")
    @click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), help="file with Consul's ACL token")
    @functools.wraps(command)
    def wrapped(token_file: Path | None, **options: Any) -> Any:
        return command(token=_token(token_file), **options)

    return wrapped


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


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as problem:
        raise click.UsageError(f"--token-file: {file}: {getattr(problem, 'strerror', None) or 'not a token'}") from None
    if not token or not token.isprintable():
        raise click.UsageError(f"--token-file: {file}: expected one line with a token")
    return token
