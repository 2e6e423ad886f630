"""The TCP connection to one server, for answers that do not fit a datagram."""

import os
from collections.abc import Callable
from time import monotonic
from typing import Any

from twisted.internet import protocol

from panteras_dns.flights import Ask
from panteras_dns.transport.ports import IDS_A_PORT, OURS, Owner, no_way, random_source
from panteras_dns.wire import frame, unframe

_TCP_TIMEOUT = 3.0  # seconds to connect


class Line(protocol.ClientFactory):
    """The TCP connection to one server: made when needed, kept while it lasts, made again when the server
    closes it with questions open (Consul does after 128), once for each question."""

    noisy = False

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._pending: dict[bytes, Ask] = {}
        self._bodies: dict[bytes, bytes] = {}
        self._again: set[bytes] = set()  # questions asked a second time
        self._connection: _LineProtocol | None = None
        self._connector: Any = None
        self._heard = 0.0  # when it last said anything

    def ask(self, ask: Ask, body: bytes) -> bool:
        if len(self._pending) >= IDS_A_PORT:
            return False
        key = random_source.randbytes(2)
        while key in self._pending:
            key = random_source.randbytes(2)
        self._pending[key] = ask
        self._bodies[key] = body
        if self._connection is not None:
            self._connection.send(key + body)
        else:
            self._connect()
        return True

    @property
    def open_questions(self) -> int:
        return len(self._pending)

    def _connect(self) -> None:
        if self._connector is None:
            address, reactor = self._server.address, self._server.around.reactor
            self._connector = reactor.connectTCP(address.host, address.port, self, timeout=_TCP_TIMEOUT)

    def buildProtocol(self, addr: Any) -> "_LineProtocol":
        return _LineProtocol(self)

    def connected(self, connection: "_LineProtocol") -> None:
        self._connection, self._heard = connection, monotonic()
        for key, body in self._bodies.items():
            connection.send(key + body)

    def arrived(self, packets: list[bytes]) -> None:
        server = self._server
        self._heard = monotonic()
        for key in server.around.forwarder.answered(packets, self._pending, server, monotonic()):
            del self._bodies[key]
            self._again.discard(key)
        server.around.turns.flush()

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self._connector = None
        number = getattr(reason.value, "osError", None)
        if number in OURS:
            self._fail(list(self._pending), f"was not asked over TCP: {os.strerror(number)}", self._server.pass_over)
        else:
            self._fail(list(self._pending), no_way(reason.value))

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        self._connector = self._connection = None
        self._fail([key for key in self._pending if key in self._again], "closed the connection")
        self._again.update(self._pending)
        if self._pending and not self._server.closed:
            self._connect()

    def _fail(self, keys: list[bytes], reason: str, fail: Callable[[Ask, str, float], None] | None = None) -> None:
        now, fail = monotonic(), fail or self._server.fail
        for key in keys:
            ask = self._pending.pop(key)
            del self._bodies[key]
            self._again.discard(key)
            fail(ask, reason, now)
        self._server.around.turns.flush()

    def sweep(self, now: float) -> None:
        before = now - max(self._server.timeout, 1.0)
        late = [key for key, ask in self._pending.items() if ask[4] <= before]
        self._server.health.timeouts += len(late)
        if late and self._connection is not None and now - self._heard > 2 * max(self._server.timeout, 1.0):
            self._connection.transport.abortConnection()  # a path that swallows everything: the next one is made anew
        self._fail(late, "did not answer over TCP in time")

    def close(self) -> None:
        if self._connector is not None:
            self._connector.disconnect()


class _LineProtocol(protocol.Protocol):
    transport: Any

    def __init__(self, line: Line) -> None:
        self._line = line
        self._buffer = bytearray()

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._line.connected(self)

    def send(self, packet: bytes) -> None:
        self.transport.write(frame(packet))

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        self._line.arrived(unframe(self._buffer))
