"""What clients get when the servers fail: an answer whose time is over, or the last good one of a Consul route.

Both are marked as such (finish.py), and both are counted. Pure.
"""

from panteras_dns.cache import Cache, Entry
from panteras_dns.finish import insured, stale
from panteras_dns.flights import Flight, Waiter
from panteras_dns.insurance import Insurance
from panteras_dns.plan import Plan
from panteras_dns.planner import Tables
from panteras_dns.wire import NOERROR, Reply


class Rescue:
    """*cache* keeps the general upstreams' answers; those of Consul are never there, but may be insured."""

    def __init__(self, cache: Cache) -> None:
        self.insurance = Insurance()
        self.stale_served = 0
        self._cache = cache

    def keep(self, plan: Plan, reply: Reply, body: bytes, answer: bytes, now: float) -> None:
        """Remember what was finished, and what may be needed when the servers fail."""
        good = reply.rcode == NOERROR and bool(reply.section(1))
        if good:
            plan.remember(body, answer)
        if plan.route and plan.route.insurance and plan.query:
            if good:
                plan.insured = self.insurance.keep(plan.question, body, now)
            else:
                self.insurance.forget(plan.question)

    def claim(self, flight: Flight, tables: Tables, now: float) -> bool:
        """Give the last good answer, where that is wanted and there is one."""
        route, query = flight.plan.route, flight.plan.query
        if route is None or query is None or not route.insurance or flight.held is not None:
            return False
        reply = self.insurance.claim(flight.plan.question, route.insurance, now)
        if reply is None:
            return False
        for plan, tag, client, send in flight.waiting:
            send((tag + insured(plan, reply, tables), client))
        return True

    def serve_stale(self, waiting: list[Waiter], entry: Entry | None) -> bool:
        """Give the answer whose time is over, if there is one."""
        if entry is None:
            return False
        for plan, tag, client, send in waiting:
            self.stale_served += 1
            send((tag + stale(plan, entry), client))
        return True

    def landed_badly(self, flight: Flight, now: float) -> bool:
        """Nobody could answer the flight's question: note it, and give the stale answer if there is one."""
        if not flight.plan.cached or flight.key is None:
            return False
        self._cache.fail(flight.key, now)
        return self.serve_stale(flight.waiting, self._cache.get(flight.key, now))
