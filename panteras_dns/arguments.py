"""What commands take, as click's types: each says in one line what was expected."""

import ipaddress
from typing import Any

import click

from panteras_dns.endpoint import Endpoint, endpoint, http_api
from panteras_dns.options import server

_Parameter = click.Parameter | None
_Context = click.Context | None


class EndpointType(click.ParamType[Endpoint]):
    """Where somebody listens; *port* where none is said."""

    name = "ADDR[:PORT]"

    def __init__(self, port: int) -> None:
        self._port = port

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> Endpoint:
        if isinstance(value, Endpoint):
            return value
        try:
            return endpoint(value, self._port)
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
