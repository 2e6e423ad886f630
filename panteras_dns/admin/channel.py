"""A question and an answer between the admin and a worker: JSON, one value a message. What does not fit is not sent."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from panteras_dns.host.channel import Ear

log = Logger()

_GIVEN_UP = 5.0  # seconds until a worker that did not answer is asked again
PATIENCE = 0.5  # seconds for all workers to answer
LARGEST = 180_000  # octets: Linux gives a socket 212,992 by default
_LEAST = ("queries", "names", "clients", "failures", "upstreams")  # parts of a snapshot, the least first
_MOST_COUNTERS = 800


class _End:
    """One side: *heard* is called with each value that comes."""

    def __init__(self, reactor: Any, sock: socket.socket, heard: Callable[[Any], None]) -> None:
        self._sock, self._heard = sock, heard
        Ear(reactor, sock, self._read)

    def _read(self, sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._heard(json.loads(sock.recv(LARGEST + 1)))

    def send(self, value: Any) -> bool:
        """False when it is too large; what there is no room for at the moment is not sent."""
        message = json.dumps(value, separators=(",", ":")).encode()
        if len(message) > LARGEST:
            return False
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._sock.send(message)
        return True


class Reporter:
    """A worker's end: every question is answered with what *snapshot* makes of it."""

    def __init__(
        self, reactor: Any, sock: socket.socket, snapshot: Callable[[Mapping[str, Any], float], dict[str, Any]]
    ) -> None:
        self._snapshot = snapshot
        self._begun = time.time()
        self._complained = False
        self._end = _End(reactor, sock, self._answer)

    def _answer(self, asked: Mapping[str, Any]) -> None:
        told = {"pid": os.getpid(), "begun": self._begun, **self._snapshot(asked, time.time() - time.monotonic())}
        for part in _LEAST:  # what can be missed goes first
            if self._end.send(told):
                return
            told[part] = []
        if not self._end.send(told):
            if not self._complained:
                log.warn("too many counters for the admin: the last ones are not told")
            self._complained = True
            self._end.send({**told, "counters": told["counters"][:_MOST_COUNTERS]})


class Workers:
    """The admin's ends. *taken* is called with a worker's index and what it tells."""

    def __init__(
        self, reactor: Any, socks: Sequence[socket.socket], taken: Callable[[int, dict[str, Any]], None]
    ) -> None:
        self._reactor, self._taken = reactor, taken
        self._missing: dict[int, float] = {}  # index -> when it was asked
        self._waiting: list[Deferred[None]] = []
        self._ends = [_End(reactor, sock, self._heard(index)) for index, sock in enumerate(socks)]

    def ask(self, asked: Callable[[int], Mapping[str, Any]]) -> "Deferred[None]":
        """Ask all of them what *asked* says for each index. Fires when all have answered, or have had the time.

        Who has not answered yet is not asked again for a while: a look costs a worker milliseconds."""
        now = self._reactor.seconds()
        for index, end in enumerate(self._ends):
            if now - self._missing.get(index, -_GIVEN_UP) >= _GIVEN_UP:
                self._missing[index] = now
                end.send(asked(index))
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        return done.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=self._late)

    def _late(self, _: Any, __: float) -> None:
        self._waiting = [one for one in self._waiting if not one.called]

    def _heard(self, index: int) -> Callable[[Any], None]:
        def taken(told: Any) -> None:
            self._missing.pop(index, None)
            self._taken(index, told)
            if not self._missing:
                waiting, self._waiting = self._waiting, []
                for done in waiting:
                    if not done.called:
                        done.callback(None)

        return taken
