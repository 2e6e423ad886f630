"""The UDP sockets' own loop within the reactor's.

A turn of the reactor costs as much as several queries. So all UDP sockets hang on an epoll of their own, and that
one hangs on the reactor: when it is called there, it goes round while there is work, a few times at most, so that
TCP, timers and the rest get theirs. What a round leaves to be sent leaves together at its end.
"""

import contextlib
import select
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

log = Logger()

_MOST_ROUNDS = 8  # of at most 128 datagrams a socket
_FEW = 4  # datagrams: with so few in a round, the next one would find nothing
# A busy server that looks again at once finds a handful, and pays the system calls of a whole batch for them. 50 µs
# (the kernel's slack of timers) let three times as many come: a tenth of all CPU time, for a delay that nobody on a
# network sees. Rounds that are full enough, and all of a server that is not busy, have none.
_ENOUGH = 32
_NAP = 1e-6  # seconds


class Socket(Protocol):
    """A UDP socket that can be read; `out` is what a round leaves to be sent."""

    out: list[Any]

    def fileno(self) -> int: ...

    def take(self, now: float) -> int:
        """Read what is there and have it handled; how many datagrams that were."""

    def flush(self) -> None:
        """Send what is in `out`, and empty it."""


@implementer(IReadDescriptor)
class Turns:
    """The sockets, and who of them has something to send."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._sockets: dict[int, Socket] = {}
        self._senders: list[Socket] = []
        self._single: dict[Socket, _Single] = {}
        if self._epoll is not None:
            reactor.addReader(self)

    def add(self, sock: Socket, sends: bool = True) -> None:
        """Read *sock* from now on; *sends* if it fills its `out`."""
        if sends:
            self._senders.append(sock)
        if self._epoll is None:  # another system: the reactor's own loop will do
            self._single[sock] = _Single(sock, self)
            self._reactor.addReader(self._single[sock])
            return
        self._sockets[sock.fileno()] = sock
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def remove(self, sock: Socket) -> None:
        """Read it no more; it is still open, and what it had to send has left."""
        if sock in self._senders:
            self._senders.remove(sock)
        if sock in self._single:
            self._reactor.removeReader(self._single.pop(sock))
        elif self._epoll is not None and self._sockets.pop(sock.fileno(), None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(sock.fileno())

    def soon(self, call: Callable[[], None]) -> None:
        """Have it called once everybody had a turn."""
        self._reactor.callLater(0, call)

    def only_sends(self, sock: Socket) -> None:
        """Don't read *sock*, but send what it has."""
        self._senders.append(sock)

    def flush(self) -> None:
        for sock in self._senders:
            if sock.out:
                sock.flush()

    def doRead(self) -> None:
        assert self._epoll is not None
        sockets = self._sockets
        for _ in range(_MOST_ROUNDS):
            taken, now = 0, monotonic()
            for number, _ in self._epoll.poll(0):
                sock = sockets.get(number)  # one that was read before it may have closed it
                if sock is not None:
                    taken += self.take(sock, now)
            self.flush()
            if taken <= _FEW:
                break
            if taken < _ENOUGH:
                sleep(_NAP)

    @staticmethod
    def take(sock: Socket, now: float) -> int:
        try:
            return sock.take(now)
        except Exception:
            # Must not reach the reactor: it would read no more.
            log.failure("a bug: a packet was not understood")
            return 0

    def fileno(self) -> int:
        return self._epoll.fileno() if self._epoll is not None and not self._epoll.closed else -1

    def logPrefix(self) -> str:
        return "udp"

    def connectionLost(self, reason: Any) -> None:
        """The end of the reactor."""

    def close(self) -> None:
        if self._epoll is not None:
            self._reactor.removeReader(self)
            self._epoll.close()


@implementer(IReadDescriptor)
class _Single:
    """One socket on the reactor itself."""

    def __init__(self, sock: Socket, turns: Turns) -> None:
        self._sock = sock
        self._turns = turns

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "udp"

    def doRead(self) -> None:
        self._turns.take(self._sock, monotonic())
        self._turns.flush()

    def connectionLost(self, reason: Any) -> None:
        """The end of the reactor."""
