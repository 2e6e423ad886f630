"""The configuration: TOML in, frozen dataclasses out, or every error with its key path.

The TOML key is the field's name. Unknown keys are errors. Knows nothing of sockets or of the objects that are
built from it; what is read later (hosts files, resolv.conf) is only named here.
"""

import difflib
import ipaddress
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from panteras_dns.wire import wire_name

DEFAULT_FILE = Path("/etc/panteras/panteras.toml")
RESOLV_CONF = "resolv.conf"  # in place of a server: the host's own upstreams
POLICIES = ("sequential", "random", "fastest", "race")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port; host `*` means every address of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ConfigError(Exception):
    """Everything that is wrong with a configuration, one line each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


# What a value may look like. Each parser takes what TOML gave and returns the field's value, or raises
# ValueError with what was expected; the key path is put before it by _Reader.


def endpoint(value: Any, port: int = 53) -> Endpoint:
    """`10.0.0.1`, `10.0.0.1:53`, `[::1]:53`, `::1`, `*`, `*:53`."""
    text = str(value).strip()
    host, number = text, str(port)
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        number = rest.removeprefix(":") or number
    elif text.count(":") == 1:
        host, number = text.split(":")
    if not number.isdigit() or not 0 <= int(number) <= 65535:
        raise ValueError(f"not a port: {number!r}, expected 0 to 65535")
    if host != "*":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"not an address: {host!r}, expected one like 10.0.0.1:53 or [::1]:53") from None
    return Endpoint(host, int(number))


def _server(value: Any) -> Endpoint | str:
    return RESOLV_CONF if value == RESOLV_CONF else endpoint(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text in quotes, found {value!r}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {value!r}")
    return value


def _number(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"expected a number from {low:g} to {high:g}, found {value!r}")
        return value

    return parse


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"expected a whole number from {low} to {high}, found {value!r}")
        return value

    return parse


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        number = value
        if isinstance(value, str) and value[-1:] in _UNITS and value[:-1].replace(".", "", 1).isdigit():
            number = float(value[:-1]) * _UNITS[value[-1]]
        try:
            return _number(low, high)(number)
        except ValueError:
            expected = f"expected seconds from {low:g} to {high:g}, or a text like \"10m\""
            raise ValueError(f"{expected}, found {value!r}") from None

    return parse


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, found {value!r}")
        return str(value)

    return parse


def _domain(value: Any) -> str:
    text = _text(value)
    try:
        wire_name(text)
    except ValueError:
        raise ValueError(f"not a domain name: {text!r}") from None
    return text.lower().rstrip(".") or "."


def _network(value: Any) -> str:
    if value == "local":
        return "local"
    try:
        return str(ipaddress.ip_network(_text(value)))
    except ValueError:
        expected = 'expected a network like 10.0.0.0/8 or "local"'
        raise ValueError(f"not a network: {value!r}, {expected}") from None


def _key(parse: Callable[[Any], Any], default: Any = MISSING, many: bool = False) -> Any:
    """A field of the configuration: how its value is read, and what it is when it is not there."""
    metadata = {"parse": parse, "many": many}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Dns:
    """[dns]: where clients knock, and who may."""

    listen: tuple[Endpoint, ...] = _key(lambda value: endpoint(_text(value)), (Endpoint("*", 53),), many=True)
    allow: tuple[str, ...] = _key(_network, ("local",), many=True)
    workers: int = _key(_whole(1, 256), 1)
    user: str = _key(_text, "")
    hosts: tuple[str, ...] = _key(_text, (), many=True)
    udp_size: int = _key(_whole(512, 4096), 1232)
    fence: bool = _key(_flag, True)
    special_names: bool = _key(_flag, True)
    client_rate: float = _key(_number(0, 1e9), 5_000)
    client_burst: float = _key(_number(1, 1e9), 10_000)


@dataclass(frozen=True)
class RouteConfig:
    """[[route]]: whom to ask for the names under some domains."""

    domains: tuple[str, ...] = _key(_domain, many=True)
    servers: tuple[Endpoint | str, ...] = _key(_server, many=True)
    kind: str = _key(_one_of("forward", "consul"), "forward")
    cache: bool | None = _key(_flag, None)
    policy: str = _key(_one_of(*POLICIES), "sequential")
    timeout: float = _key(_seconds(0.05, 4), 0.8)
    attempts: int = _key(_whole(1, 10), 3)
    ttl: str = _key(_one_of("zero", "keep"), "zero")
    nodata: bool = _key(_flag, True)
    soa: bool = _key(_flag, True)
    types: bool = _key(_flag, True)
    truncate: bool = _key(_flag, False)

    @property
    def name(self) -> str:
        return self.domains[0]

    @property
    def cached(self) -> bool:
        return self.kind != "consul" and self.cache is not False


@dataclass(frozen=True)
class CacheConfig:
    """[cache]: what is kept of the answers of general upstreams, and how long."""

    size: int = _key(_whole(0, 10_000_000), 10_000)
    min_ttl: float = _key(_seconds(0, 3600), 0)
    max_ttl: float = _key(_seconds(1, 604_800), 86_400)
    max_negative: float = _key(_seconds(0, 10_800), 3_600)
    stale: float = _key(_seconds(0, 259_200), 86_400)
    failure: float = _key(_seconds(1, 5), 1)


@dataclass(frozen=True)
class RecordConfig:
    """[[record]]: a name answered here."""

    name: str = _key(_domain)
    type: str = _key(_text)
    data: str = _key(_text)
    ttl: int = _key(_whole(0, 604_800), 60)


@dataclass(frozen=True)
class Config:
    """Everything that can be configured."""

    dns: Dns = Dns()
    route: tuple[RouteConfig, ...] = ()
    cache: CacheConfig = CacheConfig()
    record: tuple[RecordConfig, ...] = ()

    def with_defaults(self, consul: tuple[Endpoint, ...] = (), upstream: tuple[Endpoint, ...] = ()) -> "Config":
        """The effective configuration: *consul* and *upstream* of the command line come first, and both
        kinds of route are there."""
        routes = list(self.route)
        if consul or not any(route.kind == "consul" for route in routes):
            servers = consul or (Endpoint("127.0.0.1", 8600),)
            own = [route for route in routes if route.kind == "consul"]
            routes = [route for route in routes if route.kind != "consul"]
            template = RouteConfig(("consul",), servers, "consul", timeout=0.9, attempts=2)
            routes += [replace(route, servers=servers) for route in own] or [template]
        if upstream or not any("." in route.domains for route in routes):
            servers_up: tuple[Endpoint | str, ...] = upstream or (RESOLV_CONF,)
            own = [route for route in routes if "." in route.domains]
            routes = [route for route in routes if "." not in route.domains]
            routes += [replace(route, servers=servers_up) for route in own] or [RouteConfig((".",), servers_up)]
        return replace(self, route=tuple(routes))


_TABLES: dict[str, tuple[type, bool]] = {
    "dns": (Dns, False),
    "route": (RouteConfig, True),
    "cache": (CacheConfig, False),
    "record": (RecordConfig, True),
}


def load(path: Path) -> Config:
    """Read a file. `ConfigError` carries every error, with file and key path."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not UTF-8 text"
        raise ConfigError([f"{path}: {reason}"]) from None
    return parse(text, str(path))


def parse(text: str, source: str = "configuration") -> Config:
    """Read TOML text; *source* stands before every error."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError([f"{source}: not TOML: {problem}"]) from None
    reader = _Reader(source)
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in _TABLES:
            reader.unknown(key, list(_TABLES))
        else:
            values[key] = reader.table(key, value, *_TABLES[key])
    config = Config(**{key: value for key, value in values.items() if value is not None})
    if not reader.errors:
        reader.errors += [f"{source}: {problem}" for problem in _contradictions(config)]
    if reader.errors:
        raise ConfigError(reader.errors)
    return config


class _Reader:
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


def _contradictions(config: Config) -> Iterator[str]:
    """What no single key is to blame for."""
    owners: dict[str, str] = {}
    for number, route in enumerate(config.route):
        path = f"route[{number}]"
        for domain in route.domains:
            if domain in owners:
                yield f"{path}.domains: {domain!r} already belongs to {owners[domain]}"
            owners[domain] = path
        if route.kind == "consul" and route.cache:
            yield f"{path}.cache: Consul's answers are never cached, expected false or nothing"
        if route.kind == "consul" and RESOLV_CONF in route.servers:
            yield f"{path}.servers: {RESOLV_CONF!r} names no Consul agent"
        for index, server in enumerate(route.servers):
            if isinstance(server, Endpoint) and (server.host == "*" or not server.port):
                yield f"{path}.servers[{index}]: expected one address and a port, found {str(server)!r}"
    if config.cache.min_ttl > config.cache.max_ttl:
        yield f"cache.min_ttl: {config.cache.min_ttl:g} is more than cache.max_ttl, {config.cache.max_ttl:g}"
