"""What is fuzzed: a function from any bytes to nothing. It raises only when a promise is broken.

The promise of all of them: bytes give a result or `Malformed`, and what is made of a result can be read again.
"""

from collections.abc import Callable

from builders import FakeServer, Reactor, World, a_query
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from panteras_dns.answer import dress, with_ttl
from panteras_dns.names import suffixes, text_name, wire_name
from panteras_dns.planner import Planner
from panteras_dns.records import special_names
from panteras_dns.transport.listeners import TcpListener
from panteras_dns.transport.turns import Turns
from panteras_dns.wire import (
    COOKIE,
    Malformed,
    Query,
    Reply,
    edns_alone,
    name_at,
    question_of,
    read_query,
    read_reply,
    unframe,
)

QR = 0x80
PEER = IPv4Address("TCP", "127.0.0.1", 40000)
QUESTIONS = (
    a_query("web.service.consul", "A"),
    a_query("web.service.consul", "SRV", use_edns=0, payload=1232),
    a_query("www.example.com", "AAAA", use_edns=0, want_dnssec=True),
    a_query("WWW.Example.com", "TXT"),
)
SPECIAL = special_names()
_world = World(special=SPECIAL)
_planner = Planner(_world.tables, most=64)


def query(data: bytes) -> None:
    """A client's packet."""
    question_of(data)
    found = _read(read_query, data)
    if found is not None:
        assert isinstance(found, Query)
        assert len(found.name) <= 255
        assert found.question[:-4].lower() == found.name
        assert list(suffixes(found.name))[-1] == b"\0"


def reply(data: bytes) -> None:
    """A server's packet, and what is made of it."""
    found = _read(read_reply, data)
    if found is None:
        return
    assert isinstance(found, Reply)
    for record in found.records:
        assert found.body[record.start : record.end] and record.data <= record.end <= len(found.body)
        _read(lambda body, at=record.start: name_at(body, at), found.body)
    assert read_reply(found.body) == found
    assert read_reply(with_ttl(found, 1).body).question == found.question
    asked = Query(0x0100, found.question, found.question[:-4].lower(), 1, 1, None)
    for limit in (512, 1232, 65535):
        dressed = dress(asked, found, limit)
        assert len(dressed) + 2 <= limit
        assert read_reply(dressed).question == found.question


def names(data: bytes) -> None:
    """A name anywhere in a message, and a name as text."""
    for at in (0, 10, 12):
        _read(lambda body, at=at: name_at(body, at), data)
    try:
        wire = wire_name(data.decode("latin-1"))
    except ValueError:
        return
    assert len(wire) <= 255
    assert wire_name(text_name(wire)) == wire


def plan(data: bytes) -> None:
    """What to do with a query. What is answered at once has QR set, what is sent on can be read."""
    found = _planner.plan(data)
    if found is None:
        return
    if found.answer is not None:
        assert found.answer[0] & QR
    if found.packet:
        sent = read_query(found.packet)
        assert found.query is not None and sent.name == found.query.name


def client(data: bytes) -> None:
    """A datagram of a client, through the whole of the forwarder."""
    world = World(special=SPECIAL)
    answer = world.ask(data)
    if answer is not None:
        assert answer[:2] == data[:2] and answer[2] & QR and not data[2] & QR
        assert len(answer) <= max(1232, len(data) + 32)
        _well_formed(answer)


def server(data: bytes) -> None:
    """A datagram of a server: as it is under the right id, and as records behind the right header and question."""
    for asked in QUESTIONS:
        for whole in (False, True):
            world = World()
            world.ask(asked)
            for one in (*world.consul, *world.upstream):
                if one.asked:
                    _answered(world, one, one.asked[-1], data, whole)


def _answered(world: World, one: FakeServer, sent: bytes, data: bytes, whole: bool) -> None:
    question = question_of(sent[2:]) or b""
    body = data if whole else data[:10] + question + data[10:]
    answer = world.deliver(one, sent[:2] + body)
    if answer is not None:
        assert len(answer) <= 1232
        _well_formed(answer)


def connection(data: bytes) -> None:
    """What a TCP client writes, cut into pieces; the first octet says how large they are."""
    world = World(special=SPECIAL)
    reactor = Reactor()
    made = TcpListener(world.forwarder, Turns(reactor)).buildProtocol(PEER)
    assert made is not None
    transport = _Wire(peerAddress=PEER)
    made.makeConnection(transport)
    step = data[0] + 1 if data else 1
    for at in range(1, len(data), step):
        made.dataReceived(data[at : at + step])
    while reactor.getDelayedCalls():
        reactor.advance(0)
    written = bytearray(transport.value())
    for answer in unframe(written):
        assert answer[2] & QR
        _well_formed(answer)
    assert not written


class _Wire(StringTransport):
    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to delay."""


def _well_formed(answer: bytes) -> None:
    """An answer of ours can be read, or is an error without a question, or a cookie without one (RFC 7873 5.4)."""
    try:
        read_reply(answer[2:])
    except Malformed:
        cookie = edns_alone(bytes((answer[2] & 0x7F, *answer[3:])))
        assert not any(answer[4:10]), answer
        assert answer[3] & 15 or (cookie and cookie.option(COOKIE)), answer


def _read(reader: Callable[[bytes], object], data: bytes) -> object | None:
    try:
        return reader(data)
    except Malformed:
        return None


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (query, reply, names, plan, client, server, connection)
}
