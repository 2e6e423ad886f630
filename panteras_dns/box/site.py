"""Which names lead to which instances: the catalogue as a balancer has it. Pure.

Everything that goes from here into HAProxy's configuration, its maps or its commands was checked against a pattern
first: what a container says of itself is anybody's text.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from panteras_dns.instance import GATEWAY, Instance

OWN = GATEWAY  # the front page's own name: never a service's
HTTP_PORTS = (80, 3000, 5000, 8000, 8080, 8888)
OFF = "balancer=off"
ANY_HOST = "*"
_HOST_TAGS = ("urlprefix-", "paas-")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PATH = re.compile(r"/[A-Za-z0-9._~%+=:@/-]*")  # no `;` and no quotes: they end a command of HAProxy's socket
_STRIP = re.compile(r"/[A-Za-z0-9._~/-]*")  # it becomes a regular expression
_MOST_TAGS = 20  # of one service that become names
_MOST_ROUTES = 100  # of one instance
_LONGEST_ROUTE = 512


@dataclass(frozen=True, slots=True)
class Server:
    """One instance in HAProxy. Another address or port is another server: the old one is drained."""

    name: str
    address: str
    port: int
    weight: int

    @property
    def place(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Backend:
    name: str
    servers: Mapping[str, Server] = field(default_factory=dict)
    strip: str = ""  # the beginning of the path that the instances don't see


@dataclass(frozen=True, slots=True)
class Site:
    """*routes*: `HOST/PATH`, or `*/PATH` for any host, to the name of a backend; the longest that fits counts."""

    backends: Mapping[str, Backend]
    routes: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict, compare=False)  # to the front page, before paths of any host

    @property
    def map(self) -> Mapping[str, str]:
        return {**self.routes, **self.own}


@dataclass(frozen=True, slots=True)
class Names:
    """What follows a service's name in the names that open it, like `service.consul`."""

    domain: str = "consul"
    datacenter: str = ""
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = HTTP_PORTS

    @property
    def suffixes(self) -> tuple[str, ...]:
        domains = [f"service.{self.domain}"]
        if self.datacenter:
            domains.append(f"service.{self.datacenter}.{self.domain}")
        return tuple(dict.fromkeys([*domains, *(host.lower().strip(".") for host in self.hosts if host)]))


def site(services: Mapping[str, Iterable[Instance]], names: Names) -> Site:
    """The site of all services that speak HTTP; *services* by name, with all of their instances."""
    made = _Making(names)
    for name in sorted(services):
        made.add(name.lower(), [one for one in services[name] if _is_http(one, names.ports)])
    return made.done()


class _Making:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._backends: dict[str, Backend] = {}
        self._routes: dict[str, str] = {}
        self._tagged: dict[tuple[str, str], list[Instance]] = {}  # by route and strip
        self._warnings: list[str] = []
        self._own = {*names.hosts, *(f"{OWN}.{end}" for end in names.suffixes)}

    def add(self, name: str, instances: list[Instance]) -> None:
        if not instances or name in {OWN, "consul"}:
            return
        if not _NAME.fullmatch(name):
            self._warnings.append(f"service {name[:80]!r}: not balanced: expected letters, digits and -")
            return
        self._name(name, name, instances)
        for tag in sorted({tag.lower() for one in instances for tag in one.tags if _NAME.fullmatch(tag.lower())})[
            :_MOST_TAGS
        ]:
            self._name(f"{tag}.{name}", name, [one for one in instances if tag in map(str.lower, one.tags)], instances)
        for one in instances:
            tags = list(_host_tags(one))
            if len(tags) > _MOST_ROUTES:
                self._warnings.append(f"{one.id}: {len(tags)} tags with names: those after {_MOST_ROUTES} are left out")
            for tag in tags[:_MOST_ROUTES]:
                self._tag(tag.partition("-")[2], one)

    def _name(self, label: str, service: str, some: list[Instance], every: list[Instance] | None = None) -> None:
        """Routes for *label*; a backend of its own only where it is not all the instances of the service."""
        whole = f"{service}.service"
        if every is not None and len(some) == len(every):
            backend = whole
        else:
            backend = f"{label}.service"
            self._backends[backend] = Backend(backend, _servers(some))
        for suffix in self._names.suffixes:
            self._routes[f"{label}.{suffix}/"] = backend

    def _tag(self, text: str, one: Instance) -> None:
        """`HOST/PATH`, `/PATH` or `HOST`, with options behind a space: `strip=/PATH`."""
        where, *options = text.split()[:5] or [""]
        host, slash, rest = where.partition("/")
        host, path = host.lower().partition(":")[0], f"{slash}{rest}" or "/"
        strip = next((option[len("strip=") :] for option in options if option.startswith("strip=")), "")
        wrong = not (host or path != "/") or (host and not _HOST.fullmatch(host)) or not _PATH.fullmatch(path)
        if wrong or (strip and not _STRIP.fullmatch(strip)) or max(len(where), len(strip)) > _LONGEST_ROUTE:
            self._warnings.append(
                f"{one.id}: tag {text[:80]!r}: left out: expected HOST/PATH, like www.example.com/api"
            )
            return
        self._tagged.setdefault((f"{host or ANY_HOST}{path}", strip), []).append(one)

    def done(self) -> Site:
        for (route, strip), instances in sorted(self._tagged.items(), key=lambda one: one[0]):
            digest = hashlib.sha256(f"{route} {strip}".encode()).hexdigest()[:8]
            name = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', route)[:60].strip('_')}-{digest}"
            host = route.partition("/")[0]
            if host in self._own or route in self._routes:
                self._warnings.append(f"{instances[0].id}: tag for {route!r}: left out: that name is taken")
                continue
            self._backends[name] = Backend(name, _servers(instances), strip.rstrip("/"))
            self._routes[route] = name
        own = {f"{name}/": OWN for name in sorted(self._own)}
        return Site(self._backends, self._routes, tuple(dict.fromkeys(self._warnings)), own)


def _is_http(one: Instance, ports: tuple[int, ...]) -> bool:
    if OFF in one.tags or "udp" in one.tags:
        return False
    return "http" in one.tags or one.port in ports or one.container_port in ports or any(_host_tags(one))


def _host_tags(one: Instance) -> Iterator[str]:
    return (tag for tag in one.tags if tag.startswith(_HOST_TAGS))


def _servers(instances: list[Instance]) -> dict[str, Server]:
    found = {}
    for one in instances:
        if one.usable:
            key = f"{one.node}\0{one.id}\0{one.place}"
            name = f"i-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
            found[name] = Server(name, one.address, one.port, one.weight)
    return found
