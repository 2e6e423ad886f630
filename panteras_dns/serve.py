"""The life of `panteras serve`: bind, drop privileges, then read the rest and answer until told to stop."""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import twisted
from twisted.logger import Logger

from panteras_dns.admin.channel import Reporter
from panteras_dns.app import Options, Service
from panteras_dns.build import check_files, consul_api
from panteras_dns.config import Config
from panteras_dns.endpoint import Endpoint
from panteras_dns.host import process
from panteras_dns.host.channel import ends
from panteras_dns.host.handover import READY, Pairs, offer, take
from panteras_dns.host.journal import begin
from panteras_dns.host.sockets import Pair, bind, bind_all, endpoint_of, paired
from panteras_dns.host.workers import Supervisor, heed
from panteras_dns.options import ConfigError
from panteras_dns.querylog.tap import Tap
from panteras_dns.transport.successor import Successor

log = Logger()

_ADMIN = "panteras_dns.admin.serve"  # not at the top: they import Twisted's endpoints
_QUERY_LOG = "panteras_dns.querylog.serve"
DEMO_LISTEN = (Endpoint("127.0.0.1", 5353),)


def run(load: Callable[[], Config], options: dict[str, Any], reactor: Callable[[], Any]) -> int:
    """Serve until SIGTERM; the exit status. `ConfigError` for everything that is wrong before the first answer."""

    def effective() -> Config:
        return _effective(load(), options)

    config = effective()
    sockets, offered = _bound(config, options)
    for warning in sockets.warnings:
        click.echo(f"panteras: {warning}", err=True)
    for pair in sockets.sets[0].values():
        click.echo(_listening(pair))
    begin(options["log_format"], options["log_level"])
    company = Company(config, sockets)
    count = config.dns.workers
    settings = Options(effective, options["demo"], count > 1, sockets.given, sockets.kept)

    def ready() -> None:
        _ready(config, options, sockets.sets[0])
        sockets.tell_predecessor()

    def work(index: int, begun: Callable[[], None]) -> None:
        if index >= count:
            company.sides[index - count](reactor, effective)
            return
        process.settle()
        worker = Worker(reactor(), config, settings, sockets, index)
        company.join(worker, index)
        worker.run(begun, offered)
        if worker.status:
            sys.exit(worker.status)

    if company.alone:
        work(0, ready)
        return 0
    return Supervisor(count + len(company.sides), work, len(company.sides)).run(ready, _mourn)


def _preload(config: Config) -> None:
    """What would be imported when it is needed, while its files can be read. It costs start-up time and memory."""
    if consul_api(config)[0]:
        import_module("panteras_dns.explain.catalogue")
    if config.admin.listen is not None:
        import_module(_ADMIN)
    if config.querylog.to:
        import_module(_QUERY_LOG)


class Company:
    """The processes beside the workers, and the channels between them: what is shown or written of the answers must not
    keep them waiting."""

    def __init__(self, config: Config, sockets: "Sockets") -> None:
        count = config.dns.workers
        self._config = config
        self._own = _nearest(sockets.sets[0])
        self._shown = [ends() for _ in range(count)] if config.admin.listen is not None else []
        self._logged = [ends() for _ in range(count)] if config.querylog.to else []
        self.sides = [side for side, there in ((self._show, self._shown), (self._log, self._logged)) if there]
        self.alone = count + len(self.sides) == 1

    def join(self, worker: "Worker", index: int) -> None:
        """Give a worker its ends."""
        worker.reports_to = self._shown[index][1] if self._shown else None
        worker.logs_to = self._logged[index][1] if self._logged else None
        worker.alone = self.alone

    def _show(self, reactor: Callable[[], Any], load: Callable[[], Config]) -> None:
        process.settle()
        ours = [end for end, _ in self._shown]
        _aside(lambda: import_module(_ADMIN).run(reactor(), self._config, load, ours, self._own))

    def _log(self, reactor: Callable[[], Any], load: Callable[[], Config]) -> None:
        process.settle(groups=True)  # one may be Docker's; a reload may want names of containers
        ours = [end for end, _ in self._logged]
        _aside(lambda: import_module(_QUERY_LOG).run(reactor(), self._config, load, ours))


def _aside(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        log.failure("a bug: a process beside the workers has ended")


def _bound(config: Config, options: dict[str, Any]) -> tuple["Sockets", socket.socket | None]:
    """What needs privileges, and then without them: the sockets, and where the next process may ask for them."""
    process.raise_file_limit()
    user = process.account(options["user"] or config.dns.user)
    check_files(config)  # before a predecessor is disturbed
    sockets = Sockets.of(config)
    offered = offer(config.dns.handover) if config.dns.handover else None
    if not all(process.sees(user, Path(module.__file__ or "/").parent) for module in (process, click, twisted, os)):
        _preload(config)
    process.drop(user)
    check_files(config)  # as who will read them from now on
    if options["file"] and not os.access(options["file"], os.R_OK):
        sockets.warnings.append(
            f"{options['file']}: {user.pw_name if user else 'we'} can't read it: a reload will fail"
        )
    return sockets, offered


def _effective(config: Config, options: dict[str, Any]) -> Config:
    """The configuration with what the command line says."""
    listen = options["listen"] or (DEMO_LISTEN if options["demo"] else config.dns.listen)
    workers = options["workers"] or config.dns.workers
    config = replace(config, dns=replace(config.dns, listen=tuple(listen), workers=workers))
    if options["admin"] is not None:
        listen_at = None if options["admin"] == "off" else options["admin"]
        config = replace(config, admin=replace(config.admin, listen=listen_at))
    return config.with_defaults(tuple(options["consul"]), tuple(options["upstream"]))


@dataclass
class Sockets:
    """A set of sockets for each worker, and whom to thank for them."""

    sets: list[Pairs]
    warnings: list[str] = field(default_factory=list)
    given: bool = False  # bound by systemd, and no others are wanted
    kept: frozenset[Endpoint] = frozenset()  # bound by systemd beside others
    predecessor: socket.socket | None = None  # who still reads them, until told that we do

    @classmethod
    def of(cls, config: Config) -> "Sockets":
        """From systemd, from the process before us, or bound anew."""
        count = config.dns.workers
        passed, beside = process.passed_sockets()
        kept = paired(passed)
        if passed and not beside:
            return cls([kept] * count, given=True)
        if config.dns.handover and (taken := take(config.dns.handover)):
            sets, connection = taken
            shared = [sets[number % len(sets)] for number in range(count)]
            return cls(shared, kept=frozenset(kept), predecessor=connection)
        first, warnings = bind_all(config.dns.listen, shared=count > 1, kept=kept)
        sets = [kept | first]
        for _ in range(1, count):
            sets.append(kept | {key: bind(_actual(pair), shared=True, sole=False) for key, pair in first.items()})
        return cls(sets, warnings, kept=frozenset(kept))

    def tell_predecessor(self) -> None:
        if self.predecessor is not None:
            with contextlib.suppress(OSError):
                self.predecessor.send(READY)
            self.predecessor.close()
            self.predecessor = None


class Worker:
    """One process that answers."""

    def __init__(self, reactor: Any, config: Config, settings: Options, sockets: Sockets, index: int) -> None:
        self._reactor = reactor
        self._service = Service(reactor, config, settings)
        self._sockets = sockets
        self._index = index
        self.reports_to: socket.socket | None = None  # the admin
        self.logs_to: socket.socket | None = None  # the query log
        self.alone = True  # no other process is ours
        self.status = 0

    def run(self, ready: Callable[[], None], offered: socket.socket | None) -> None:
        """Until told to stop. *ready* is called when it answers; the first worker waits at *offered* for the next
        process."""
        heed(self._reactor, self._stop, {signal.SIGHUP: self._reload, signal.SIGUSR1: self._tell_counters})
        if offered is not None and self._index == 0:
            Successor(self._reactor, offered, self._all_sockets, self._leave)
        self._reactor.callWhenRunning(self._begin, ready)
        self._reactor.run(installSignalHandlers=False)

    def _begin(self, ready: Callable[[], None]) -> None:
        if self.logs_to is not None:
            self._service.log_to(Tap(self.logs_to))
        try:
            self._service.start(self._sockets.sets[self._index])
        except Exception as problem:
            lines = problem.errors if isinstance(problem, ConfigError) else [repr(problem)]
            for line in lines:
                click.echo(f"panteras: {line}", err=True)
            self.status = 1
            self._reactor.stop()
            return
        if self.reports_to is not None:
            Reporter(self._reactor, self.reports_to, self._service.snapshot)
        # Almost nothing here makes cycles: the collector need not look at what lives for ever, nor often at the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        self._reactor.callLater(0, ready)

    def _all_sockets(self) -> list[Pairs]:
        own = {endpoint: door.pair for endpoint, door in self._service.doors.open.items()}
        return [own if number == self._index else pairs for number, pairs in enumerate(self._sockets.sets)]

    def _leave(self) -> None:
        """The next process answers: end as if told to, all workers together."""
        os.kill(os.getpid() if self.alone else os.getppid(), signal.SIGTERM)

    def _stop(self) -> None:
        if self.alone:
            process.notify("STOPPING=1")
        self._service.stop(self._reactor.stop)

    def _reload(self) -> None:
        process.notify("RELOADING=1")
        self._service.reload()
        process.notify("READY=1")

    def _tell_counters(self) -> None:
        log.info("counters {counters}", counters=json.dumps(self._service.counters()))


def _actual(pair: Pair) -> Endpoint:
    sock = pair.udp or pair.tcp
    assert sock is not None
    return endpoint_of(sock)


def _nearest(pairs: Pairs) -> Endpoint:
    """Where this gateway is asked by itself: on loopback, if it listens there."""
    found = [_actual(pair) for pair in pairs.values()]
    return next((one for one in found if one.loopback), found[0])


def _listening(pair: Pair) -> str:
    kinds = "+".join(name for name, sock in (("udp", pair.udp), ("tcp", pair.tcp)) if sock is not None)
    return f"listening on {_actual(pair)} {kinds}"


def _ready(config: Config, options: dict[str, Any], pairs: Pairs) -> None:
    process.notify("READY=1")
    routes = "; ".join(f"{', '.join(route.domains)} -> {', '.join(map(str, route.servers))}" for route in config.route)
    if options["demo"]:
        routes = "a sample catalogue under consul; " + routes.partition("; ")[2]
    click.echo(f"ready: {routes}")
    if options["demo"]:
        where = _actual(next(iter(pairs.values())))
        at = f"@{where.host} -p {where.port}"
        click.echo(
            "try:\n"
            f"  dig {at} python1.service.consul\n"
            f"  dig {at} python2.service.consul SRV\n"
            f"  panteras query python1.service.consul --server {where}\n"
            "stop with Ctrl-C"
        )


def _mourn(pid: int, status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    how = f"by signal {-code}" if code < 0 else f"with status {code}"
    click.echo(f"panteras: process {pid} ended {how}; another takes its place", err=True)
