"""What commands take, as click's types: each says in one line what was expected."""

import functools
import ipaddress
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem

from panteras_dns.endpoint import CONSUL_API, Endpoint, endpoint, http_api
from panteras_dns.options import listen_or_off, server, token

FILE = click.Path(path_type=Path, dir_okay=False)  # what can't be read is told in our own words
_SHELL_PATIENCE = 0.5  # seconds
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")  # of a name that a shell takes for nothing else: anybody may register one
_Command = Callable[..., Any]
_Parameter = click.Parameter | None
_Context = click.Context | None


class EndpointType(click.ParamType[Endpoint]):
    """Where somebody listens; *port* where none is said. *one*: somebody who can be asked, not `*` or `private`."""

    name = "ADDR[:PORT]"

    def __init__(self, port: int, one: bool = True) -> None:
        self._port, self._one = port, one

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> Endpoint:
        if isinstance(value, Endpoint):
            return value
        try:
            found = endpoint(value, self._port)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)
        if self._one and found.several:
            self.fail(f"{value} stands for several addresses, expected one like 10.0.0.1:53", param, ctx)
        return found


class AdminType(click.ParamType[Any]):
    """Where the admin listens, or `off`, which is the text itself: None would be no word at all."""

    name = "ADDR[:PORT]|off"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> Any:
        try:
            return value if value == "off" else listen_or_off(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class ServerType(click.ParamType[Any]):
    """An upstream: an address, `tls://…` or `https://…`."""

    name = "SERVER"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return server(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class MomentType(click.ParamType[float]):
    """A moment that has passed, in UTC as logs have it: 14:03, 14:03:20, 2026-11-25T14:03, or 5m for so long ago."""

    name = "TIME"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> float:
        if isinstance(value, float):
            return value
        now = datetime.now(UTC)
        if found := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return now.timestamp() - int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
        try:
            whole = value if re.match(r"\d{4}-", value) else f"{now:%Y-%m-%d}T{value}"
            moment = datetime.fromisoformat(whole)
        except ValueError:
            self.fail(f"{value!r}: expected a time like 14:03, 2026-11-25T14:03 (UTC) or 5m", param, ctx)
        # Who names a minute means all of it.
        until = 59.999 if re.search(r"\d\d:\d\d$", whole) and whole.count(":") == 1 else 0.999
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() + until


class NameType(click.ParamType[str]):
    """A name to ask for; the shell completes those of Consul's services."""

    name = "NAME"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> str:
        if not str(value).strip():
            self.fail("expected a domain name, as in web.service.consul; the root is a dot", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        known = _services(str(ctx.params.get("consul") or CONSUL_API))
        return [CompletionItem(one) for one in known if one.startswith(incomplete.lower())]


def _services(place: str) -> list[str]:
    """Names of services, from an agent that answers at once; a shell waits for them."""
    base, path = http_api(place)
    parts = urlsplit(base)
    if path or parts.scheme != "http":
        return []
    import http.client  # for the shell alone, and as much as a tenth of a start

    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SHELL_PATIENCE)
    try:
        connection.request("GET", "/v1/catalog/services")
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return []
    finally:
        connection.close()
    known = sorted(filter(_PLAIN.fullmatch, found)) if isinstance(found, dict) else []
    return [f"{name.lower()}.service.consul" for name in known]


class ApiType(click.ParamType[str]):
    """An HTTP API: `http://127.0.0.1:8500`, `https://…`, `unix:///…`."""

    name = "URL"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> str:
        try:
            http_api(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)
        return str(value)


class AddressType(click.ParamType[str]):
    """An address that others reach: neither a name nor `0.0.0.0`."""

    name = "ADDR"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> str:
        try:
            found = ipaddress.ip_address(str(value))
        except ValueError:
            self.fail(f"not an address: {value!r}, expected one like 10.0.0.5", param, ctx)
        if found.is_unspecified or found.is_multicast:
            self.fail(f"{value}: expected the address that others reach this host at", param, ctx)
        return str(found)


def with_consul(command: _Command) -> _Command:
    """Give *command* `consul` (a URL) and `token`, which is never an argument."""

    @click.option(
        "--consul", type=ApiType(), default=CONSUL_API, show_default=True, help="HTTP API of this host's agent"
    )
    @click.option("--token-file", type=FILE, help="file with Consul's ACL token")
    @functools.wraps(command)
    def wrapped(token_file: Path | None, **options: Any) -> Any:
        return command(token=_token(token_file), **options)

    return wrapped


def _token(file: Path | None) -> str:
    try:
        return token(file) if file else ""
    except ValueError as problem:
        raise click.UsageError(f"--token-file: {problem}") from None
