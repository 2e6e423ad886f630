"""What a configuration means: tables, policy and bounds as values. Reads the hosts files it names, nothing else."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from panteras_dns.answer import ask
from panteras_dns.cache import Bounds
from panteras_dns.config import Config, RouteConfig
from panteras_dns.endpoint import Endpoint
from panteras_dns.names import reverse_zones, wire_name
from panteras_dns.options import ConfigError, token
from panteras_dns.plan import Plan
from panteras_dns.policy import Network, Policy
from panteras_dns.records import Records, compile_records, parse_hosts, parse_record
from panteras_dns.repair import Repairer, Repairs
from panteras_dns.routes import Route
from panteras_dns.wire import IN, NS, RD, SOA, Edns, Query


def static_records(config: Config) -> Records:
    """The records and hosts files of a configuration; `ConfigError` names the record that is none."""
    found, errors = [], []
    for number, record in enumerate(config.record):
        try:
            found.append(parse_record(record.name, record.type, record.data, record.ttl))
        except ValueError as problem:
            errors.append(f"record[{number}].data: {problem}")
    for number, path in enumerate(config.dns.hosts):
        try:
            found += parse_hosts(Path(path).read_text(encoding="utf-8", errors="replace"))
        except OSError as problem:
            errors.append(f"dns.hosts[{number}]: {path}: {problem.strerror}")
    if errors:
        raise ConfigError(errors)
    return compile_records(found)


def check_files(config: Config) -> None:
    """Read every file that the configuration names; `ConfigError` tells of those that can't be read."""
    static_records(config)
    for route in config.route:
        certificates(route)
    _token(config.consul.token_file)


def consul_api(config: Config) -> tuple[str, str]:
    """Where Consul's HTTP API is, and the token for it; ("", "") where nobody wants to know."""
    place = config.consul.api
    if place == "off":
        return "", ""
    if place == "auto":
        servers = [one for route in config.route if route.kind == "consul" for one in route.servers]
        first = next((one for one in servers if isinstance(one, Endpoint)), None)
        if first is None:
            return "", ""
        place = f"http://{Endpoint(first.host, 8500)}"
    return place, _token(config.consul.token_file)


def _token(path: str) -> str:
    try:
        return token(Path(path)) if path else ""
    except ValueError as problem:
        raise ConfigError([f"consul.token_file: {problem}"]) from None


def certificates(route: RouteConfig) -> bytes:
    """The authorities of a route's encrypted servers, as PEM; nothing when they are the system's."""
    try:
        return Path(route.ca).read_bytes() if route.ca else b""
    except OSError as problem:
        raise ConfigError([f"route {route.name!r}, ca: {route.ca}: {problem.strerror}"]) from None


def probe_plan(domain: str) -> Plan:
    """The question that asks a server whether it lives: any answer will do."""
    name = wire_name(domain)
    kind = NS if domain == "." else SOA
    question = name + kind.to_bytes(2, "big") + IN.to_bytes(2, "big")
    query = Query(RD, question, name, kind, IN, None)
    plan = Plan("probe", query)
    plan.packet = ask(query, Edns())
    return plan


def allowed(config: Config, local: Callable[[], Sequence[Network]]) -> list[Network]:
    """The networks whose clients may ask now."""
    listed = [ipaddress.ip_network(text) for text in config.dns.allow if text != "local"]
    return [*listed, *(local() if "local" in config.dns.allow else ())]


def policy(config: Config, local: Callable[[], Sequence[Network]]) -> Policy:
    """Who may ask; *local* tells what the word means on this machine at the moment."""
    return Policy(
        lambda: allowed(config, local), config.dns.client_rate, config.dns.client_burst, config.dns.failure_rate
    )


def bounds(config: Config) -> Bounds:
    return Bounds(**{item.name: getattr(config.cache, item.name) for item in fields(Bounds)})


def switches(route: RouteConfig) -> Repairs:
    return Repairs(**{item.name: getattr(route, item.name) for item in fields(Repairs)})


def repairers(config: Config) -> dict[str, Repairer]:
    """What Consul's answers need, by name of the route."""
    found = {}
    for route in config.route:
        if route.kind == "consul":
            found[route.name] = Repairer(tuple(map(wire_name, route.domains)), switches(route))
            if route.reverse:
                found[_reverse(route)] = Repairer(_zones(route), switches(route))
    return found


def reverse_routes(config: Config, routes: Sequence[Route]) -> list[Route]:
    """For each Consul route with reverse networks: their zones go to Consul first, and what it does not know to
    where everything else goes."""
    by_name = {route.name: route for route in routes}
    rest = next((route for route in routes if b"\0" in route.domains), None)
    return [
        Route(_reverse(route), by_name[route.name].group, True, False, _zones(route), joined=False, fallback=rest)
        for route in config.route
        if route.reverse
    ]


def _reverse(route: RouteConfig) -> str:
    return f"{route.name}, reverse"


def _zones(route: RouteConfig) -> tuple[bytes, ...]:
    return tuple(wire_name(zone) for network in route.reverse for zone in reverse_zones(network))
