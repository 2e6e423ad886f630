"""Where clients knock: UDP and TCP, one socket each for every address.

One socket an address, never the wildcard: replies leave from the address that was asked, and an address held
by another resolver is only that address. Knows packets and connections; what they mean is the forwarder's.
"""

import socket
from collections import Counter
from dataclasses import dataclass
from time import monotonic
from typing import Any

from twisted.internet import protocol
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from panteras_dns import batch
from panteras_dns.forwarder import SHOWN, Forwarder
from panteras_dns.querylog.tap import TCP_QUERY, TCP_REPLY, UDP_QUERY, UDP_REPLY, Tap
from panteras_dns.transport.turns import Turns
from panteras_dns.wire import frame, unframe

log = Logger()


class UdpListener:
    """One UDP socket. Answers of a turn leave together."""

    def __init__(self, sock: socket.socket, forwarder: Forwarder, turns: Turns, tap: Tap | None = None) -> None:
        self.sock = sock
        self._tap = tap
        self.out: list[tuple[bytes, Any]] = []
        self.queries = 0
        self._reply = self.out.append
        self._host = batch.HOST[sock.family]
        self._forwarder = forwarder
        self._turns = turns
        self._handle = batch.handle(sock)
        batch.unfragmented(sock)
        turns.add(self)

    def fileno(self) -> int:
        return self.sock.fileno()

    def take(self, now: float) -> int:
        try:
            datagrams = batch.receive(self._handle)
        except OSError:
            return 0
        self._forwarder.handle(datagrams, self._host, self._reply, now)
        self.queries += len(datagrams)
        if datagrams:
            packet, client = datagrams[-1]
            self._forwarder.recent.append((now, packet[:SHOWN], client))
            if self._tap is not None:
                self._tap.note(UDP_QUERY, datagrams)
        return len(datagrams)

    def flush(self) -> None:
        batch.send(self._handle, self.out)
        if self._tap is not None:
            self._tap.note(UDP_REPLY, self.out.copy())
        self.out.clear()

    def rest(self) -> None:
        """Take no more questions; answers still leave."""
        self._turns.remove(self)
        self._turns.only_sends(self)

    def close(self) -> None:
        """Read no more; answers to questions in flight can't leave any more either."""
        self._turns.remove(self)
        self.sock.close()


@dataclass(frozen=True)
class TcpBounds:
    """How much of us TCP clients may have (RFC 7766 10, RFC 9210 4.5)."""

    connections: int = 1000
    per_client: int = 100
    in_flight: int = 100  # questions of one connection; it is not read while it has as many
    idle: float = 10.0  # seconds without a whole message, or with a client that takes no answers


class TcpListener(protocol.ServerFactory):
    """The connections of one listening socket."""

    noisy = False

    def __init__(
        self, forwarder: Forwarder, turns: Turns, bounds: TcpBounds = TcpBounds(), tap: Tap | None = None
    ) -> None:
        self.forwarder = forwarder
        self.tap = tap
        self.turns = turns
        self.bounds = bounds
        self.connections: dict[Connection, None] = {}
        self.per_client: Counter[str] = Counter()
        self.turned_away = self.cut = self.queries = 0

    def buildProtocol(self, addr: Any) -> "Connection | None":
        crowded = self.per_client[addr.host] >= self.bounds.per_client
        if crowded or len(self.connections) >= self.bounds.connections:
            self.turned_away += 1
            return None
        return Connection(self, addr.host, addr.port)

    def sweep(self, now: float) -> None:
        """Cut those that are silent, or take no answers, for too long."""
        for connection in list(self.connections):
            if now - connection.moved > self.bounds.idle and (connection.stuck or not connection.open):
                self.cut += 1
                connection.transport.abortConnection()

    def close(self) -> None:
        for connection in list(self.connections):
            connection.transport.loseConnection()


@implementer(IHalfCloseableProtocol, IPushProducer)
class Connection(protocol.Protocol):
    """One client's connection: many questions, answered in the order in which answers come."""

    transport: Any

    def __init__(self, listener: TcpListener, host: str, port: int = 0) -> None:
        self._listener = listener
        self._peer = host, port
        self.host = host
        self._buffer = bytearray()
        self._no_more = False
        self._reading = self._waiting = False
        self._more = False  # there may be messages that were not looked at yet
        self.open = 0  # questions without an answer yet
        self.stuck = False
        self.moved = monotonic()

    def connectionMade(self) -> None:
        self._listener.connections[self] = None
        self._listener.per_client[self.host] += 1
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        self._read_on()
        self._listener.turns.flush()

    def _read_on(self) -> None:
        """So many messages a turn, then others have theirs: a pipeline of thousands from each of many clients would
        keep everybody else waiting for a second."""
        room = self._listener.bounds.in_flight - self.open
        if self.stuck or room <= 0:  # who takes its answers, or the next answer, reads on
            self._more = bool(self._buffer)
        else:
            packets = unframe(self._buffer, room)
            if packets:
                self.moved = monotonic()  # a whole message: single bytes keep nothing alive (RFC 7766 6.2.3)
            # No call from answer() meanwhile: answers from cache come at once, and must not become as deep a stack as
            # there are messages (CVE-2025-30193).
            self._reading = True
            for packet in packets:
                self._ask(packet)
            self._reading = False
            self._more = bool(packets and self._buffer)
            if self._more and not self._waiting:
                self._waiting = True
                self._listener.turns.soon(self._next_turn)
        self._breathe()

    def _next_turn(self) -> None:
        self._waiting = False
        if self.connected:
            self._read_on()
            self._listener.turns.flush()

    def _ask(self, packet: bytes) -> None:
        self._listener.queries += 1
        self.open += 1
        if self._listener.tap is not None:
            self._listener.tap.note(TCP_QUERY, [(packet, self._peer)])
        try:
            answered = self._listener.forwarder.handle_message(packet, self, self.host, _reply, self.moved)
        except Exception:
            log.failure("a bug: a query was not understood")
            answered = False
        if not answered:
            self.open -= 1

    def answer(self, packet: bytes) -> None:
        self.open -= 1
        if not self.connected:
            return
        self.moved = monotonic()
        self.transport.write(frame(packet))
        if self._listener.tap is not None:
            self._listener.tap.note(TCP_REPLY, [(packet, self._peer)])
        if not self._reading:
            self._read_on()

    def _breathe(self) -> None:
        """Read on only while few questions are open and the client takes its answers."""
        transport: Any = self.transport
        if self._no_more:
            if not self.open and not self._more:
                transport.loseConnection()
        elif self.stuck or self._more or self.open >= self._listener.bounds.in_flight:
            transport.pauseProducing()
        else:
            transport.resumeProducing()

    # The client does not take its answers (IPushProducer).

    def pauseProducing(self) -> None:
        self.stuck = True
        self.moved = monotonic()
        self._breathe()

    def resumeProducing(self) -> None:
        self.stuck = False
        self._read_on()
        self._listener.turns.flush()

    def stopProducing(self) -> None:
        """The connection is gone; connectionLost says so too."""

    # A client that has asked all it wants still wants its answers.

    def readConnectionLost(self) -> None:
        self._no_more = True
        self._breathe()

    def writeConnectionLost(self) -> None:
        self.transport.loseConnection()

    def connectionLost(self, reason: Any = protocol.connectionDone) -> None:
        if self in self._listener.connections:
            del self._listener.connections[self]
            self._listener.per_client[self.host] -= 1
            if not self._listener.per_client[self.host]:
                del self._listener.per_client[self.host]


def _reply(answer: tuple[bytes, Connection]) -> None:
    packet, connection = answer
    connection.answer(packet)
