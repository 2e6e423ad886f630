"""The admin process: asks the workers, listens for people, programs and browsers, and answers no DNS."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from panteras_dns.admin.beside import Beside
from panteras_dns.admin.channel import Workers
from panteras_dns.admin.desk import Desk, View
from panteras_dns.admin.site import Site
from panteras_dns.admin.status import Around
from panteras_dns.admin.sums import Sums
from panteras_dns.build import consul_api
from panteras_dns.config import Config
from panteras_dns.consul import Consul
from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.explain import Explainer, Question
from panteras_dns.host.workers import heed
from panteras_dns.options import ConfigError

log = Logger()

LOOK = 1.0  # seconds between two questions to the workers while somebody looks
FRESH = 0.25  # seconds between two questions to the workers, however many want to know
REST = 10  # of these, while nobody does
AGAIN = 1.0  # seconds until it is tried again to listen


class Admin:
    """*dns*: where this gateway answers, to be asked as a client would."""

    def __init__(self, reactor: Any, config: Config, socks: Sequence[socket.socket], dns: Endpoint) -> None:
        self._reactor, self._dns = reactor, dns
        self.sums = Sums(len(socks))
        self.around = Around(socket.gethostname(), version("panteras-gateway"), time.time())
        self._workers = Workers(reactor, socks, self._told)
        self._port: Any = None
        self._turn = 0
        self._asked = -FRESH
        self._curious: list[Deferred[None]] = []
        self._complained = False
        self.desk = Desk(View(self.sums, self.around, self._fresh, self._whole))
        self._configure(config)

    def start(self) -> None:
        loop = LoopingCall(self._look)
        loop.clock = self._reactor
        loop.start(LOOK)
        self._listen()

    def take(self, config: Config) -> None:
        """Another configuration is in force."""
        moved = config.admin.listen != self.config.admin.listen
        self._configure(config)
        if moved and self._port is not None:
            self._port.stopListening()
            self._port = None
            self._listen()

    def _configure(self, config: Config) -> None:
        self.config = config
        place, token = consul_api(config)
        consul = Consul(self._reactor, place, token) if place else None
        self._beside = Beside(self._reactor, consul, config.admin.people, self.around)
        domains = next((route.domains for route in config.route if route.kind == "consul"), ("consul",))
        explainer = Explainer(self._reactor, consul or Consul(self._reactor))
        self.desk.explain_by(explainer, Question("", "A", self._dns, domains[0]))

    def _listen(self) -> None:
        """A port that is taken is waited for: the process before us may still have it, and names must go on."""
        at = self.config.admin.listen
        if at is None or self._port is not None:
            return
        site = Site(self._reactor, self.desk.paths(), lambda: self.config.admin.hosts)
        try:
            self._port = self._reactor.listenTCP(at.port, site, interface=at.host)
        except CannotListenError as problem:
            if not self._complained:
                log.warn(
                    "admin: not listening on {at}: {problem}", at=at, problem=os.strerror(problem.socketError.errno)
                )
            self._complained = True
            self._reactor.callLater(AGAIN, self._listen)
            return
        self._complained = False
        actual = self._port.getHost()
        log.info("admin: http://{at}/", at=Endpoint(actual.host, actual.port))

    def _fresh(self) -> "Deferred[None]":
        """Ask the workers, all who want to know together: a look keeps a worker from answering for milliseconds."""
        told: Deferred[None] = Deferred()
        self._curious.append(told)
        if len(self._curious) == 1:
            pause = self._asked + FRESH - self._reactor.seconds()
            if pause > 0:
                self._reactor.callLater(pause, self._ask)
            else:
                self._ask()
        return told

    def _ask(self) -> None:
        self._asked = self._reactor.seconds()
        curious, self._curious = self._curious, []
        named = self.desk.looked_at()

        def tell(_: None) -> None:
            for one in curious:
                one.callback(None)

        self._workers.ask(lambda index: self.sums.question(index, named)).addCallback(tell)

    def _whole(self) -> "Deferred[Any]":
        return gatherResults([self._fresh(), self._beside.look(time.time())])

    def _look(self) -> None:
        self._turn += 1
        looked_at = self.desk.looked_at()
        if not looked_at and self._turn % REST != 1:
            return
        self._fresh()
        if looked_at:
            self._beside.look(time.time())
        self.desk.tell()

    def _told(self, index: int, told: dict[str, Any]) -> None:
        self.sums.take(index, told, time.time())


def run(
    reactor: Any, config: Config, load: Callable[[], Config], socks: Sequence[socket.socket], dns: Endpoint
) -> None:
    """Until told to stop. *load* is for SIGHUP: a file that root has read may be out of our reach."""
    admin = Admin(reactor, config, socks, dns)

    def reload() -> None:
        with contextlib.suppress(ConfigError):  # the workers complain
            admin.take(load())

    heed(reactor, reactor.stop, {signal.SIGHUP: reload})
    reactor.callWhenRunning(admin.start)
    reactor.run(installSignalHandlers=False)
