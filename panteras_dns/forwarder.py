"""The story of one query.

    socket -> listener -> handle(packet, client, reply)
        policy -> plan -> cache -> route's group -> a server ... answered() or failed() -> finish -> reply

Pure: packets, clients and *now* are handed in; *reply* takes (packet, client), once, now or later, or never.

A question on its way is a tuple, an *ask*: (plan, id, client, reply, since, flight). The first try of a question
that nobody else waits for has no flight: one tuple is all it costs. What needs more (a second try, others
who wait for the same answer, a place in the cache) gets a `Flight`.
"""

import struct
from collections.abc import Callable
from typing import Any

from panteras_dns.cache import Cache, Entry
from panteras_dns.plan import TELL, Plan, Planner, Tables
from panteras_dns.policy import ADMITTED, REFUSED, Policy
from panteras_dns.upstream import RACE, Carrier
from panteras_dns.wire import (
    EDE,
    LARGEST,
    NOERROR,
    NXDOMAIN,
    SERVFAIL,
    TC,
    Malformed,
    Reply,
    bare_error,
    dress,
    error,
    read_query,
    read_reply,
)
from panteras_dns.wire import REFUSED as RCODE_REFUSED

Client = Any
Send = Callable[[tuple[bytes, Client]], Any]
Ask = tuple[Plan, bytes, Client, Send, float, "Flight | None"]

CLIENT_PATIENCE = 1.8  # seconds after which a stale answer beats none (RFC 8767 5)
LAST_MOMENT = 4.2  # seconds: a stub resolver's own time-out is 5

_MOST_WAITING = 200  # clients that may wait for one answer; the next is told SERVFAIL (CVE-2024-33655)

# Extended errors (RFC 8914).
_STALE, _CACHED_ERROR, _PROHIBITED, _UNREACHABLE, _NETWORK = 3, 13, 18, 22, 23


class Flight:
    """A question that takes more than one try, or that several clients wait for."""

    __slots__ = ("done", "in_air", "key", "left", "plan", "reason", "since", "tried", "waiting")

    def __init__(self, plan: Plan, since: float) -> None:
        self.plan = plan
        self.key = plan.key
        self.since = since
        self.left = plan.route.group.attempts if plan.route else 0
        self.tried: list[Carrier] = []
        self.waiting: list[tuple[Plan, bytes, Client, Send]] = []
        self.reason = ""
        self.in_air = 0  # asks on their way
        self.done = False  # whatever still arrives comes too late


class Forwarder:
    """One worker's way of a query. Tables are swapped whole by `load`; what is in flight ends on the old ones."""

    def __init__(self, tables: Tables, policy: Policy, cache: Cache) -> None:
        self.cache = cache
        self.flights: dict[bytes, Flight] = {}
        self.joined = self.stale_served = self.servfails = self.prefetched = self.mismatched = 0
        self.load(tables, policy)

    def load(self, tables: Tables, policy: Policy) -> None:
        """Take new tables into use."""
        self.tables = tables
        self.policy = policy
        self.udp = Planner(tables)
        self.tcp = Planner(tables, LARGEST)

    # A client asks ----------------------------------------------------------------------------------

    def handle(self, packet: bytes, client: Client, host: Any, reply: Send, now: float) -> None:
        """A datagram from a client."""
        # Each lookup here runs for every query; what can be decided once is in the plan.
        verdict = self.policy.verdict(host, now)
        if verdict:
            return self._turn_away(verdict, packet, client, reply)
        plan = self.udp.young.get(packet[2:]) or self.udp.plan(packet[2:])
        if plan is not None:
            self._answer(plan, packet[:2], client, reply, now)
        return None

    def handle_tcp(self, packet: bytes, client: Client, host: Any, reply: Send, now: float) -> bool:
        """A message from a connection; False when it will get no answer."""
        verdict = self.policy.verdict(host, now)
        if verdict != ADMITTED:
            self._turn_away(verdict, packet, client, reply)
            return verdict == REFUSED
        plan = self.tcp.young.get(packet[2:]) or self.tcp.plan(packet[2:])
        if plan is None:
            return False
        self._answer(plan, packet[:2], client, reply, now)
        return True

    def _turn_away(self, verdict: int, packet: bytes, client: Client, reply: Send) -> None:
        if verdict != REFUSED or len(packet) < 12 or packet[2] & 0x80:
            return
        try:
            reason = (_PROHIBITED, "this client is not on the access list")
            answer = error(read_query(packet[2:]), RCODE_REFUSED, reason)
        except Malformed:
            answer = bare_error(packet[2:], RCODE_REFUSED)
        reply((packet[:2] + answer, client))

    def _answer(self, plan: Plan, tag: bytes, client: Client, reply: Send, now: float) -> None:
        plan.asked += 1
        if now < plan.ready_until:
            reply((tag + plan.ready, client))
        elif plan.answer is not None:
            reply((tag + plan.answer, client))
        elif plan.key is not None:
            self._look_up(plan, tag, client, reply, now)
        else:
            route = plan.route
            server = route.group.first  # type: ignore[union-attr]
            if server is None or not server.ask((plan, tag, client, reply, now, None), plan.packet):
                self._take_off(plan, tag, client, reply, now)

    def _look_up(self, plan: Plan, tag: bytes, client: Client, reply: Send, now: float) -> None:
        key = plan.key
        assert key is not None and plan.query is not None
        entry = self.cache.get(key, now)
        if entry is not None and now < entry.ends:
            self._give(plan, entry, tag, client, reply, now)
        elif self.cache.failed(key, now):
            self._refuse_again(plan, entry, tag, client, reply)
        elif flight := self.flights.get(key):
            self.joined += 1
            if len(flight.waiting) < _MOST_WAITING:
                flight.waiting.append((plan, tag, client, reply))
            else:
                self._servfail(plan, "too many wait for this answer", tag, client, reply)
        else:
            self._take_off(plan, tag, client, reply, now)

    def _give(self, plan: Plan, entry: Entry, tag: bytes, client: Client, reply: Send, now: float) -> None:
        assert plan.query is not None
        aged = entry.aged(now)
        plan.ready = self._dress(plan, aged, "cache")
        if not plan.tells:
            # The same bytes will do until the TTLs change: at the next whole second of the entry's age.
            plan.ready_until = min(entry.stored + entry.second + 1, entry.ends)
        reply((tag + plan.ready, client))
        if entry.deserves_refresh(now) and plan.key not in self.flights:
            entry.refreshing = True
            self.prefetched += 1
            self._launch(Flight(plan, now), now)

    # A question leaves ------------------------------------------------------------------------------

    def _take_off(self, plan: Plan, tag: bytes, client: Client, reply: Send, now: float) -> None:
        flight = Flight(plan, now)
        flight.waiting.append((plan, tag, client, reply))
        self._launch(flight, now)

    def _launch(self, flight: Flight, now: float) -> None:
        if flight.key is not None:
            self.flights[flight.key] = flight
        self._next_try(flight, now)

    def _next_try(self, flight: Flight, now: float) -> None:
        """Ask the next server; those that can't take it are passed over."""
        group = flight.plan.route.group  # type: ignore[union-attr]
        if group.policy == RACE and not flight.tried:
            flight.tried = [server for server in group.racers() if self._try(flight, server, now)]
            flight.left -= 1
        while not flight.in_air and flight.left > 0 and now - flight.since < LAST_MOMENT - group.timeout:
            server = group.choose(flight.tried)
            if server is None:
                flight.reason = "no server is configured for this name"
                break
            flight.left -= 1
            flight.tried.append(server)
            self._try(flight, server, now)
        if not flight.in_air:
            self._give_up(flight, now)

    def _try(self, flight: Flight, server: Carrier, now: float) -> bool:
        if server.ask((flight.plan, b"", None, _nobody, now, flight), flight.plan.packet):
            flight.in_air += 1
            return True
        flight.reason = f"{server.health.label} has too many questions open"
        return False

    # A server answers -------------------------------------------------------------------------------

    def answered(self, ask: Ask, packet: bytes, server: Carrier, now: float) -> bool:
        """A packet with the id of *ask*; False when it is no answer to it, and the wait goes on."""
        plan, tag, client, reply, _, flight = ask
        if flight is None:
            finished = plan.finished.get(packet[2:])
            if finished is not None:
                reply((tag + finished, client))
                return True
        return self._settle(ask, packet[2:], server, now)

    def _settle(self, ask: Ask, body: bytes, server: Carrier, now: float) -> bool:
        if ask[5] and ask[5].done:
            return True
        reply = self._read(ask[0], body)
        if reply is None:
            self.mismatched += 1
            return False
        flight = _flight_of(ask, server)
        if reply.flags & TC and self._by_tcp(flight, server, now):
            return True
        if reply.rcode not in (NOERROR, NXDOMAIN) and self._elsewhere(flight, reply, server, now):
            return True
        self._land(flight, reply, server, body, now)
        return True

    def _read(self, plan: Plan, body: bytes) -> Reply | None:
        """The reply, if it is one to this question: wait for the valid answer, whatever comes before (TuDoor)."""
        query = plan.query
        assert query is not None
        try:
            reply = read_reply(body)
        except Malformed:
            return None
        # Consul's newer releases give the name back in lower case.
        if reply.question[:-4].lower() != query.name or reply.question[-4:] != query.question[-4:]:
            return None
        return reply if reply.flags & 0x8000 and not reply.flags & 0x7800 else None

    def _by_tcp(self, flight: Flight, server: Carrier, now: float) -> bool:
        if server.ask_tcp((flight.plan, b"", None, _nobody, now, flight), flight.plan.packet):
            flight.in_air += 1
            return True
        return False

    def _elsewhere(self, flight: Flight, reply: Reply, server: Carrier, now: float) -> bool:
        """After SERVFAIL, REFUSED and the like: is there another server to ask?"""
        group = flight.plan.route.group  # type: ignore[union-attr]
        others = [other for other in group.carriers if other not in flight.tried]
        if not others or flight.left <= 0 or flight.in_air:
            return bool(flight.in_air)
        self._next_try(flight, now)
        return True

    def _land(self, flight: Flight, reply: Reply, server: Carrier, body: bytes, now: float) -> None:
        """Everybody who waits gets the answer as their own client takes it."""
        plan = flight.plan
        self._end(flight)
        if flight.key is not None:
            if reply.rcode in (NOERROR, NXDOMAIN):
                self.cache.put(flight.key, reply, plan.query.type, now)  # type: ignore[union-attr]
            else:
                self.cache.fail(flight.key, now)
                if self._serve_stale(flight, now):
                    return
        for waiter, tag, client, send in flight.waiting:
            answer = self._finish(waiter, reply, server)
            if flight.key is None and reply.rcode == NOERROR and reply.section(1):
                waiter.remember(body, answer)
            send((tag + answer, client))
        flight.waiting = []

    def _finish(self, plan: Plan, reply: Reply, server: Carrier) -> bytes:
        route, query = plan.route, plan.query
        assert route is not None and query is not None
        if query.signed:
            return reply.body
        if not route.consul:
            return self._dress(plan, reply, server.health.label)
        repairer = self.tables.repairers.get(route.name)
        if repairer is None:
            return self._dress(plan, reply, server.health.label)
        share = query.type in (1, 28) and not repairer.switches.truncate
        return self._dress(plan, repairer.repair(query, reply), server.health.label, share)

    def _dress(self, plan: Plan, reply: Reply, source: str, share: bool = False) -> bytes:
        assert plan.query is not None
        options: tuple[tuple[int, bytes], ...] = ()
        if plan.tells and plan.route:
            options = ((TELL, f"{plan.route.name}\t{source}".encode()),)
        elif reply.edns and (why := reply.edns.option(EDE)):
            options = ((EDE, why),)
        return dress(plan.query, reply, plan.limit, options, share)

    # A server does not answer -----------------------------------------------------------------------

    def failed(self, ask: Ask, reason: str, server: Carrier, now: float) -> None:
        """The question *ask* got no answer from *server*: the next one, or the truth."""
        if ask[5] and ask[5].done:
            return
        flight = _flight_of(ask, server)
        flight.reason = f"{server.health.label} {reason}"
        if not flight.in_air:
            self._next_try(flight, now)

    def _give_up(self, flight: Flight, now: float) -> None:
        self._end(flight)
        if flight.key is not None:
            self.cache.fail(flight.key, now)
            if self._serve_stale(flight, now):
                return
        for plan, tag, client, send in flight.waiting:
            self._servfail(plan, flight.reason, tag, client, send)
        flight.waiting = []

    def impatient(self, now: float) -> None:
        """Give a stale answer to those who have waited long enough; the question stays on its way."""
        for flight in list(self.flights.values()):
            if now - flight.since < CLIENT_PATIENCE:
                break  # in the order of their departure
            if flight.waiting:
                self._serve_stale(flight, now)

    def _serve_stale(self, flight: Flight, now: float) -> bool:
        entry = self.cache.get(flight.key, now) if flight.key is not None else None
        if entry is None:
            return False
        for plan, tag, client, send in flight.waiting:
            send((tag + self._stale(plan, entry), client))
        flight.waiting = []
        return True

    def _stale(self, plan: Plan, entry: Entry) -> bytes:
        assert plan.query is not None
        self.stale_served += 1
        reason = struct.pack("!H", _STALE) + b"the servers do not answer; this is what they last said"
        return dress(plan.query, entry.stale(), plan.limit, ((EDE, reason),))

    def _refuse_again(self, plan: Plan, entry: Entry | None, tag: bytes, client: Client, reply: Send) -> None:
        if entry is not None:
            reply((tag + self._stale(plan, entry), client))
        else:
            self._servfail(plan, "asked a moment ago, and nobody could answer", tag, client, reply, _CACHED_ERROR)

    def _servfail(
        self, plan: Plan, reason: str, tag: bytes, client: Client, reply: Send, code: int = _UNREACHABLE
    ) -> None:
        self.servfails += 1
        assert plan.query is not None
        if "refused" in reason:
            code = _NETWORK
        reply((tag + error(plan.query, SERVFAIL, (code, reason)), client))

    def _end(self, flight: Flight) -> None:
        flight.done = True
        if flight.key is not None and self.flights.get(flight.key) is flight:
            del self.flights[flight.key]


def _flight_of(ask: Ask, server: Carrier) -> Flight:
    """The flight of an ask that has come back: its own, or what a first try becomes when that was not all."""
    plan, tag, client, reply, since, flight = ask
    if flight is not None:
        flight.in_air -= 1
        return flight
    flight = Flight(plan, since)
    flight.waiting.append((plan, tag, client, reply))
    flight.tried.append(server)
    flight.left -= 1
    return flight


def _nobody(_: tuple[bytes, Client]) -> None:
    """Where the answer to a flight's ask goes: its waiting clients are in the flight itself."""

