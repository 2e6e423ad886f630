"""Carries questions to servers over UDP, and over TCP when an answer does not fit.

Towards a server on loopback (Consul) a few connected sockets serve all questions. Towards any other, each
question has an id and a port of its own, from a socket made ahead of need and never used again: who can't
see the question has 32 bits to guess (RFC 5452). Every socket is connected: the kernel drops what comes
from elsewhere. One sweep for all deadlines, no timer a question.
"""

import ipaddress
import random
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from twisted.internet import error, protocol
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from panteras_dns import batch
from panteras_dns.forwarder import Ask, Flight, Forwarder
from panteras_dns.plan import Plan
from panteras_dns.upstream import SCALE, Health
from panteras_dns.wire import frame, unframe

log = Logger()

SWEEP = 0.1  # seconds between looks at the deadlines

_SHARED_PORTS = 2  # sockets towards a loopback server: more make the batches smaller
_IDS_A_PORT = 4096  # a random choice of the 65,536: the bound of questions in flight
_FRESH_MOST = 1000  # sockets in flight towards another server
_FRESH_AHEAD = 32  # sockets made ahead of need
_RECEIVE_BUFFER = 4 << 20
_TCP_TIMEOUT = 3.0

_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.host.split("%")[0]).is_loopback


class Post:
    """What a turn of the reactor leaves to be sent: every box is emptied at the end of the turn."""

    def __init__(self) -> None:
        self.boxes: list[Any] = []

    def flush(self) -> None:
        for box in self.boxes:
            if box.out:
                box.flush()


@dataclass
class Surroundings:
    """What servers need around them."""

    reactor: Any
    forwarder: Forwarder
    post: Post


@implementer(IReadDescriptor)
class Port:
    """One connected socket towards a server, shared by many questions."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.sock = _connected(server.address)
        self.pending: dict[bytes, Ask] = {}
        self.ids = deque(key.to_bytes(2, "big") for key in _random.sample(range(65536), _IDS_A_PORT))
        self.out: list[bytes] = []
        self._handle = batch.handle(self.sock)
        self._around = server.around
        self._around.reactor.addReader(self)
        self._around.post.boxes.append(self)

    def fileno(self) -> int:
        return self.sock.fileno()

    def logPrefix(self) -> str:
        return "upstream"

    def doRead(self) -> None:
        now = monotonic()
        try:
            packets = batch.read(self._handle)
        except OSError as problem:
            self._refused(problem, now)
        else:
            self._take_in(packets, now)
        self._around.post.flush()

    def _take_in(self, packets: list[bytes], now: float) -> None:
        # Names bound once: this loop runs for every answer.
        pending, server = self.pending, self.server
        health, free, answered = server.health, self.ids.append, self._around.forwarder.answered
        latency, took = health.latency, 0.0
        for packet in packets:
            key = packet[:2]
            ask = pending.get(key)
            if ask is None:
                health.strays += 1
                continue
            try:
                # Not popped before it is known to be the answer: another may come with the same id.
                if not answered(ask, packet, server, now):
                    health.strays += 1
                    continue
            except Exception:
                log.failure("a bug: an answer was not understood")
            del pending[key]
            free(key)
            took = now - ask[4]
            latency[min(int(took * SCALE).bit_length(), 15)] += 1
            health.answered += 1
        if took:
            health.answer(took)

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

    def _refused(self, problem: OSError, now: float) -> None:
        """The host says that nobody listens: no need to wait for the deadline."""
        asks = self.expire(now)
        for ask in asks:
            self.server.health.refused += 1
            self.server.fail(ask, "refused the question", now)

    def connectionLost(self, reason: Any) -> None:
        # The reactor takes a socket error for the end of a connection; a datagram socket has none.
        number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if self.sock.fileno() >= 0 else 0
        if self.server.closed:
            return
        self._around.reactor.addReader(self)
        self._refused(OSError(number, "refused"), monotonic())
        self._around.post.flush()

    def close(self) -> None:
        self._around.reactor.removeReader(self)
        if self in self._around.post.boxes:
            self._around.post.boxes.remove(self)
        self.sock.close()


@implementer(IReadDescriptor)
class FreshPort:
    """A connected socket for one question."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.sock = _connected(server.address, buffer=0)
        self.ask: Ask | None = None
        self.key = b""

    def send(self, ask: Ask, body: bytes) -> bool:
        self.ask = ask
        self.key = _random.randbytes(2)
        self.server.around.reactor.addReader(self)
        try:
            self.sock.send(self.key + body)
        except OSError:
            return False
        return True

    def fileno(self) -> int:
        return self.sock.fileno()

    def logPrefix(self) -> str:
        return "upstream"

    def doRead(self) -> None:
        now = monotonic()
        try:
            packet = self.sock.recv(65535)
        except BlockingIOError:
            return
        except OSError:
            self.refused(now)
        else:
            self._take_in(packet, now)
        self.server.around.post.flush()

    def _take_in(self, packet: bytes, now: float) -> None:
        server, ask = self.server, self.ask
        assert ask is not None
        if packet[:2] != self.key or not server.around.forwarder.answered(ask, packet, server, now):
            server.health.strays += 1
            return
        took = now - ask[4]
        server.health.latency[min(int(took * SCALE).bit_length(), 15)] += 1
        server.health.answered += 1
        self.close()
        server.health.answer(took)

    def refused(self, now: float) -> None:
        ask = self.ask
        self.close()
        if ask is not None:
            self.server.health.refused += 1
            self.server.fail(ask, "refused the question", now)

    def connectionLost(self, reason: Any) -> None:
        if self.ask is not None:
            self.refused(monotonic())
            self.server.around.post.flush()

    def close(self) -> None:
        self.ask = None
        self.server.flying.pop(self, None)
        self.server.around.reactor.removeReader(self)
        self.sock.close()


class Server:
    """One server as a route sees it: its health, its sockets, its questions in flight."""

    def __init__(self, address: Address, timeout: float, around: Surroundings, probe: Plan) -> None:
        self.address = address
        self.timeout = timeout
        self.around = around
        self.health = Health(str(address))
        self.closed = False
        self.flying: dict[FreshPort, None] = {}  # in the order they were asked
        self._ports: list[Port] = []
        self._ahead: list[FreshPort] = []
        self._probe = probe
        self._line = Line(self)
        self.ask: Callable[[Ask, bytes], bool] = self._ask_fresh
        if address.loopback:
            self._ports = [Port(self) for _ in range(_SHARED_PORTS)]
            self._port = self._ports[0]
            self.ask = self._ask_shared

    def _ask_shared(self, ask: Ask, body: bytes) -> bool:
        port = self._port
        if not port.ids:
            self.health.full += 1
            return False
        key = port.ids.popleft()
        port.pending[key] = ask
        port.out.append(key + body)
        return True

    def _ask_fresh(self, ask: Ask, body: bytes) -> bool:
        if len(self.flying) >= _FRESH_MOST:
            self.health.full += 1
            return False
        try:
            port = self._ahead.pop() if self._ahead else FreshPort(self)
        except OSError:  # no route, or no file descriptor left
            self.health.full += 1
            return False
        self.flying[port] = None
        port.send(ask, body)
        return True

    def ask_tcp(self, ask: Ask, body: bytes) -> bool:
        return self._line.ask(ask, body)

    def fail(self, ask: Ask, reason: str, now: float) -> None:
        """No answer to *ask*: note it, and let the forwarder go on."""
        self.health.failure(reason, now)
        self.around.forwarder.failed(ask, reason, self, now)

    def sweep(self, now: float) -> None:
        """Look at the deadlines, make sockets ahead, probe if it is marked."""
        before = now - self.timeout
        late: list[Ask] = []
        for port in self._ports:
            late += port.expire(before)
        while self.flying:
            fresh = next(iter(self.flying))
            if fresh.ask is None or fresh.ask[4] > before:
                break
            late.append(fresh.ask)
            fresh.close()
        for ask in late:
            self.health.timeouts += 1
            self.fail(ask, "did not answer in time", now)
        self._line.sweep(now)
        self._prepare()
        if self.health.probe_due(now):
            self.ask((self._probe, b"", None, _nobody, now, _landed(self._probe)), self._probe.packet)

    def _prepare(self) -> None:
        if self._ports:  # the next turns ask from the next socket
            self._port = self._ports[(self._ports.index(self._port) + 1) % len(self._ports)]
            return
        try:
            while len(self._ahead) < _FRESH_AHEAD:
                self._ahead.append(FreshPort(self))
        except OSError:
            pass  # no route at the moment: the next sweep tries again

    @property
    def open_questions(self) -> int:
        return sum(len(port.pending) for port in self._ports) + len(self.flying)

    def close(self) -> None:
        self.closed = True
        for port in (*self._ports, *self.flying, *self._ahead):
            port.close()
        self._line.close()


class Line(protocol.ClientFactory):
    """The TCP connection to one server: made when needed, kept while it lasts, made again when the server
    closes it with questions open (Consul does after 128), once for each question."""

    noisy = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pending: dict[bytes, tuple[Ask, bytes, bool]] = {}
        self._connection: _LineProtocol | None = None
        self._connector: Any = None

    def ask(self, ask: Ask, body: bytes) -> bool:
        if len(self._pending) >= _IDS_A_PORT:
            return False
        key = _random.randbytes(2)
        while key in self._pending:
            key = _random.randbytes(2)
        self._carry(key, ask, body, False)
        return True

    def _carry(self, key: bytes, ask: Ask, body: bytes, again: bool) -> None:
        self._pending[key] = (ask, body, again)
        if self._connection is not None:
            self._connection.send(key + body)
        elif self._connector is None:
            address = self._server.address
            around = self._server.around
            self._connector = around.reactor.connectTCP(address.host, address.port, self, timeout=_TCP_TIMEOUT)

    def buildProtocol(self, addr: Any) -> "_LineProtocol":
        return _LineProtocol(self)

    def connected(self, connection: "_LineProtocol") -> None:
        self._connection = connection
        for key, (_, body, _) in self._pending.items():
            connection.send(key + body)

    def arrived(self, packet: bytes) -> None:
        server, now = self._server, monotonic()
        entry = self._pending.get(packet[:2])
        if entry is None or not server.around.forwarder.answered(entry[0], packet, server, now):
            server.health.strays += 1
            return
        self._pending.pop(packet[:2], None)
        server.health.answered += 1
        server.health.answer(now - entry[0][4])

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self._connector = None
        refused = reason.check(error.ConnectionRefusedError) is not None
        self._fail("refused the connection" if refused else "can't be reached over TCP")

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        self._connector = self._connection = None
        again = {key: entry for key, entry in self._pending.items() if not entry[2]}
        self._pending = {key: entry for key, entry in self._pending.items() if entry[2]}
        self._fail("closed the connection")
        if not self._server.closed:
            for key, (ask, body, _) in again.items():
                self._carry(key, ask, body, True)

    def _fail(self, reason: str) -> None:
        pending, self._pending = self._pending, {}
        now = monotonic()
        for ask, _, _ in pending.values():
            self._server.fail(ask, reason, now)
        self._server.around.post.flush()

    def sweep(self, now: float) -> None:
        before = now - max(self._server.timeout, 1.0)
        late = [key for key, (ask, _, _) in self._pending.items() if ask[4] <= before]
        for key in late:
            ask, _, _ = self._pending.pop(key)
            self._server.health.timeouts += 1
            self._server.fail(ask, "did not answer over TCP in time", now)

    def close(self) -> None:
        if self._connector is not None:
            self._connector.disconnect()


class _LineProtocol(protocol.Protocol):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._buffer = bytearray()

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]
        self._line.connected(self)

    def send(self, packet: bytes) -> None:
        self.transport.write(frame(packet))  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        for packet in unframe(self._buffer):
            self._line.arrived(packet)
        self._line._server.around.post.flush()


def _connected(address: Address, buffer: int = _RECEIVE_BUFFER) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.connect((address.host, address.port))
    except OSError:
        sock.close()
        raise
    return sock


def _landed(plan: Plan) -> Flight:
    """A flight that nobody waits for: any answer to it only says that the server lives."""
    flight = Flight(plan, 0.0)
    flight.done = True
    return flight


def _nobody(_: tuple[bytes, Any]) -> None:
    """Nobody waits for the answer to a probe."""


def sweep_all(servers: Sequence[Server], forwarder: Forwarder, post: Post) -> None:
    """One look at every deadline."""
    now = monotonic()
    for server in servers:
        server.sweep(now)
    forwarder.impatient(now)
    post.flush()
