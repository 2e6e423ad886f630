"""The process that writes the query log: takes what the workers hand over, pairs it, and writes it out."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from panteras_dns.config import Config, QueryLogConfig
from panteras_dns.host.channel import Ear
from panteras_dns.host.workers import heed
from panteras_dns.options import ConfigError
from panteras_dns.querylog import dnstap, lines
from panteras_dns.querylog.containers import AGAIN, Containers
from panteras_dns.querylog.output import Output
from panteras_dns.querylog.pairing import Exchange, Pairing
from panteras_dns.querylog.tap import read

log = Logger()

SWEEP = 1.0  # seconds between looks at what was not answered
_NICE = 10  # what answers goes before what writes about it


class Scribe:
    """*config* can be replaced by another at any time."""

    def __init__(self, config: QueryLogConfig, containers: Containers) -> None:
        self.output = _output(config)
        self._pairing = Pairing()
        self._containers = containers
        self._config = config

    def take_config(self, config: QueryLogConfig) -> None:
        """From now on that is what is wanted; a file that stays the same is opened anew if it was moved away."""
        before, self._config = self._config, config
        if (config.to, config.format) == (before.to, before.format):
            self.output.reopen()
            return
        self.output.close()
        self.output = _output(config)

    def take(self, sock: socket.socket) -> bool:
        """Write what one message holds; False when there is none."""
        groups = read(sock)
        self._write(self._pairing.take(groups))
        return bool(groups)

    def sweep(self) -> None:
        self.output.look()
        self._write(self._pairing.sweep(time.time()))

    def _write(self, exchanges: Iterable[Exchange]) -> None:
        """All of them in one piece."""
        parts: list[bytes] = []
        config = self._config
        for one in exchanges:
            if self._wanted(one):
                client = lines.truncated(one.client) if config.truncate else one.client
                if config.format == "dnstap":
                    parts += map(dnstap.frame, dnstap.messages(one, client))
                else:
                    parts.append(lines.line(one, client, self._containers.who))
        if parts:
            self.output.write(b"".join(parts), len(parts))

    def _wanted(self, exchange: Exchange) -> bool:
        config = self._config
        if config.only == "failures" and exchange.reply and not exchange.reply[3] & 15:
            return False
        # By the query's id, which is random: both halves of an exchange are taken or left.
        tag = (exchange.query or exchange.reply)[:2]
        return int.from_bytes(tag, "big") < config.sample * 65536


def _output(config: QueryLogConfig) -> Output:
    return Output(config.to, config.format == "dnstap", lambda text: log.warn("{text}", text=text))


def run(reactor: Any, config: Config, load: Callable[[], Config], socks: Sequence[socket.socket]) -> None:
    """Until told to stop. SIGHUP opens the file anew, as after logrotate; *load* is for that alone."""
    os.nice(_NICE)
    containers = Containers(reactor)
    containers.ask(config.querylog.docker)
    scribe = Scribe(config.querylog, containers)

    def reload() -> None:
        with contextlib.suppress(ConfigError):  # the workers complain
            again = load().querylog
            scribe.take_config(again)
            containers.ask(again.docker)
            containers.look()

    for sock in socks:
        Ear(reactor, sock, scribe.take)
    for duty, pause in ((scribe.sweep, SWEEP), (containers.look, AGAIN)):
        loop = LoopingCall(_guarded, duty)
        loop.clock = reactor
        reactor.callWhenRunning(loop.start, pause)
    heed(reactor, reactor.stop, {signal.SIGHUP: reload})
    reactor.run(installSignalHandlers=False)
    for sock in socks:
        while scribe.take(sock):
            pass  # what they handed over last: they have ended
    scribe.sweep()
    scribe.output.close()


def _guarded(duty: Callable[[], Any]) -> Any:
    """A looping call that raises is never called again."""
    try:
        return duty()
    except Exception:
        log.failure("a bug: the query log goes on")
        return None
