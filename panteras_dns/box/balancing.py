"""`panteras balancer`: the parts put together, to run or to print the configuration."""

import fcntl
import os
import pwd
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from panteras_dns.box.balancer import Balancer
from panteras_dns.box.catalogue import Catalogue, Services
from panteras_dns.box.daemon import run
from panteras_dns.box.frontdoor import FrontDoor
from panteras_dns.box.haproxy import HAProxy
from panteras_dns.box.layout import BadTemplate, Layout
from panteras_dns.box.page import Page
from panteras_dns.box.runner import Runner, Unusable, version
from panteras_dns.box.site import HTTP_PORTS, Names, Site, site
from panteras_dns.consul import Consul
from panteras_dns.endpoint import PRIVATE, Endpoint
from panteras_dns.host.interfaces import private
from panteras_dns.once import Failed, now

_ACCOUNT = "haproxy"


class Unable(Exception):
    """It can't be run like that; the text says why, *status* is the exit status."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


class Balancing:
    """*reactor* is made once it is needed: what can't be run is said before."""

    def __init__(self, reactor: Callable[[], Any], options: Mapping[str, Any]) -> None:
        self._options = options
        self._run: Path = options["run_dir"].absolute()
        self._datacenter = ""
        own = options["own_names"] or (socket.gethostname(), options["host"])
        self._hosts = tuple(dict.fromkeys(name.lower() for name in own))
        try:
            if not options["printed"]:
                version()
            self.layout().configuration(Site({}, {}))
        except (Unusable, BadTemplate) as problem:
            raise Unable(str(problem)) from None
        self._reactor = reactor()
        self._consul = Consul(self._reactor, options["consul"], options["token"])

    def configuration(self) -> str:
        try:
            services = now(self._reactor, self._catalogue(lambda *_: None).read())
        except Failed as problem:
            raise Unable(str(problem), 3) from None
        return self.layout().configuration(site(services, self.names()))

    def run(self, log_format: str, log_level: str) -> int:
        try:
            self._run.mkdir(parents=True, exist_ok=True)
            self._run.chmod(0o755)  # HAProxy under its own account opens the front page's socket
            self._lock = (self._run / "lock").open("w", encoding="ascii")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unable(f"--run-dir: {self._run}: another balancer uses it") from None
        except OSError as problem:
            raise Unable(f"--run-dir: {self._run}: {problem.strerror}") from None
        return run(self._reactor, _Part(self, self._reactor, self._consul), log_format, log_level)

    def names(self) -> Names:
        options = self._options
        return Names(
            options["domain"].strip(".").lower(), self._datacenter, self._hosts, options["ports"] or HTTP_PORTS
        )

    def layout(self) -> Layout:
        options = self._options
        user = _ACCOUNT if os.geteuid() == 0 and _exists(_ACCOUNT) else ""
        return Layout(
            self._run, _places(options["listen"], 80), _places(options["statistics"], 81), user, options["template"]
        )

    def part(self, page: Page) -> tuple[Catalogue, Balancer, "FrontDoor"]:
        haproxy = HAProxy(self._reactor, self._run)
        balancer = Balancer(self._reactor, haproxy, self.layout, self.names)
        door = FrontDoor(
            self._reactor, self._consul, self._options["host"], self._options["ip"] or "", self.layout, self.names
        )

        def changed(services: Services, was_away: bool) -> None:
            self._datacenter = catalogue.datacenter
            balancer.catalogue_changed(services, was_away)
            page.show(services)
            door.look()

        catalogue = self._catalogue(changed)
        return catalogue, balancer, door

    @property
    def run_directory(self) -> Path:
        return self._run

    @property
    def attached(self) -> bool:
        return bool(self._options["attach"])

    def _catalogue(self, changed: Callable[[Services, bool], None]) -> Catalogue:
        return Catalogue(self._reactor, self._consul, changed)


class _Part:
    def __init__(self, balancing: Balancing, reactor: Any, consul: Consul) -> None:
        self._page = Page(reactor, balancing.names)
        self._catalogue, self._balancer, self._door = balancing.part(self._page)
        self._runner = None if balancing.attached else Runner(reactor, balancing.run_directory)
        self._socket = balancing.run_directory / "page.sock"
        self._look = LoopingCall(self._look_around)
        self._look.clock = reactor

    def _look_around(self) -> None:
        self._page.tell(self._catalogue.problem)
        if self._catalogue.datacenter:
            self._door.look()

    def start(self) -> "Deferred[str]":
        self._page.listen(self._socket)
        self._look.start(1.0)
        self._catalogue.start()
        begun = self._balancer.start()
        if self._runner is not None:
            self._runner.start()
        return begun

    @property
    def failed(self) -> bool:
        return self._balancer.failed

    def stop(self) -> None:
        self._look.stop()
        self._catalogue.stop()
        self._balancer.stop()
        if self._runner is not None:
            self._runner.stop()


def _places(asked: Sequence[Endpoint], port: int) -> tuple[str, ...]:
    """As HAProxy has them; without a word those that are private."""
    places: list[str] = []
    for one in asked or [Endpoint(PRIVATE, port)]:
        if one.host == PRIVATE:
            places += [str(Endpoint(address, one.port)) for address in private()]
        elif one.host == "*":
            places += [f"0.0.0.0:{one.port}", f"[::]:{one.port}"]
        else:
            places.append(str(one))
    return tuple(dict.fromkeys(places))


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True
