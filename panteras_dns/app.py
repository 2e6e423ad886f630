"""Where objects meet: configuration in, a running server out; reload; the end.

The only module that knows all the others; nothing imports it but the life of `panteras serve`.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from panteras_dns import demo
from panteras_dns.admin.snapshot import Seat, snapshot
from panteras_dns.build import (
    bounds,
    certificates,
    consul_api,
    policy,
    probe_plan,
    repairers,
    reverse_routes,
    static_records,
)
from panteras_dns.cache import Cache
from panteras_dns.config import Config, RouteConfig
from panteras_dns.cookies import Cookies
from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.background import Background
from panteras_dns.forwarder import Forwarder
from panteras_dns.host.interfaces import networks
from panteras_dns.host.sockets import Pair
from panteras_dns.loops import Loops
from panteras_dns.metrics import counters, samples
from panteras_dns.names import text_name, wire_name
from panteras_dns.options import ConfigError
from panteras_dns.planner import Tables
from panteras_dns.policy import Policy
from panteras_dns.querylog.tap import Tap
from panteras_dns.reasons import Reasons
from panteras_dns.records import Records, special_names
from panteras_dns.remote import Encrypted, Remote
from panteras_dns.routes import Route, Routes
from panteras_dns.transport.doors import Doors
from panteras_dns.transport.exchange import SWEEP, Exchange
from panteras_dns.transport.ports import Surroundings
from panteras_dns.transport.server import Settings
from panteras_dns.transport.turns import Turns
from panteras_dns.transport.watcher import Watcher
from panteras_dns.upstream import Group, Lanes
from panteras_dns.world import World, look

log = Logger()

WATCH = 1.0  # seconds between looks at resolv.conf and hosts files
LOOPS = 30.0  # seconds between questions that must not come back to us
DRAIN = 0.6  # seconds for questions in flight when we are told to stop


@dataclass
class Options:
    """What the command line adds to a configuration file."""

    load: Callable[[], Config] = Config
    demo: bool = False
    shared: bool = False  # the port belongs to several workers
    given: bool = False  # systemd bound the sockets
    kept: frozenset[Endpoint] = frozenset()  # systemd bound these, beside those that we bind
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))  # of our cookies; the workers share it


class Service:
    """A running server: `start`, `reload`, `stop`."""

    def __init__(self, reactor: Any, config: Config, options: Options) -> None:
        self.config = config
        self.cache = Cache(config.cache.size, bounds(config))
        self.forwarder = Forwarder(Tables(Routes({})), Policy(tuple), self.cache, Cookies(options.secret))
        self._options = options
        self._reactor = reactor
        self._turns = Turns(reactor)
        self._around = Surroundings(reactor, self.forwarder, self._turns)
        self.exchange = Exchange(self._around)
        self.doors = Doors(self._around, options.shared, options.given, options.kept)
        self._loops_guard = Loops(options.secret, self.exchange.leads_back)
        self._reasons = Reasons()
        self._reasons.found = self.forwarder.failures.explain
        self._background: Background | None = None
        self._world = World()
        self._watcher = Watcher(reactor, self._look_around)
        self._duties = [(self._sweep, SWEEP), (self._look_around, WATCH)]
        if not options.demo:  # nobody is asked there
            self._duties.append((self._look_for_loops, LOOPS))
        self._loops: list[LoopingCall] = []

    def log_to(self, tap: Tap) -> None:
        """Before `start`: what comes and goes is handed over there."""
        self._around.tap = tap

    def start(self, pairs: dict[Endpoint, Pair]) -> None:
        """Read the rest, listen on what was bound, begin to watch."""
        self._look()
        self._load(self.config)
        for endpoint, pair in pairs.items():
            self.doors.add(endpoint, pair)
        for duty, pause in self._duties:
            loop = LoopingCall(_guarded, duty)
            loop.clock = self._reactor
            self._loops.append(loop)
            loop.start(pause)

    # Tables -----------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Take the configuration in anew. When it is wrong, the old one stays in force."""
        try:
            config = self._options.load()
            self._load(config)
        except ConfigError as problem:
            for line in problem.errors:
                log.error("reload: {line}", line=line)
            log.error("reload: the old configuration stays in force")
            return
        self.config = config
        self.doors.follow(config.dns.listen)
        log.info("reloaded: {count} routes", count=len(config.route))

    def _load(self, config: Config) -> None:
        records = demo.catalogue() if self._options.demo else static_records(config)
        api = ("", "") if self._options.demo else consul_api(config)
        self.exchange.renew()
        try:
            routes = [self._route(route) for route in config.route]
        except (ConfigError, OSError, ValueError) as problem:
            self.exchange.restore()
            raise problem if isinstance(problem, ConfigError) else ConfigError([f"route: {problem}"]) from None
        routes += reverse_routes(config, routes)
        if self.exchange.settle():
            self.cache.clear()  # other servers may know other names
        tables = Tables(
            Routes({domain: route for route in routes for domain in route.domains}),
            records,
            special_names() if config.dns.special_names else Records(),
            repairers(config),
            config.dns.fence,
            config.dns.udp_size,
            self._loops_guard,
            self._reasons,
        )
        self._find_reasons(config, api)
        self.forwarder.load(tables, policy(config, networks))
        self.cache.size, self.cache.bounds = config.cache.size, bounds(config)

    def _find_reasons(self, config: Config, api: tuple[str, str]) -> None:
        """Have somebody find out why names of Consul's fail, with the API that is configured now."""
        if self._background is not None:
            self._background.stop()
        domains = [one for route in config.route if route.kind == "consul" for one in route.domains]
        self._background = Background(self._reactor, self._reasons, api, domains)

    def _route(self, route: RouteConfig) -> Route:
        consul = route.kind == "consul"
        settings = self._settings(route)

        def group(name: str, domain: str, ports: int) -> Group:
            servers = [replace(one, ports=ports) if isinstance(one, Settings) else one for one in settings]
            return self.exchange.group(name, servers, route.policy, route.attempts, probe_plan(domain))

        def lane(label: bytes) -> Group:
            place = label[1:].decode("latin-1") or "others"
            return group(f"{route.name}, {place}", f"{text_name(label)}{route.name}".rstrip(".") or ".", 1)

        return Route(
            route.name,
            group(route.name, route.domains[0], 2),
            consul,
            route.cached,
            tuple(map(wire_name, route.domains)),
            Lanes(lane) if consul else None,
            route.cached if route.join is None else route.join,
            route.insurance,
        )

    def _settings(self, route: RouteConfig) -> list[Settings | Encrypted]:
        """How each server of a route is talked to."""
        mixes, pem = route.mix_case and route.kind != "consul", certificates(route)
        found: list[Settings | Encrypted] = []
        for server in route.servers:
            if isinstance(server, Remote):
                found.append(Encrypted(server, route.timeout, pem))
                continue
            hosts = [Endpoint(host, 53) for host in self._world.upstreams]
            for address in [server] if isinstance(server, Endpoint) else hosts:
                found.append(
                    Settings(
                        address,
                        route.timeout,
                        address.loopback if route.ports == "auto" else route.ports == "shared",
                        mixes_case=mixes,
                    )
                )
        return found

    # What changes under us --------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Follow the addresses of this machine, resolv.conf and the hosts files."""
        if self._look():
            try:
                self._load(self.config)
            except ConfigError as problem:
                log.error("{problem}", problem=problem)
        self.doors.follow(self.config.dns.listen)  # also what could not be bound the last time

    def _look(self) -> bool:
        """Whether anything is different from what was found the last time."""
        found = look(self.config, self._options.kept, self._world)
        changed, self._world = found is not self._world, found
        return changed

    def counters(self) -> Mapping[str, int]:
        """What has been counted so far."""
        seat = self._seat()
        return counters(samples(seat.forwarder, seat.cache, seat.healths))

    def snapshot(self, asked: Mapping[str, Any], ahead: float) -> dict[str, Any]:
        """What the admin is told (admin/snapshot.py)."""
        return snapshot(self._seat(), asked, ahead)

    def _seat(self) -> Seat:
        healths = [server.health for server in self.exchange.servers.values()]
        return Seat(self.forwarder, self.cache, healths, self._around.tap)

    def _look_for_loops(self) -> None:
        self.exchange.look_for_loops(self._loops_guard)

    def _sweep(self) -> None:
        self.exchange.sweep()
        self.doors.sweep()
        self._hand_over()

    def _hand_over(self) -> None:
        if self._around.tap is not None:
            self._around.tap.flush()

    # The end ----------------------------------------------------------------------------------------

    def stop(self, then: Callable[[], Any]) -> None:
        """Take no more questions, let those in flight end, then call *then*."""
        self.doors.rest()
        self._drain(monotonic() + DRAIN, then)

    def _drain(self, deadline: float, then: Callable[[], Any]) -> None:
        if self.exchange.open_questions and monotonic() < deadline:
            self._reactor.callLater(0.02, self._drain, deadline, then)
            return
        for loop in self._loops:
            if loop.running:
                loop.stop()
        self._watcher.close()
        self._hand_over()
        if self._background is not None:
            self._background.stop()
        self.exchange.close()
        self._turns.close()
        then()


def _guarded(duty: Callable[[], None]) -> None:
    """A looping call that raises is never called again: a bug in one round must not be the end of all."""
    try:
        duty()
    except Exception:
        log.failure("a bug: a duty was not done")
