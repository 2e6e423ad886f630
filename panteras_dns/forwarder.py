"""The story of one query.

    socket -> listener -> handle(datagrams, ..., reply)
        policy -> plan -> cache -> the route's group -> a server ... answered() or failed() -> finish -> reply

Pure: packets, clients and *now* are handed in; *reply* takes (packet, client), once, now or later, or never.

A question on its way is a tuple, an *ask*: (plan, id, client, reply, since, flight). The first try of a
question that nobody else waits for has no flight: one tuple is all it costs. What needs more (a second try,
others who wait for the same answer, a place in the cache) gets a `Flight`.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from panteras_dns.answer import bare_error, error, truncated
from panteras_dns.cache import Cache, Entry
from panteras_dns.cookies import Cookies
from panteras_dns.detours import detour, judged
from panteras_dns.failures import STRANGER, Failures
from panteras_dns.finish import finish, from_cache, own, reply_to, servfail, servfail_reason
from panteras_dns.flights import Ask, Client, Flight, Send, Waiter, flight_of
from panteras_dns.plan import Plan
from panteras_dns.planner import PROHIBITED, Planner, Tables
from panteras_dns.policy import ADMITTED, DROPPED, REFUSED, Policy
from panteras_dns.rescue import Rescue
from panteras_dns.upstream import SCALE, Carrier
from panteras_dns.wire import LARGEST, NOERROR, NXDOMAIN, RCODE, TC, Malformed, Reply, read_query
from panteras_dns.wire import REFUSED as RCODE_REFUSED

SHOWN = 512  # octets of a query that are remembered to be shown
RECENT = 1000  # queries that are remembered to be shown: of UDP one of each turn, which are all while there are few
CLIENT_PATIENCE = 1.8  # seconds after which a stale answer beats none (RFC 8767 5)

_MOST_WAITING = 200  # clients that may wait for one answer; the next is told SERVFAIL (CVE-2024-33655)


class Forwarder:
    """One worker's way of a query. Tables are swapped whole by `load`; what is in flight ends on the old ones."""

    def __init__(self, tables: Tables, policy: Policy, cache: Cache, cookies: Cookies) -> None:
        self.cache = cache
        self.cookies = cookies
        self.rescue = Rescue(cache)
        self.failures = Failures()
        self.recent: deque[tuple[float, bytes, Any]] = deque(maxlen=RECENT)  # (now, packet, client or host)
        self.errors: Counter[tuple[str, int]] = Counter()  # (fate, rcode) -> answers that are told one by one
        self.flights: dict[bytes, Flight] = {}
        self.joined = self.servfails = self.prefetched = self.mismatched = 0
        self.udp, self.tcp = Planner(tables), Planner(tables, LARGEST)
        self.tables, self.policy = tables, policy

    def load(self, tables: Tables, policy: Policy) -> None:
        """Take new tables into use; what was counted stays counted."""
        self.tables, self.policy = tables, policy
        self.udp = Planner(tables, before=self.udp)
        self.tcp = Planner(tables, LARGEST, before=self.tcp)

    # Clients ask ------------------------------------------------------------------------------------

    def handle(self, datagrams: Iterable[tuple[bytes, Client]], host: Any, reply: Send, now: float) -> None:
        """A turn's datagrams from clients; *host* is the index that cuts the host out of an address."""
        # This loop runs for every query of everybody: names bound once, one lookup for the client, one for
        # the plan, and the usual ways written out. What can be decided once is in the plan.
        policy, plans = self.policy, self.udp.young
        clients, slack = policy.clients, policy.slack
        for packet, client in datagrams:
            bucket = clients.get(client[host])
            if bucket is not None and (full_at := bucket[0]) - now <= slack:
                bucket[0] = (full_at if full_at > now else now) + bucket[1]
            elif verdict := policy.verdict(client[host], now):
                if verdict == REFUSED:
                    self._turn_away(packet, client, reply, now)
                continue
            plan = plans.get(packet[2:]) or self.udp.plan(packet[2:])
            if plan is None:
                continue
            plan.asked += 1
            if plan.cookie is not None:
                self._answer((plan, packet[:2], client, self._stamping(client[host], reply, now)), now)
            elif now < plan.ready_until:
                reply((packet[:2] + plan.ready, client))
            elif (group := plan.direct) is not None and (server := group.first) is not None:
                if not server.ask((plan, packet[:2], client, reply, now, None), plan.packet):
                    self._take_off((plan, packet[:2], client, reply), now)
            else:
                self._answer((plan, packet[:2], client, reply), now)

    def handle_message(self, packet: bytes, client: Client, host: Any, reply: Send, now: float) -> bool:
        """A message from a connection; False when it will get no answer."""
        verdict = self.policy.verdict(host, now)
        if verdict == REFUSED:
            self._turn_away(packet, client, reply, now)
            return len(packet) >= 12 and not packet[2] & 0x80
        if verdict != ADMITTED:
            return False
        plan = self.tcp.young.get(packet[2:]) or self.tcp.plan(packet[2:])
        if plan is None:
            return False
        plan.asked += 1
        self.recent.append((now, packet[:SHOWN], host))
        send = reply if plan.cookie is None else self._stamping(host, reply, now)
        self._answer((plan, packet[:2], client, send), now)
        return True

    def _stamping(self, host: Any, reply: Send, now: float) -> Send:
        """Where answers to a query with a cookie go: ours is put in on the way."""
        return lambda answer: reply((self.cookies.stamp(answer[0], host, now), answer[1]))

    def _turn_away(self, packet: bytes, client: Client, reply: Send, now: float) -> None:
        """Tell a stranger so, but not in numbers: the address may be forged."""
        if len(packet) < 12 or packet[2] & 0x80 or self.policy.tolerates(client, now):
            return
        try:
            query = read_query(packet[2:])
            self.failures.answer(Plan("stranger", query), RCODE_REFUSED, client, STRANGER, now)
            if query.edns is not None:  # no cookie for strangers
                query = replace(query, edns=replace(query.edns, options=()))
            answer = error(query, RCODE_REFUSED, (PROHIBITED, STRANGER))
        except Malformed:
            answer = bare_error(packet[2:], RCODE_REFUSED)
        reply((packet[:2] + answer, client))

    def _answer(self, waiter: Waiter, now: float) -> None:
        plan = waiter[0]
        if plan.answer is not None:
            self._tell(waiter, plan.answer, now)
        elif plan.key is not None:
            (self._look_up if plan.cached else self._join)(plan.key, waiter, now)
        else:
            self._take_off(waiter, now)

    def _look_up(self, key: bytes, waiter: Waiter, now: float) -> None:
        entry = self.cache.get(key, now)
        fresh = entry if entry is not None and now < entry.ends else None
        waiter[0].gives(fresh.reply.rcode if fresh else None)
        if fresh:
            self._give(fresh, waiter, now)
        elif self.cache.failed(key, now):
            if not self.rescue.serve_stale([waiter], entry):
                self._servfail(waiter, "asked a moment ago, and nobody could answer", now)
        else:
            self._join(key, waiter, now)

    def _join(self, key: bytes, waiter: Waiter, now: float) -> None:
        flight = self.flights.get(key)
        if flight is None:
            self._take_off(waiter, now)
        elif len(flight.waiting) < _MOST_WAITING:
            self.joined += 1
            flight.waiting.append(waiter)
        else:
            self._servfail(waiter, "too many wait for this answer", now)

    def _give(self, entry: Entry, waiter: Waiter, now: float) -> None:
        plan, tag, client, reply = waiter
        plan.ready = from_cache(plan, entry, now)
        if not plan.tells and plan.cookie is None:
            # The same bytes will do until the TTLs change: at the next whole second of the entry's age.
            plan.ready_until = min(entry.stored + entry.second + 1, entry.ends)
        reply((tag + plan.ready, client))
        if entry.deserves_refresh(now) and plan.key not in self.flights:
            entry.refreshing = True
            self.prefetched += 1
            self._launch(Flight(plan, now), now)

    # A question leaves ------------------------------------------------------------------------------

    def _take_off(self, waiter: Waiter, now: float) -> None:
        flight = Flight(waiter[0], now)
        flight.waiting.append(waiter)
        self._launch(flight, now)

    def _launch(self, flight: Flight, now: float) -> None:
        if flight.key is not None:
            self.flights[flight.key] = flight
        self._fly(flight, now)

    def _fly(self, flight: Flight, now: float) -> None:
        if not flight.next_try(now):
            self._give_up(flight, now)

    # Servers answer ---------------------------------------------------------------------------------

    def answered(self, packets: Iterable[bytes], pending: dict[bytes, Ask], server: Carrier, now: float) -> list[bytes]:
        """A turn's packets from one server. Takes those questions out of *pending* (id -> ask) that are
        answered, and returns their ids; for all others the wait goes on."""
        freed = []
        latency = server.health.latency
        for packet in packets:
            key = packet[:2]
            # Not popped before it is known to be the answer: another may come with the same id.
            ask = pending.get(key)
            if ask is None:
                server.health.strays += 1
                continue
            plan, tag, client, reply, since, flight = ask
            if flight is None and (finished := plan.finished.get(packet[2:])) is not None:
                reply((tag + finished, client))
                if plan.insured is not None:
                    plan.insured.body, plan.insured.at = packet[2:], now
            elif not self._settle(ask, packet[2:], server, now):
                server.health.strays += 1
                continue
            latency[int((now - since) * SCALE).bit_length()] += 1
            del pending[key]
            freed.append(key)
        if freed:
            server.health.answer(now - since, len(freed))
        return freed

    def _settle(self, ask: Ask, body: bytes, server: Carrier, now: float) -> bool:
        if ask[5] and (ask[5].done or ask[0] is not ask[5].plan):  # too late, or to a question left behind
            return True
        reply = reply_to(ask[0], body)
        if reply is None:
            self.mismatched += 1
            return False
        flight = flight_of(ask, server)
        if reply.flags & TC and flight.over_tcp(server, now):
            return True
        if flight.held is not None:
            reply, flight.held = judged(flight.held, reply), None
        elif other := detour(flight.plan, reply, self.udp):
            flight.go_round(*other)
            self._fly(flight, now)
            return True
        if reply.rcode not in (NOERROR, NXDOMAIN) and flight.elsewhere(now):
            return True
        self._land(flight, reply, server, body, now)
        return True

    def _land(self, flight: Flight, reply: Reply, server: Carrier, body: bytes, now: float) -> None:
        """Everybody who waits gets the answer as their own client takes it."""
        plan = flight.plan
        if plan.route and not plan.route.consul and plan.query and not plan.query.signed:
            reply = own(reply, plan.route, self.tables.routes)
        good = reply.rcode in (NOERROR, NXDOMAIN)
        self._end(flight)
        if not good and (self.rescue.claim(flight, self.tables, now) or self.rescue.landed_badly(flight, now)):
            return
        if good and plan.cached and flight.key is not None:
            self.cache.put(flight.key, reply, plan.query.type, now)  # type: ignore[union-attr]
        for waiter, tag, client, send in flight.waiting:
            answer = finish(waiter, reply, server.health.label, self.tables, plan.route)
            if waiter is plan and not plan.cached:
                self.rescue.keep(plan, reply, body, answer, now)
            self._tell((waiter, tag, client, send), answer, now)

    # A server does not answer -----------------------------------------------------------------------

    def failed(self, ask: Ask, reason: str, server: Carrier, now: float) -> None:
        """The question *ask* got no answer from *server*: the next one, or the truth."""
        if ask[5] and (ask[5].done or ask[0] is not ask[5].plan):
            return
        flight = flight_of(ask, server)
        flight.reason = f"{server.health.label} {reason}"
        if not flight.in_air:
            self._fly(flight, now)

    def _give_up(self, flight: Flight, now: float) -> None:
        self._end(flight)
        if self.rescue.claim(flight, self.tables, now) or self.rescue.landed_badly(flight, now):
            return
        for waiter in flight.waiting:
            self._servfail(waiter, flight.reason, now)

    def impatient(self, now: float) -> None:
        """Give a stale answer to those who have waited long enough; the question stays on its way."""
        for key, flight in list(self.flights.items()):  # an answer may make a connection ask the next question
            if now - flight.since < CLIENT_PATIENCE:
                break  # in the order of their departure
            if flight.waiting and self.rescue.serve_stale(flight.waiting, self.cache.get(key, now)):
                flight.waiting = []

    def _servfail(self, waiter: Waiter, reason: str, now: float) -> None:
        self.servfails += 1
        self._tell(waiter, servfail(waiter[0], reason), now, servfail_reason(waiter[0], reason))

    def _tell(self, waiter: Waiter, answer: bytes, now: float, reason: str = "") -> None:
        """Send an answer; of failures a network gets only so many."""
        plan, tag, client, send = waiter
        if rcode := answer[1] & RCODE:
            self.errors[plan.fate, rcode] += 1
            if plan.query is not None:
                reason = reason or self.tables.reasons.known(plan.query.name)
            if not plan.tells:  # asked by our own tools
                self.failures.answer(plan, rcode, client, reason, now)
            if mercy := self.policy.tolerates(client, now):
                if mercy == DROPPED or plan.query is None:
                    return
                answer = truncated(plan.query)
        send((tag + answer, client))

    def _end(self, flight: Flight) -> None:
        flight.done = True
        if flight.key is not None and self.flights.get(flight.key) is flight:
            del self.flights[flight.key]
