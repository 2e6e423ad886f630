"""A question on its way that takes more than one try, or that several clients wait for.

An *ask* is what a server's socket keeps until the reply: (plan, id, client, reply, since, flight). The first try of a
question that nobody else waits for has no flight: one tuple is all it costs.
"""

from collections.abc import Callable
from typing import Any

from panteras_dns.plan import Plan
from panteras_dns.upstream import RACE, Carrier
from panteras_dns.wire import Reply

Client = Any
Send = Callable[[tuple[bytes, Client]], Any]
Waiter = tuple[Plan, bytes, Client, Send]  # who waits: the plan of their query, its id, where the answer goes
Ask = tuple[Plan, bytes, Client, Any, float, "Flight | None"]  # the fourth a Send, but for a flight

LAST_MOMENT = 4.2  # seconds: a stub resolver's own time-out is 5


class Flight:
    """Who waits for an answer, whom it was asked of, and how many tries are left."""

    __slots__ = ("done", "held", "in_air", "key", "left", "plan", "reason", "since", "streamed", "tried", "waiting")

    def __init__(self, plan: Plan, since: float) -> None:
        self.plan = plan
        self.key = plan.key
        self.since = since
        self.left = plan.group.attempts if plan.group else 0
        self.tried: list[Carrier] = []
        self.streamed: list[Carrier] = []  # asked over TCP
        self.waiting: list[Waiter] = []
        self.reason = ""
        self.in_air = 0  # asks on their way
        self.held: Reply | None = None  # a "no" that waits for a second answer (detours)
        self.done = False  # whatever still arrives comes too late

    def next_try(self, now: float) -> bool:
        """Ask the next server, passing over those that can't take it; False when there is nothing left to try."""
        group = self.plan.group
        assert group is not None
        if group.policy == RACE and not self.tried:
            self.tried = [server for server in group.racers() if self._try(server, now)]
            self.left -= 1
        while not self.in_air and self.left > 0 and now - self.since < LAST_MOMENT - group.timeout:
            server = group.choose(self.tried)
            if server is None:
                nobody = "every server for this name leads back here" if group.carriers else "no server for this name"
                self.reason = self.reason or nobody
                break
            self.left -= 1
            self.tried.append(server)
            self._try(server, now)
        return bool(self.in_air)

    def _try(self, server: Carrier, now: float) -> bool:
        # Who asks over TCP is asked for over TCP (RFC 5625 4.4.1), once: a firewall may be in the way.
        streams = self.plan.over_tcp and len(self.tried) < 2
        if streams:
            self.streamed.append(server)
        ask = self._ask(now)
        if (streams and server.ask_tcp(ask, self.plan.packet)) or server.ask(ask, self.plan.packet):
            self.in_air += 1
            return True
        self.reason = f"{server.health.label} {server.health.untaken}"
        return False

    def over_tcp(self, server: Carrier, now: float) -> bool:
        """Ask the same server over TCP, once: its answer did not fit a datagram."""
        if server in self.streamed:
            return False
        self.streamed.append(server)
        if not server.ask_tcp(self._ask(now), self.plan.packet):
            return False
        self.in_air += 1
        return True

    def elsewhere(self, now: float) -> bool:
        """After SERVFAIL, REFUSED and the like: whether another server is asked, or is on its way to answer."""
        group = self.plan.group
        assert group is not None
        if not self.in_air and any(other not in self.tried for other in group.carriers):
            return self.next_try(now)
        return bool(self.in_air)

    def go_round(self, other: Plan, held: Reply | None) -> None:
        """Ask *other* in place of the plan; what is *held* waits for the answer."""
        self.held = held
        self.in_air = 0  # what still flies for the old question is nothing to us
        self.plan, self.tried = other, []
        self.left = other.group.attempts if other.group else 0

    def _ask(self, now: float) -> Ask:
        return (self.plan, b"", None, _nobody, now, self)


def flight_of(ask: Ask, server: Carrier) -> Flight:
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


def landed(plan: Plan) -> Flight:
    """A flight that nobody waits for: any answer to it only says that the server lives."""
    flight = Flight(plan, 0.0)
    flight.done = True
    return flight


def _nobody(_: tuple[bytes, Client]) -> None:
    """Where the answer to a flight's ask goes: its waiting clients are in the flight itself."""
