"""The configuration: TOML in, frozen dataclasses out, or every error with its key path.

The TOML key is the field's name. Unknown keys are errors. Knows nothing of sockets or of the objects that are
built from it; what is read later (hosts files, resolv.conf) is only named here.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from panteras_dns import options
from panteras_dns.endpoint import Endpoint
from panteras_dns.options import RESOLV_CONF, ConfigError, Reader
from panteras_dns.remote import Remote
from panteras_dns.upstream import POLICIES

ADMIN = Endpoint("127.0.0.1", options.ADMIN_PORT)
DEFAULT_FILE = Path("/etc/panteras/panteras.toml")


@dataclass(frozen=True)
class Dns:
    """[dns]: where clients knock, and who may."""

    listen: tuple[Endpoint, ...] = options.key(
        options.listen,
        'Where clients knock; `"*"` is every address of the host, `"private"` loopback and private ones',
        (Endpoint("*", 53),),
        many=True,
    )
    allow: tuple[str, ...] = options.key(
        options.network, 'Who may ask; `"local"` is loopback and directly attached networks', ("local",), many=True
    )
    workers: int = options.key(options.whole(1, 256), "Processes that share the port", 1)
    user: str = options.key(options.text, "Account to run as; empty: `panteras`, or `nobody`", "")
    hosts: tuple[str, ...] = options.key(options.text, "Files as hosts(5), answered here", (), many=True)
    handover: str = options.key(
        options.text, "Unix socket through which the next process takes the sockets over; empty: none", ""
    )
    udp_size: int = options.key(options.whole(512, 4096), "Largest answer over UDP, in bytes", 1232)
    fence: bool = options.key(options.flag, "Consul names with a search suffix behind them are answered here", True)
    special_names: bool = options.key(options.flag, "localhost, local, onion and the like are answered here", True)
    client_rate: float = options.key(options.number(0, 1e9), "Queries a second from one client; 0: any", 5_000)
    client_burst: float = options.key(options.number(1, 1e9), "Queries a client may send at once", 10_000)
    failure_rate: float = options.key(
        options.number(0, 1e9), "Failures a second told to a network over UDP; 0: any", 500
    )


@dataclass(frozen=True)
class RouteConfig:
    """[[route]]: whom to ask for the names under some domains. The longest matching domain wins."""

    domains: tuple[str, ...] = options.key(options.domain, 'Domains; `"."` is everything else', many=True)
    servers: tuple[Endpoint | Remote | str, ...] = options.key(
        options.server,
        'Servers; `"resolv.conf"` is the host\'s own upstreams; encrypted: `"tls://9.9.9.9#dns.quad9.net"`, '
        '`"https://9.9.9.9/dns-query#dns.quad9.net"`, with the name of the certificate behind #',
        many=True,
    )
    kind: str = options.key(options.one_of("forward", "consul"), "Whether the servers are Consul agents", "forward")
    cache: bool | None = options.key(options.flag, "Cache answers; never those of Consul", None)
    join: bool | None = options.key(
        options.flag, "Ask identical questions in flight once; Consul's by default each, so that none is older", None
    )
    policy: str = options.key(options.one_of(*POLICIES), "Which server is asked first", "sequential")
    timeout: float = options.key(options.seconds(0.05, 4), "Patience with one server", 0.8)
    attempts: int = options.key(options.whole(1, 10), "How often a question is asked in all", 3)
    ports: str = options.key(
        options.one_of("auto", "fresh", "shared"),
        "A fresh port a question, or a few for all; auto: the latter on loopback, where no stranger can forge",
        "auto",
    )
    mix_case: bool = options.key(
        options.flag,
        "Off loopback: the case of a question is one more thing for a forger to guess (0x20)",
        True,
    )
    ttl: str = options.key(
        options.one_of("zero", "keep"), "Consul: TTLs leave as 0, so that nobody keeps an answer", "zero"
    )
    nodata: bool = options.key(options.flag, "Consul: names between others, like `service.consul`, exist", True)
    soa: bool = options.key(options.flag, "Consul: negative answers carry a SOA that fits, minimum 0", True)
    types: bool = options.key(options.flag, "Consul: types it never has are answered here", True)
    aaaa: bool = options.key(options.flag, "Consul: a name that has A exists for AAAA too", True)
    insurance: float = options.key(
        options.seconds(0, 86_400), "Consul: the last good answer serves for so long when Consul fails; 0: never", 0
    )
    reverse: tuple[str, ...] = options.key(
        options.network, "Consul: networks whose reverse names are asked here first", (), many=True
    )
    truncate: bool = options.key(
        options.flag, "Consul: addresses that do not all fit say so (TC), so that clients ask over TCP", False
    )
    ca: str = options.key(
        options.text, "PEM file with the authorities of encrypted servers; empty: those of the system", ""
    )

    @property
    def name(self) -> str:
        return self.domains[0]

    @property
    def cached(self) -> bool:
        return self.kind != "consul" and self.cache is not False


@dataclass(frozen=True)
class CacheConfig:
    """[cache]: what is kept of the answers of general upstreams, and how long."""

    size: int = options.key(options.whole(0, 10_000_000), "Answers kept; 0: none", 10_000)
    min_ttl: float = options.key(options.seconds(0, 3600), "Kept at least so long", 0)
    max_ttl: float = options.key(options.seconds(1, 604_800), "Kept at most so long", 86_400)
    max_negative: float = options.key(options.seconds(0, 10_800), "The same for what does not exist", 3_600)
    stale: float = options.key(
        options.seconds(0, 259_200), "Served for so long past their end, if upstreams fail", 86_400
    )
    failure: float = options.key(options.seconds(1, 5), "A failure is not asked again for so long", 1)


@dataclass(frozen=True)
class RecordConfig:
    """[[record]]: a name answered here, before any route."""

    name: str = options.key(options.domain, "The name")
    type: str = options.key(options.text, "The type, like `A`, `CNAME` or `TYPE65280`")
    data: str = options.key(options.text, "The data, as in a zone file")
    ttl: int = options.key(options.whole(0, 604_800), "Seconds for which others may keep it", 60)


@dataclass(frozen=True)
class ConsulConfig:
    """[consul]: the HTTP API, where reasons are found: why a name of Consul's does not exist."""

    api: str = options.key(
        options.api, 'Its URL; `"auto"`: port 8500 of the host that the first Consul route asks; `"off"`', "auto"
    )
    token_file: str = options.key(options.text, "File with the ACL token for it; empty: none", "")


@dataclass(frozen=True)
class AdminConfig:
    """[admin]: HTTP for the dashboard, Prometheus and `panteras top`; reads only."""

    listen: Endpoint | None = options.key(options.listen_or_off, 'Where it listens; `"off"`: nowhere', ADMIN)
    hosts: tuple[str, ...] = options.key(
        options.host, "Names it may be called by in a browser, beside addresses and localhost", (), many=True
    )
    people: str = options.key(
        options.text,
        "File in which `panteras access tell` says who is connected; empty: none",
        "/run/panteras/people.json",
    )


@dataclass(frozen=True)
class QueryLogConfig:
    """[querylog]: a line for every query, off by default; a process of its own writes it."""

    to: str = options.key(
        options.log_target, "A file, or a socket that is read: `unix:///PATH`; empty: no query log", ""
    )
    format: str = options.key(options.one_of("json", "dnstap"), "Lines of JSON, or dnstap", "json")
    sample: float = options.key(options.number(0, 1), "The part of queries that is written", 1)
    only: str = options.key(options.one_of("all", "failures"), "Everything, or what was answered with an error", "all")
    truncate: bool = options.key(options.flag, "Of clients only the network, /24 or /48", False)
    docker: str = options.key(
        options.engine, "The engine that names the containers among clients: `unix:///run/docker.sock`; empty: none", ""
    )


@dataclass(frozen=True)
class Config:
    """Everything that can be configured."""

    dns: Dns = Dns()
    route: tuple[RouteConfig, ...] = ()
    cache: CacheConfig = CacheConfig()
    record: tuple[RecordConfig, ...] = ()
    consul: ConsulConfig = ConsulConfig()
    admin: AdminConfig = AdminConfig()
    querylog: QueryLogConfig = QueryLogConfig()

    def with_defaults(
        self, consul: tuple[Endpoint, ...] = (), upstream: tuple[Endpoint | Remote | str, ...] = ()
    ) -> "Config":
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
            servers_up: tuple[Endpoint | Remote | str, ...] = upstream or (RESOLV_CONF,)
            own = [route for route in routes if "." in route.domains]
            routes = [route for route in routes if "." not in route.domains]
            routes += [replace(route, servers=servers_up) for route in own] or [RouteConfig((".",), servers_up)]
        return replace(self, route=tuple(routes))


TABLES: dict[str, tuple[type, bool]] = {
    "dns": (Dns, False),
    "route": (RouteConfig, True),
    "cache": (CacheConfig, False),
    "record": (RecordConfig, True),
    "consul": (ConsulConfig, False),
    "admin": (AdminConfig, False),
    "querylog": (QueryLogConfig, False),
}


def load_default(file: Path | None) -> Config:
    """What *file* says, or else the default file, if it is there."""
    chosen = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    return load(chosen) if chosen else Config()


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
    reader = Reader(source)
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in TABLES:
            reader.unknown(key, list(TABLES))
        else:
            values[key] = reader.table(key, value, *TABLES[key])
    config = Config(**{key: value for key, value in values.items() if value is not None})
    if not reader.errors:
        reader.errors += [f"{source}: {problem}" for problem in _contradictions(config)]
    if reader.errors:
        raise ConfigError(reader.errors)
    return config


def _contradictions(config: Config) -> Iterator[str]:
    """What no single key is to blame for."""
    owners: dict[str, str] = {}
    for number, route in enumerate(config.route):
        path = f"route[{number}]"
        for domain in route.domains:
            if domain in owners:
                yield f"{path}.domains: {domain!r} already belongs to {owners[domain]}"
            owners[domain] = path
        for problem in (*_of_kind(route), *_of_servers(route)):
            yield f"{path}.{problem}"
    if config.cache.min_ttl > config.cache.max_ttl:
        yield f"cache.min_ttl: {config.cache.min_ttl:g} is more than cache.max_ttl, {config.cache.max_ttl:g}"


def _of_kind(route: RouteConfig) -> Iterator[str]:
    if route.kind == "consul":
        if route.cache:
            yield "cache: Consul's answers are never cached, expected false or nothing"
        if RESOLV_CONF in route.servers:
            yield f"servers: {RESOLV_CONF!r} names no Consul agent"
        if "local" in route.reverse:
            yield "reverse: expected networks, found 'local'"
    else:
        for key in ("insurance", "reverse"):
            if getattr(route, key):
                yield f'{key}: only for routes of kind "consul"'


def _of_servers(route: RouteConfig) -> Iterator[str]:
    if route.ca and not any(isinstance(server, Remote) for server in route.servers):
        yield "ca: none of the servers is encrypted"
    for index, server in enumerate(route.servers):
        if route.kind == "consul" and isinstance(server, Remote):
            yield f"servers[{index}]: Consul agents speak plain DNS, found {str(server)!r}"
        if isinstance(server, Endpoint) and (server.several or not server.port):
            yield f"servers[{index}]: expected one address and a port, found {str(server)!r}"
