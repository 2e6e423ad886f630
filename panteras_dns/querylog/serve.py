"""The process that writes the query log: takes what the workers hand over, pairs it, and writes it out."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from panteras_dns.config import Config, QueryLogConfig
from panteras_dns.host.workers import heed
from panteras_dns.options import ConfigError
from panteras_dns.querylog import dnstap, lines
from panteras_dns.querylog.output import Output
from panteras_dns.querylog.pairing import Exchange, Pairing
from panteras_dns.querylog.tap import read
from panteras_dns.rest import Api, Unreachable

log = Logger()

SWEEP, CONTAINERS = 1.0, 10.0  # seconds between looks at what was not answered, and at the names of containers
_NICE = 10  # what answers goes before what writes about it


class Scribe:
    """*config* can be replaced by another at any time."""

    def __init__(self, config: QueryLogConfig) -> None:
        self.who: dict[str, str] = {}  # address -> container
        self._pairing = Pairing()
        self.take_config(config)

    def take_config(self, config: QueryLogConfig) -> None:
        self._config = config
        self.output = Output(config.to, config.format == "dnstap", lambda text: log.warn("{text}", text=text))

    def take(self, sock: socket.socket) -> bool:
        """Write what one message holds; False when there is none."""
        groups = read(sock)
        self._write(self._pairing.take(groups))
        return bool(groups)

    def sweep(self) -> None:
        self._write(self._pairing.sweep(time.time()))

    def _write(self, exchanges: Iterable[Exchange]) -> None:
        """All of them in one piece."""
        parts: list[bytes] = []
        for one in exchanges:
            if self._wanted(one):
                client = lines.truncated(one.client) if self._config.truncate else one.client
                if self._config.format == "dnstap":
                    parts += map(dnstap.frame, dnstap.messages(one, client))
                else:
                    parts.append(lines.line(one, client, self.who))
        if parts:
            self.output.write(b"".join(parts), len(parts))

    def _wanted(self, exchange: Exchange) -> bool:
        config = self._config
        if config.only == "failures" and exchange.reply and not exchange.reply[3] & 15:
            return False
        # By the query's id, which is random: both halves of an exchange are taken or left.
        tag = (exchange.query or exchange.reply)[:2]
        return int.from_bytes(tag, "big") < config.sample * 65536


@implementer(IReadDescriptor)
class _Ear:
    def __init__(self, sock: socket.socket, scribe: Scribe) -> None:
        self._sock, self._scribe = sock, scribe

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "query log"

    def doRead(self) -> None:
        try:
            self._scribe.take(self._sock)
        except Exception:
            log.failure("a bug: a piece of the query log was not written")

    def connectionLost(self, reason: Any) -> None:
        """The end of the reactor."""


async def containers(api: Api) -> dict[str, str]:
    """Address -> name, of those that run."""
    answer = await api.ask("GET", "/containers/json")
    found: dict[str, str] = {}
    for one in answer.value if answer.good and isinstance(answer.value, list) else ():
        name = str((one.get("Names") or [""])[0]).lstrip("/")
        networks = (one.get("NetworkSettings") or {}).get("Networks") or {}
        for network in networks.values():
            for key in ("IPAddress", "GlobalIPv6Address"):
                if network.get(key):
                    found[network[key]] = name
    return found


class _Names:
    """Looks at Docker for the names of clients."""

    def __init__(self, reactor: Any, place: str, scribe: Scribe) -> None:
        self._api, self._scribe = Api(reactor, place), scribe
        self._troubled = False

    def look(self) -> Any:
        return ensureDeferred(self._look())

    async def _look(self) -> None:
        try:
            self._scribe.who = await containers(self._api)
            self._troubled = False
        except Unreachable as problem:
            if not self._troubled:
                log.warn("query log: no names of containers: {problem}", problem=problem)
            self._troubled = True


def run(reactor: Any, load: Callable[[], Config], socks: Sequence[socket.socket]) -> None:
    """Until told to stop. SIGHUP opens the file anew, as after logrotate."""
    os.nice(_NICE)
    config = load().querylog
    scribe = Scribe(config)

    def reload() -> None:
        try:
            again = load().querylog
        except ConfigError:
            return  # the workers complain
        scribe.output.close()
        if again.to:
            scribe.take_config(again)

    for sock in socks:
        reactor.addReader(_Ear(sock, scribe))
    loops = [(LoopingCall(scribe.sweep), SWEEP)]
    if config.docker:
        loops.append((LoopingCall(_Names(reactor, config.docker, scribe).look), CONTAINERS))
    for loop, pause in loops:
        loop.clock = reactor
        reactor.callWhenRunning(loop.start, pause)
    calls = {
        signal.SIGTERM: reactor.stop,  # the workers have ended by then
        signal.SIGINT: reactor.stop,
        signal.SIGHUP: reload,
        signal.SIGUSR1: lambda: None,
    }
    heed(reactor, calls)
    reactor.run(installSignalHandlers=False)
    for sock in socks:
        while scribe.take(sock):
            pass  # what they handed over last
    scribe.sweep()
    scribe.output.close()
