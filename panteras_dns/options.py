"""How one option is read: parsers of values, and a reader that turns a table into a dataclass.

A parser takes what TOML gave and returns the field's value, or raises ValueError with what was expected; the
reader puts the key path before it and gathers every error.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any

from panteras_dns.endpoint import Endpoint, endpoint, http_api
from panteras_dns.names import wire_name
from panteras_dns.remote import Remote, remote

RESOLV_CONF = "resolv.conf"  # in place of a server: the host's own upstreams


class ConfigError(Exception):
    """Everything that is wrong with a configuration, one line each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def listen(value: Any) -> Endpoint:
    """`10.0.0.1:53`, or `*` for every address."""
    return endpoint(text(value))


def server(value: Any) -> Endpoint | Remote | str:
    """`10.0.0.1:53`, `tls://9.9.9.9#dns.quad9.net`, `https://9.9.9.9/dns-query#dns.quad9.net`, `resolv.conf`."""
    if value == RESOLV_CONF:
        return RESOLV_CONF
    return remote(value) if "://" in text(value) else endpoint(value)


def api(value: Any) -> str:
    """`http://127.0.0.1:8500`, `unix:///run/consul.sock`, `auto`, `off`."""
    if text(value) not in ("auto", "off"):
        http_api(value)
    return str(value)


def engine(value: Any) -> str:
    """`unix:///run/docker.sock`, `http://127.0.0.1:2375`; "" for none."""
    if text(value):
        http_api(value)
    return str(value)


def token(file: Path) -> str:
    """The one line of a file with an ACL token."""
    try:
        found = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as problem:
        raise ValueError(f"{file}: {getattr(problem, 'strerror', None) or 'not a token'}") from None
    if not found or not found.isprintable():
        raise ValueError(f"{file}: expected one line with a token")
    return found


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text in quotes, found {value!r}")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {value!r}")
    return value


def number(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"expected a number from {low:g} to {high:g}, found {value!r}")
        return float(value)

    return parse


def whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"expected a whole number from {low} to {high}, found {value!r}")
        return value

    return parse


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        given = value
        if isinstance(value, str) and value[-1:] in _UNITS and value[:-1].replace(".", "", 1).isdigit():
            given = float(value[:-1]) * _UNITS[value[-1]]
        try:
            return number(low, high)(given)
        except ValueError:
            expected = f'expected seconds from {low:g} to {high:g}, or a text like "10m"'
            raise ValueError(f"{expected}, found {value!r}") from None

    return parse


def one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, found {value!r}")
        return str(value)

    return parse


def domain(value: Any) -> str:
    name = text(value)
    try:
        wire_name(name)
    except ValueError:
        raise ValueError(f"not a domain name: {name!r}") from None
    return name.lower().rstrip(".") or "."


ADMIN_PORT = 9153


def listen_or_off(value: Any) -> Endpoint | None:
    """An address to listen at, or None for "off"."""
    if value == "off":
        return None
    found = endpoint(text(value), ADMIN_PORT)
    if found.several:
        raise ValueError(f'expected one address and a port, or "off", found {value!r}')
    return found


def host(value: Any) -> str:
    """A host's name as it stands in a URL."""
    name = text(value).lower()
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
        raise ValueError(f"not a host's name: {value!r}")
    return name


def log_target(value: Any) -> str:
    """A file or a socket, by its whole path; "" for none."""
    found = text(value)
    if found and not found.removeprefix("unix://").startswith("/"):
        raise ValueError(f"expected /PATH or unix:///PATH, found {found!r}")
    return found


def network(value: Any) -> str:
    if value == "local":
        return "local"
    try:
        return str(ipaddress.ip_network(text(value)))
    except ValueError:
        expected = 'expected a network like 10.0.0.0/8 or "local"'
        raise ValueError(f"not a network: {value!r}, {expected}") from None


def key(parse: Callable[[Any], Any], about: str, default: Any = MISSING, many: bool = False) -> Any:
    """A field of the configuration: how its value is read, what it is for, what it is when it is not there."""
    metadata = {"parse": parse, "many": many, "about": about}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


class Reader:
    """Turns tables into dataclasses and gathers what is wrong."""

    def __init__(self, source: str) -> None:
        self.errors: list[str] = []
        self._source = source

    def error(self, path: str, problem: str) -> None:
        self.errors.append(f"{self._source}: {path}: {problem}")

    def unknown(self, path: str, known: list[str]) -> None:
        near = difflib.get_close_matches(path.rpartition(".")[2], known, 1)
        hint = f", did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"
        self.error(path, f"unknown key{hint}")

    def table(self, path: str, value: Any, kind: type, many: bool) -> Any:
        if not many:
            return self._one(path, value, kind)
        if not isinstance(value, list):
            return self.error(path, f"expected [[{path}]], a list of tables")
        found = [self._one(f"{path}[{number}]", item, kind) for number, item in enumerate(value)]
        return tuple(item for item in found if item is not None)

    def _one(self, path: str, value: Any, kind: type) -> Any:
        if not isinstance(value, dict):
            return self.error(path, f"expected a table, found {value!r}")
        known = {item.name: item for item in fields(kind)}
        before = len(self.errors)
        values = {}
        for key, given in value.items():
            if key not in known:
                self.unknown(f"{path}.{key}", list(known))
            else:
                values[key] = self._value(f"{path}.{key}", given, known[key])
        for name, item in known.items():
            if item.default is MISSING and name not in value:
                self.error(f"{path}.{name}", "missing")
        return kind(**values) if len(self.errors) == before else None

    def _value(self, path: str, given: Any, item: "Field[Any]") -> Any:
        parse: Callable[[Any], Any] = item.metadata["parse"]
        if not item.metadata["many"]:
            return self._try(path, given, parse)
        if not isinstance(given, list):
            return self.error(path, f"expected a list, found {given!r}")
        if not given and item.default is MISSING:
            return self.error(path, "expected at least one")
        return tuple(self._try(f"{path}[{number}]", one, parse) for number, one in enumerate(given))

    def _try(self, path: str, given: Any, parse: Callable[[Any], Any]) -> Any:
        try:
            return parse(given)
        except ValueError as problem:
            return self.error(path, str(problem))
