"""Questions to one server over one authenticated TLS connection, whatever is spoken on it.

The connection is made when a question needs it, kept while it lasts, and made again when the server closes it
with questions open, once for each of them (RFC 7766 6.2.4). What travels on it is a `Link`'s affair.
"""

import os
from collections import deque
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any

from twisted.internet import error, protocol
from twisted.internet.interfaces import IHandshakeListener
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from panteras_dns.flights import Ask, landed
from panteras_dns.padding import padded
from panteras_dns.plan import Plan
from panteras_dns.remote import Encrypted
from panteras_dns.transport.ports import IDS_A_PORT, OURS, Surroundings, random_source
from panteras_dns.transport.trust import Trust
from panteras_dns.upstream import Health

_CONNECT = 3.0  # seconds to connect, and for the handshake
_PAUSE = 0.25  # seconds between attempts that fail: a handshake costs the server more than it costs us
_IDLE = 120.0  # seconds without a question until we close: less than what middleboxes remember (RFC 7766 6.2.3)
_SILENCES = 2  # looks at the deadlines that found late questions, and nothing in between: the peer is gone


class Questions:
    """What is in flight, by the two bytes that tell replies apart. As many as there are ids at most: whoever
    comes then is told so."""

    def __init__(self) -> None:
        self.pending: dict[bytes, Ask] = {}  # in the order they were asked
        self.bodies: dict[bytes, bytes] = {}
        self.again: set[bytes] = set()  # asked a second time
        self.ids = deque(key.to_bytes(2, "big") for key in random_source.sample(range(65536), IDS_A_PORT))

    def add(self, ask: Ask, body: bytes) -> bytes:
        key = self.ids.popleft()
        self.pending[key] = ask
        self.bodies[key] = body
        return key

    def take(self, key: bytes) -> Ask:
        """The question is over without an answer."""
        ask = self.pending.pop(key)
        self.free((key,))
        return ask

    def free(self, keys: Iterable[bytes]) -> None:
        """Those are no longer pending: their ids may be used again, the longest unused first."""
        for key in keys:
            del self.bodies[key]
            self.again.discard(key)
            self.ids.append(key)


@implementer(IHandshakeListener)
class Link(protocol.Protocol):
    """One connection, and what is spoken on it."""

    transport: Any

    def __init__(self, server: "SecureServer") -> None:
        self.server = server
        self.established = False
        self.since = self.heard = 0.0
        self.silences = 0

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def handshakeCompleted(self) -> None:
        """The server is who it should be."""
        self.established = True
        self.since = self.heard = monotonic()
        self.server.up(self)

    def alive(self) -> None:
        """Something that made sense has come."""
        self.heard = monotonic()
        self.silences = 0

    def send(self, key: bytes, body: bytes) -> None:
        """Ask; the reply is to come back with *key* as its first two bytes."""
        raise NotImplementedError

    def forget(self, keys: Iterable[bytes]) -> None:
        """Nobody waits for those any more."""

    def connectionLost(self, reason: Any = protocol.connectionDone) -> None:
        self.server.down(self, reason)


class SecureServer(protocol.ClientFactory):
    """Carries questions to one server (`upstream.Carrier`)."""

    noisy = False
    speaks: type[Link] = Link
    protocols: Sequence[bytes] = ()  # offered by ALPN

    def __init__(self, settings: Encrypted, around: Surroundings, probe: Plan) -> None:
        self.remote = settings.remote
        self.address = settings.remote.address
        self.timeout = settings.timeout
        self.patience = settings.patience
        self.around = around
        self.health = Health(str(settings.remote))
        self.closed = False
        self._probe = probe
        self._questions = Questions()
        self._trust: Any = Trust(settings.remote.name, settings.authorities, self.protocols)
        self._connector: Any = None  # from the first attempt to the end of the connection
        self._began = self._not_before = 0.0
        self._newest: Link | None = None
        self._link: Link | None = None  # the newest, as long as it takes questions
        self._verdict = ""  # why we ended the connection ourselves

    # Questions --------------------------------------------------------------------------------------

    def ask(self, ask: Ask, body: bytes) -> bool:
        if self.closed or not self._questions.ids:
            return self.health.turn_away()
        body = padded(body)
        key = self._questions.add(ask, body)
        if self._link is not None:
            self._link.send(key, body)
        else:
            self._connect(ask[4])
        return True

    def ask_tcp(self, ask: Ask, body: bytes) -> bool:
        """An answer cut short on a stream will be no longer on another."""
        return False

    def answered(self, packets: list[bytes]) -> list[bytes]:
        """Replies have come; the keys of those that were what somebody waits for."""
        questions, forwarder = self._questions, self.around.forwarder
        freed = forwarder.answered(packets, questions.pending, self, monotonic())
        questions.free(freed)
        self.around.turns.flush()
        return freed

    def ask_again(self, key: bytes, reason: str) -> None:
        """The server did not look at that question; *reason* is told if that is so for the second time."""
        if key in self._questions.again or self._link is None:
            self.give_up([key], reason)
        elif key in self._questions.pending:
            self._questions.again.add(key)
            self._link.send(key, self._questions.bodies[key])

    def give_up(self, keys: list[bytes], reason: str) -> None:
        now = monotonic()
        for key in keys:
            if key in self._questions.pending:
                self.fail(self._questions.take(key), reason, now)
        self.around.turns.flush()

    def fail(self, ask: Ask, reason: str, now: float) -> None:
        """No answer to *ask*: note it, and let the forwarder go on."""
        self.health.failure(reason, now)
        self.around.forwarder.failed(ask, reason, self, now)

    @property
    def open_questions(self) -> int:
        return len(self._questions.pending)

    # The connection ---------------------------------------------------------------------------------

    def _connect(self, now: float) -> None:
        if self._connector is None and not self.closed and now >= self._not_before:
            reactor, address = self.around.reactor, self.address
            self._began = now
            secured = TLSMemoryBIOFactory(self._trust, True, self, clock=reactor)  # type: ignore[arg-type]
            self._connector = reactor.connectTCP(address.host, address.port, secured, timeout=_CONNECT)

    def buildProtocol(self, addr: Any) -> Link:
        self._newest = self.speaks(self)
        return self._newest

    def up(self, link: Link) -> None:
        """The connection can be used: all that wait are asked."""
        self._link = link
        for key, body in list(self._questions.bodies.items()):
            link.send(key, body)

    def drop(self, link: Link, reason: str) -> None:
        """End a connection that is good for nothing."""
        self._link = None
        self._verdict = reason
        link.transport.abortConnection()

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        number = getattr(reason.value, "osError", None)
        if number in OURS:
            self._no_socket(f"was not asked: {os.strerror(number)}")
            return
        if reason.check(error.ConnectionRefusedError):
            self.health.refused += 1
        self._no_connection(self._trust.why(reason.value))

    def down(self, link: Link, reason: Any) -> None:
        """The connection is over. What is open is asked once more: a server may close when it likes, and a
        question may cross its farewell."""
        if not link.established:
            self._no_connection(self._verdict or self._trust.why(reason.value))
            return
        verdict = self._verdict or "closed the connection"
        self._reset()
        questions, now = self._questions, monotonic()
        twice = [key for key in questions.pending if key in questions.again]
        questions.again.update(questions.pending)
        if twice:
            self._not_before = now + _PAUSE
        self.give_up(twice, verdict)
        if questions.pending:
            self._connect(now)

    def _no_connection(self, reason: str) -> None:
        self._reset()
        if not self.closed:
            now = monotonic()
            self._not_before = now + _PAUSE
            self.health.failure(reason, now)
            self.give_up(list(self._questions.pending), reason)

    def _no_socket(self, reason: str) -> None:
        """For want of something of ours, which is nothing against the server."""
        self._reset()
        now = monotonic()
        self._not_before = now + _PAUSE
        for key in list(self._questions.pending):
            self.health.full += 1
            self.around.forwarder.failed(self._questions.take(key), reason, self, now)
        self.around.turns.flush()

    def _reset(self) -> None:
        self._connector = self._newest = self._link = None
        self._verdict = ""

    # Time -------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Look at the deadlines and at the connection, probe if the server is marked."""
        self._expire(now)
        link, newest = self._link, self._newest
        if link is not None and not self._questions.pending and now - link.heard > _IDLE:
            self._link = None
            self._connector.disconnect()
        elif newest is not None and not newest.established and now - self._began > _CONNECT:
            self.drop(newest, "did not complete the TLS handshake in time")
        elif self._questions.pending:
            self._connect(now)
        if self.health.probe_due(now):
            self.probe(self._probe)

    def probe(self, plan: Plan) -> None:
        """Ask something whose answer nobody waits for."""
        self.ask((plan, b"", None, None, monotonic(), landed(plan)), plan.packet)

    def _expire(self, now: float) -> None:
        """A question's time begins when it could first be sent on this connection, and ends with our patience."""
        link = self._link
        late = []
        for key, ask in self._questions.pending.items():
            sent_by = now if link is None else max(ask[4], link.since)
            if ask[4] > now - self.patience and sent_by > now - self.timeout:
                break
            late.append(key)
        if not late:
            return
        self.health.timeouts += len(late)
        if link is not None:
            link.forget(late)
            link.silences += 1
            if link.silences >= _SILENCES:  # a middlebox that forgot us, or a host that died, says nothing
                self.drop(link, "fell silent")
        self.give_up(late, "did not answer in time" if link else "did not complete a TLS connection in time")

    def close(self) -> None:
        self.closed = True
        if self._connector is not None:
            self._connector.disconnect()
