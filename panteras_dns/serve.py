"""The life of `panteras serve`: bind, drop privileges, then read the rest and answer until told to stop."""

import gc
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from panteras_dns.app import Options, Service
from panteras_dns.config import Config
from panteras_dns.endpoint import Endpoint
from panteras_dns.host import process
from panteras_dns.host.journal import begin
from panteras_dns.host.sockets import Pair, bind, bind_all, endpoint_of, paired
from panteras_dns.host.workers import Supervisor

DEMO_LISTEN = (Endpoint("127.0.0.1", 5353),)

Pairs = dict[Endpoint, Pair]


def run(load: Callable[[], Config], options: dict[str, Any], reactor: Callable[[], Any]) -> int:
    """Serve until SIGTERM; the exit status. `ConfigError` for everything that is wrong before the first answer."""

    def effective() -> Config:
        return _effective(load(), options)

    config = effective()
    process.raise_file_limit()
    user = process.account(options["user"] or config.dns.user)
    count = config.dns.workers
    given = process.passed_sockets()
    sets, warnings = ([paired(given)] * count, []) if given else _bind(config, count)
    process.drop(user)
    if options["file"] and not os.access(options["file"], os.R_OK):
        warnings.append(f"{options['file']}: {user.pw_name if user else 'we'} can't read it: a reload will fail")
    for warning in warnings:
        click.echo(f"panteras: {warning}", err=True)
    for pair in sets[0].values():
        click.echo(_listening(pair))
    begin(options["log_format"], options["log_level"])
    settings = Options(load=effective, demo=options["demo"], shared=count > 1, given=bool(given))
    if count == 1:
        return _work(reactor(), config, settings, sets[0], lambda: _ready(config, options, sets[0]))
    crew = Supervisor(count, lambda index, ready: _join(reactor, config, settings, sets[index], ready))
    return crew.run(lambda: _ready(config, options, sets[0]), _mourn)


def _effective(config: Config, options: dict[str, Any]) -> Config:
    """The configuration with what the command line says."""
    listen = options["listen"] or (DEMO_LISTEN if options["demo"] else config.dns.listen)
    workers = options["workers"] or config.dns.workers
    config = replace(config, dns=replace(config.dns, listen=tuple(listen), workers=workers))
    return config.with_defaults(tuple(options["consul"]), tuple(options["upstream"]))


def _bind(config: Config, count: int) -> tuple[list[Pairs], list[str]]:
    """A set of sockets for each worker."""
    first, warnings = bind_all(config.dns.listen, shared=count > 1)
    sets = [first]
    for _ in range(1, count):
        sets.append({key: bind(_actual(pair), shared=True, sole=False) for key, pair in first.items()})
    return sets, warnings


def _actual(pair: Pair) -> Endpoint:
    sock = pair.udp or pair.tcp
    assert sock is not None
    return endpoint_of(sock)


def _listening(pair: Pair) -> str:
    kinds = "+".join(name for name, sock in (("udp", pair.udp), ("tcp", pair.tcp)) if sock is not None)
    return f"listening on {_actual(pair)} {kinds}"


def _join(
    reactor: Callable[[], Any], config: Config, settings: Options, pairs: Pairs, ready: Callable[[], None]
) -> None:
    _work(reactor(), config, settings, pairs, ready)


def _work(reactor: Any, config: Config, settings: Options, pairs: Pairs, ready: Callable[[], None]) -> int:
    """One worker's life."""
    service = Service(reactor, config, settings)

    def stop(*_: Any) -> None:
        process.notify("STOPPING=1")
        service.stop(reactor.stop)

    def reload(*_: Any) -> None:
        process.notify("RELOADING=1")
        service.reload()
        process.notify("READY=1")

    def begin_work() -> None:
        service.start(pairs)
        # Almost nothing here makes cycles: the collector need not look at what lives for ever, nor often at the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        reactor.callLater(0, ready)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: reactor.callFromThread(stop))
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reload))
    reactor.callWhenRunning(begin_work)
    reactor.run(installSignalHandlers=False)
    return 0


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
    click.echo(f"panteras: worker {pid} ended {how}; another takes its place", err=True)
