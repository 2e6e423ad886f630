"""Where objects meet: configuration in, a running server out; reload; the end.

The only module that knows all the others; nothing imports it but the command line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from panteras_dns import demo
from panteras_dns.build import bounds, policy, probe_plan, static_records, switches
from panteras_dns.cache import Cache
from panteras_dns.config import Config, RouteConfig
from panteras_dns.endpoint import Endpoint
from panteras_dns.forwarder import Forwarder
from panteras_dns.host import resolv
from panteras_dns.host.interfaces import addresses, networks
from panteras_dns.host.sockets import Pair, Taken, bind, expand
from panteras_dns.names import wire_name
from panteras_dns.options import RESOLV_CONF, ConfigError
from panteras_dns.plan import Tables
from panteras_dns.policy import Policy
from panteras_dns.records import Records, special_names
from panteras_dns.repair import Repairer
from panteras_dns.routes import Route, Routes
from panteras_dns.transport.exchange import SWEEP, Server, sweep_all
from panteras_dns.transport.listeners import TcpListener, UdpListener
from panteras_dns.transport.ports import Surroundings
from panteras_dns.transport.turns import Turns
from panteras_dns.transport.watcher import Watcher
from panteras_dns.upstream import Group, Health

log = Logger()

WATCH = 1.0  # seconds between looks at resolv.conf, hosts files and the addresses of this machine
DRAIN = 0.6  # seconds for questions in flight when we are told to stop


@dataclass
class Options:
    """What the command line adds to a configuration file."""

    file: Path | None = None
    load: Callable[[], Config] = Config
    demo: bool = False
    shared: bool = False  # the port belongs to several workers
    given: bool = False  # the sockets were bound by systemd: where to listen is not ours to say


@dataclass
class Door:
    """The listeners of one address."""

    pair: Pair
    udp: UdpListener | None = None
    tcp: TcpListener | None = None
    port: Any = None


@dataclass
class _World:
    """What depends on files and addresses that change under us."""

    own: list[str] = field(default_factory=list)
    upstreams: list[str] = field(default_factory=list)
    stamps: tuple[Any, ...] = ()


class Service:
    """A running server: `start`, `reload`, `stop`."""

    def __init__(self, reactor: Any, config: Config, options: Options) -> None:
        self.reactor = reactor
        self.config = config
        self.options = options
        self.doors: dict[Endpoint, Door] = {}
        self.servers: dict[tuple[str, Endpoint, float], Server] = {}
        self._retired: list[Server] = []
        self._world = _World()
        self._complained: set[Endpoint] = set()
        self.turns = Turns(reactor)
        self.cache = Cache(config.cache.size, bounds(config))
        self.forwarder = Forwarder(Tables(Routes({})), Policy(tuple), self.cache)
        self._around = Surroundings(reactor, self.forwarder, self.turns)
        self._loops = [LoopingCall(self._sweep), LoopingCall(self._look_around)]
        for loop in self._loops:
            loop.clock = reactor

    def start(self, pairs: dict[Endpoint, Pair]) -> None:
        """Read the rest, listen on what was bound, begin to watch."""
        self._look(self.config)
        self._load(self.config)
        for endpoint, pair in pairs.items():
            self._open(endpoint, pair)
        self._watcher = Watcher(self._look_around)
        if self._watcher.sock is not None:
            self.reactor.addReader(self._watcher)
        self._loops[0].start(SWEEP)
        self._loops[1].start(WATCH)

    # Tables -----------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Take the configuration in anew. When it is wrong, the old one stays in force."""
        try:
            config = self.options.load()
            self._load(config)
        except ConfigError as problem:
            for line in problem.errors:
                log.error("reload: {line}", line=line)
            log.error("reload: the old configuration stays in force")
            return
        self.config = config
        self._listen_anew()
        log.info("reloaded: {count} routes", count=len(config.route))

    def _load(self, config: Config) -> None:
        upstreams = self._world.upstreams or resolv.upstreams(self._own_names(config))
        records = demo.catalogue() if self.options.demo else static_records(config)
        before, self.servers = self.servers, {}
        routes = [self._route(route, upstreams, before) for route in config.route]
        table = {domain: route for route in routes for domain in route.domains}
        repairers = {
            route.name: Repairer(tuple(map(wire_name, route.domains)), switches(route))
            for route in config.route
            if route.kind == "consul"
        }
        special = special_names() if config.dns.special_names else Records()
        tables = Tables(Routes(table), records, special, repairers, config.dns.fence, config.dns.udp_size)
        self.forwarder.load(tables, policy(config, networks))
        self.cache.size, self.cache.bounds = config.cache.size, bounds(config)
        # Questions in flight end on the old servers.
        self._retired += [server for key, server in before.items() if key not in self.servers]

    def _route(self, route: RouteConfig, upstreams: list[str], before: dict[Any, Server]) -> Route:
        found: list[Endpoint] = []
        for server in route.servers:
            if isinstance(server, Endpoint):
                found.append(server)
            else:
                found += [Endpoint(host, 53) for host in upstreams]
        servers = [self._server(route, address, before) for address in dict.fromkeys(found)]
        group = Group(servers, route.policy, route.timeout, route.attempts)
        for one in servers:
            one.health.changed = partial(_changed, group)
        domains = tuple(map(wire_name, route.domains))
        return Route(route.name, group, route.kind == "consul", route.cached, domains)

    def _server(self, route: RouteConfig, address: Endpoint, before: dict[Any, Server]) -> Server:
        key = (route.name, address, route.timeout)
        if key not in self.servers:
            old = before.get(key)
            self.servers[key] = old or Server(address, route.timeout, self._around, probe_plan(route.domains[0]))
        return self.servers[key]

    # Listening --------------------------------------------------------------------------------------

    def _open(self, endpoint: Endpoint, pair: Pair) -> None:
        door = Door(pair)
        if pair.udp is not None:
            door.udp = UdpListener(pair.udp, self.forwarder, self.turns)
        if pair.tcp is not None:
            door.tcp = TcpListener(self.forwarder, self.turns)
            door.port = self.reactor.adoptStreamPort(pair.tcp.fileno(), pair.tcp.family, door.tcp)
        self.doors[endpoint] = door

    def _shut(self, endpoint: Endpoint) -> None:
        door = self.doors.pop(endpoint)
        if door.udp is not None:
            door.udp.close()
        if door.port is not None and door.tcp is not None:
            door.port.stopListening()
            door.tcp.close()
        if door.pair.tcp is not None:
            door.pair.tcp.close()

    def _listen_anew(self) -> None:
        """Bind what is wanted and not there, release what is there and not wanted."""
        if self.options.given:
            return
        wanted = expand(self.config.dns.listen)
        for endpoint in [one for one in self.doors if one not in wanted]:
            self._shut(endpoint)
            log.info("no longer listening on {endpoint}", endpoint=endpoint)
        for endpoint in wanted:
            if endpoint in self.doors:
                continue
            try:
                self._open(endpoint, bind(endpoint, self.options.shared, sole=False))
            except (Taken, OSError) as problem:
                if endpoint not in self._complained:
                    self._complained.add(endpoint)
                    log.warn("not listening on {endpoint}: {problem}", endpoint=endpoint, problem=problem)
            else:
                self._complained.discard(endpoint)
                log.info("listening on {endpoint} udp+tcp", endpoint=endpoint)

    # What changes under us --------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Follow the addresses of this machine, resolv.conf and the hosts files."""
        if self._look(self.config):
            try:
                self._load(self.config)
            except ConfigError as problem:
                log.error("{problem}", problem=problem)
        self._listen_anew()  # also what could not be bound the last time

    def _look(self, config: Config) -> bool:
        """Note what is there now; whether anything is different."""
        old, own = self._world, addresses()
        files = (*resolv.FILES, *map(Path, config.dns.hosts))
        stamps = tuple(_stamp(path) for path in files)
        if (old.own, old.stamps) == (own, stamps):
            return False
        found = resolv.upstreams(self._own_names(config))
        needed = any(RESOLV_CONF in route.servers for route in config.route)
        if needed and not found:
            log.warn("no upstream in resolv.conf beside ourselves; {kept}", kept="the last ones stay")
        elif needed and found != old.upstreams:
            log.info("upstreams from resolv.conf: {found}", found=", ".join(found))
        self._world = _World(own, found or old.upstreams, stamps)
        return True

    def _own_names(self, config: Config) -> set[str]:
        return {endpoint.host for endpoint in expand(config.dns.listen) if endpoint.port == 53}

    def _sweep(self) -> None:
        sweep_all([*self.servers.values(), *self._retired], self.forwarder, self.turns)
        now = monotonic()
        for door in self.doors.values():
            if door.tcp is not None:
                door.tcp.sweep(now)
        for server in [one for one in self._retired if not one.open_questions]:
            server.close()
            self._retired.remove(server)

    # The end ----------------------------------------------------------------------------------------

    def stop(self, then: Callable[[], Any]) -> None:
        """Take no more questions, let those in flight end, then call *then*."""
        for door in self.doors.values():
            if door.udp is not None:
                door.udp.rest()
            if door.port is not None:
                door.port.stopListening()
        self._drain(monotonic() + DRAIN, then)

    def _drain(self, deadline: float, then: Callable[[], Any]) -> None:
        busy = any(server.open_questions for server in [*self.servers.values(), *self._retired])
        if busy and monotonic() < deadline:
            self.reactor.callLater(0.02, self._drain, deadline, then)
            return
        for loop in self._loops:
            if loop.running:
                loop.stop()
        if self._watcher.sock is not None:
            self.reactor.removeReader(self._watcher)
            self._watcher.sock.close()
        for server in [*self.servers.values(), *self._retired]:
            server.close()
        self.turns.close()
        then()


def _changed(group: Group, health: Health) -> None:
    group.refresh()
    if health.down_since is None:
        log.info("{server} answers again", server=health.label)
    else:
        log.warn("{server} {reason}", server=health.label, reason=health.reason)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
