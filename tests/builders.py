"""Builders of messages and of the small world a forwarder lives in. Messages come from dnspython: a second codec."""

from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from panteras_dns.cache import Cache
from panteras_dns.consul import Consul
from panteras_dns.cookies import Cookies
from panteras_dns.forwarder import Forwarder
from panteras_dns.names import wire_name
from panteras_dns.planner import Tables
from panteras_dns.policy import Policy
from panteras_dns.records import Records
from panteras_dns.repair import Repairer, Repairs
from panteras_dns.rest import Answer
from panteras_dns.routes import Route, Routes
from panteras_dns.upstream import Group, Health

CLIENT = ("127.0.0.1", 40000)


def a_query(name: str = "www.example.com", kind: str = "A", **options: Any) -> bytes:
    """A client's packet: options are those of dnspython's make_query, and *id* and *flags*."""
    number, flags = options.pop("id", 1), options.pop("flags", None)
    message = dns.message.make_query(name, kind, id=number, **options)
    if flags is not None:
        message.flags = flags
    return message.to_wire()


def a_reply(query: bytes, *records: str, rcode: int = 0, authority: tuple[str, ...] = (), **options: Any) -> bytes:
    """A server's packet to *query*: records as `name ttl type data`."""
    message = dns.message.make_response(dns.message.from_wire(query, ignore_trailing=True), recursion_available=True)
    message.set_rcode(rcode)
    message.flags |= options.get("flags", 0)
    if options.get("no_edns"):
        message.use_edns(False)
    sections = (
        (message.answer, records),
        (message.authority, authority),
        (message.additional, options.get("extra", ())),
    )
    for section, lines in sections:
        for line in lines:
            name, ttl, kind, data = line.split(maxsplit=3)
            rrset = dns.rrset.from_text(dns.name.from_text(name), int(ttl), "IN", kind, data)
            message.find_rrset(section, rrset.name, rrset.rdclass, rrset.rdtype, create=True).update(rrset)
    return message.to_wire(max_size=65535)


def parsed(packet: bytes) -> dns.message.Message:
    return dns.message.from_wire(packet)


def rcode_of(packet: bytes) -> str:
    return dns.rcode.to_text(parsed(packet).rcode())


def addresses_in(packet: bytes) -> list[str]:
    """The addresses of the answer section, in order."""
    return [data.address for rrset in parsed(packet).answer for data in rrset if rrset.rdtype in (1, 28)]


def reason_in(packet: bytes) -> tuple[int, str] | None:
    """The extended error of an answer: code and text."""
    for option in parsed(packet).options:
        if option.otype == dns.edns.EDE:
            return int(option.code), option.text or ""
    return None


class Reactor(Clock):
    """A reactor that only notes who wants to read."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list = []

    def addReader(self, reader) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def deliver(self) -> None:
        """Every reader looks at its socket."""
        for reader in list(self.readers):
            reader.doRead()


class FakeApi:
    """An HTTP API that says what it is told to: path -> a value, or a whole answer."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.said = said
        self.place = "http://api"

    async def ask(self, method: str, path: str, body: Any = None, within: float = 5.0) -> Answer:
        told = self.said[path.partition("?")[0]]
        return told if isinstance(told, Answer) else Answer(200, {}, told)


def a_consul(said: Mapping[str, Any]) -> Consul:
    """One whose API says that."""
    consul = Consul(Clock())
    consul._api = FakeApi(said)  # type: ignore[assignment]
    return consul


def succeeded(work: Awaitable[Any]) -> Any:
    """What comes of *work* that waits for nobody."""
    done: list[Any] = []
    ensureDeferred(work).addBoth(done.append)  # type: ignore[arg-type]
    assert done, "it still waits"
    if isinstance(done[0], Failure):
        done[0].raiseException()
    return done[0]


class FakeServer:
    """A server without sockets: keeps what it was asked, and answers when told."""

    def __init__(self, label: str = "10.0.0.1:53", full: bool = False) -> None:
        self.health = Health(label)
        self.full = full
        self.pending: dict[bytes, Any] = {}
        self.asked: list[bytes] = []
        self.asked_tcp: list[bytes] = []
        self._ids = deque(number.to_bytes(2, "big") for number in range(100, 1000))

    def ask(self, ask: Any, body: bytes) -> bool:
        if self.full:
            return self.health.turn_away()
        key = self._ids.popleft()
        self.pending[key] = ask
        self.asked.append(key + body)
        return True

    def ask_tcp(self, ask: Any, body: bytes) -> bool:
        self.asked_tcp.append(body)
        key = self._ids.popleft()
        self.pending[key] = ask
        self.asked_tcp[-1] = key + body
        return True


class World:
    """A forwarder between clients and fake servers, and a clock to be set."""

    def __init__(
        self,
        consul: list[FakeServer] | None = None,
        upstream: list[FakeServer] | None = None,
        policy: str = "sequential",
        repairs: Repairs | None = None,
        join: bool = False,
        **tables: Any,
    ) -> None:
        self.now = 1000.0
        self.consul = consul or [FakeServer("127.0.0.1:8600")]
        self.upstream = upstream or [FakeServer()]
        own = (wire_name("consul"),)
        to_consul = Route("consul", Group(self.consul, attempts=2), True, False, own, joined=join)
        to_upstream = Route(".", Group(self.upstream, policy), domains=(b"\0",))
        routes = Routes({own[0]: to_consul, b"\0": to_upstream})
        repairers = {"consul": Repairer(own, repairs or Repairs())}
        tables.setdefault("records", Records())
        self.tables = Tables(routes, repairers=repairers, **tables)
        self.cache = Cache(100)
        self.forwarder = Forwarder(self.tables, Policy(tuple, rate=0), self.cache, Cookies(b"secret"))
        self.forwarder.policy.clients["127.0.0.1"] = [0.0, 0.0]
        for group in (to_consul.group, to_upstream.group):
            for server in group.carriers:
                server.health.changed = lambda _, group=group: group.refresh()
        self.sent: list[bytes] = []

    def ask(self, packet: bytes) -> bytes | None:
        """A client's datagram; the answer, if it came at once."""
        before = len(self.sent)
        self.forwarder.handle([(packet, CLIENT)], 0, self._reply, self.now)
        return self.sent[-1] if len(self.sent) > before else None

    def _reply(self, answer: tuple[bytes, Any]) -> None:
        packet, client = answer
        assert client == CLIENT
        self.sent.append(packet)

    def answer(self, server: FakeServer, *records: str, **options: Any) -> bytes | None:
        """*server* answers the last question it was asked; what the client gets, if that was for one."""
        return self.deliver(server, a_reply(server.asked[-1], *records, **options))

    def deliver(self, server: FakeServer, packet: bytes) -> bytes | None:
        before = len(self.sent)
        self.forwarder.answered([packet], server.pending, server, self.now)
        return self.sent[-1] if len(self.sent) > before else None

    def time_out(self, server: FakeServer, reason: str = "did not answer in time") -> bytes | None:
        """The oldest question to *server* gets no answer."""
        before = len(self.sent)
        ask = server.pending.pop(next(iter(server.pending)))
        server.health.failure(reason, self.now)
        self.forwarder.failed(ask, reason, server, self.now)
        return self.sent[-1] if len(self.sent) > before else None
