"""UDP sockets towards servers, each with its questions in flight.

Towards a server on loopback (Consul) a few connected sockets serve all questions. Towards any other, each
question has an id and a port of its own, from a socket made ahead of need and never used again: who can't
see the question has 32 bits to guess (RFC 5452). Every socket is connected: the kernel drops what comes
from elsewhere.
"""

import errno
import os
import random
import socket
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet import error

from panteras_dns import batch
from panteras_dns.endpoint import Endpoint
from panteras_dns.flights import Ask
from panteras_dns.forwarder import Forwarder
from panteras_dns.querylog.tap import Tap
from panteras_dns.transport.turns import Turns
from panteras_dns.upstream import Health

IDS_A_PORT = 4096  # a random choice of the 65,536: the bound of questions in flight
_FORGED = 20  # wrong answers to one question: more than any accident makes
_RECEIVE_BUFFER = 4 << 20

# Of ours, not of the way to a server: no descriptor, memory or port is left, or a question is too large for one piece.
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EMSGSIZE})

random_source = random.SystemRandom()


def no_way(problem: BaseException) -> str:
    """Why there is no connection, with the system's reason where it gave one."""
    if isinstance(problem, error.ConnectionRefusedError):
        return "refused the connection"
    number = getattr(problem, "osError", None)
    return f"can't be reached over TCP: {os.strerror(number)}" if number else "can't be reached over TCP"


@dataclass
class Surroundings:
    """What servers need around them."""

    reactor: Any
    forwarder: Forwarder
    turns: Turns
    tap: Tap | None = None  # the query log


class Owner(Protocol):
    """The server that a socket belongs to."""

    address: Endpoint
    around: Surroundings
    health: Health
    timeout: float
    mixes_case: bool
    closed: bool

    def misspelt(self, ask: Ask) -> bool: ...

    def ask(self, ask: Any, body: bytes) -> bool: ...

    def ask_tcp(self, ask: Any, body: bytes) -> bool: ...

    def fail(self, ask: Ask, reason: str, now: float) -> None: ...

    def pass_over(self, ask: Ask, reason: str, now: float) -> None: ...

    def landed(self, port: "FreshPort") -> None: ...


class Port:
    """One connected socket towards a server, shared by many questions."""

    def __init__(self, server: Owner) -> None:
        self.server = server
        self.sock = _connected(server.address)
        self.pending: dict[bytes, Ask] = {}
        self.ids = deque(key.to_bytes(2, "big") for key in random_source.sample(range(65536), IDS_A_PORT))
        self.out: list[bytes] = []
        self._handle = batch.handle(self.sock)
        self._forwarder = server.around.forwarder
        server.around.turns.add(self)

    def fileno(self) -> int:
        return self.sock.fileno()

    def take(self, now: float) -> int:
        try:
            packets = batch.read(self._handle)
        except OSError:
            self._refused(now)
            return 0
        self.ids.extend(self._forwarder.answered(packets, self.pending, self.server, now))
        return len(packets)

    def flush(self) -> None:
        batch.write(self._handle, self.out)
        self.out.clear()

    def expire(self, before: float) -> list[Ask]:
        """Take out the questions asked before then."""
        expired = []
        for key, ask in self.pending.items():  # in the order they were asked
            if ask[4] > before:
                break
            expired.append((key, ask))
        for key, _ in expired:
            del self.pending[key]
            self.ids.append(key)
        return [ask for _, ask in expired]

    def _refused(self, now: float) -> None:
        """The host says that nobody listens: no need to wait for the deadline."""
        for ask in self.expire(now):
            self.server.health.refused += 1
            self.server.fail(ask, "refused the question", now)

    def close(self) -> None:
        self.server.around.turns.remove(self)
        self.sock.close()


class FreshPort:
    """A connected socket for one question."""

    def __init__(self, server: Owner) -> None:
        self.server = server
        self.sock = _connected(server.address, buffer=0)
        self.pending: dict[bytes, Ask] = {}
        self.out: list[bytes] = []
        self._spelling = b""
        self._wrong = 0  # answers that were none

    @property
    def ask(self) -> Ask | None:
        return next(iter(self.pending.values()), None)

    def send(self, ask: Ask, body: bytes) -> None:
        """OSError when it can't leave; this socket is closed then."""
        key = random_source.randbytes(2)
        if self.server.mixes_case and ask[0].query is not None:
            body, self._spelling = _mixed(body, len(ask[0].query.question))
        try:
            self.sock.send(key + body)
        except OSError:
            self.sock.close()
            raise
        self.pending[key] = ask
        self.server.around.turns.add(self, sends=False)

    def fileno(self) -> int:
        return self.sock.fileno()

    def take(self, now: float) -> int:
        try:
            packet = self.sock.recv(65535)
        except BlockingIOError:
            return 0
        except OSError:
            self._refused(now)
            return 0
        if self._spelling and packet[12 : 12 + len(self._spelling)] != self._spelling:
            self._misspelt(packet)
        elif self.server.around.forwarder.answered((packet,), self.pending, self.server, now):
            self.close()
        else:
            self._attacked()
        return 1

    def _attacked(self) -> None:
        """Somebody guesses at this question: after a few wrong answers it is asked where nobody can (RFC 5452 9.3)."""
        self._wrong += 1
        ask = self.ask
        if self._wrong >= _FORGED and ask is not None and self.server.ask_tcp(ask, ask[0].packet):
            self.close()

    def _misspelt(self, packet: bytes) -> None:
        """Forged, or from a server that does not keep the case: TCP will tell, where nobody can forge."""
        ask = self.pending.get(packet[:2])
        again = packet[12 : 12 + len(self._spelling)].lower() == self._spelling.lower()
        if ask is None or not again or not self.server.misspelt(ask):
            self.server.health.strays += 1
            self._attacked()
            return
        self.close()

    def flush(self) -> None:
        """A question leaves at once."""

    def _refused(self, now: float) -> None:
        ask = self.ask
        self.close()
        if ask is not None:
            self.server.health.refused += 1
            self.server.fail(ask, "refused the question", now)

    def close(self) -> None:
        self.pending.clear()
        self.server.landed(self)
        self.server.around.turns.remove(self)
        self.sock.close()


def _mixed(body: bytes, size: int) -> tuple[bytes, bytes]:
    """A query with the letters of its question, *size* octets with type and class, in any case; and the spelling."""
    bits = random_source.getrandbits(size)
    spelling = bytearray(body[10 : 10 + size])
    for at in range(size - 4):
        if 0x41 <= spelling[at] & 0xDF <= 0x5A and bits >> at & 1:  # a length octet is below 0x40
            spelling[at] ^= 0x20
    return body[:10] + bytes(spelling) + body[10 + size :], bytes(spelling)


def _connected(address: Endpoint, buffer: int = _RECEIVE_BUFFER) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    batch.unfragmented(sock)
    try:
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.connect((address.host, address.port))
    except OSError:
        sock.close()
        raise
    return sock
