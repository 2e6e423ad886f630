"""One server's health, and in which order a group's servers are tried.

Passive: a failure marks a server, any answer clears it. A probe is due only while it is marked, at growing
intervals. When all are marked, the one marked longest is tried anyway. No sockets and no clock in here: *now*
is handed in, and `Carrier` is whoever carries the questions (exchange.py).
"""

import random
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

SEQUENTIAL, RANDOM, FASTEST, RACE = "sequential", "random", "fastest", "race"
POLICIES = (SEQUENTIAL, RANDOM, FASTEST, RACE)

PROBE_FIRST, PROBE_SLOWEST = 0.5, 8.0  # seconds between probes of a marked server: doubling
BUCKETS = 48  # latency histogram: bucket n holds answers below 2**n / SCALE seconds; a suspended machine has long ones
SCALE = 8192

_EXPLORE = 50  # of the fastest policy: one question in so many goes to another server, to learn its speed


class Carrier(Protocol):
    """What carries questions to one server."""

    health: "Health"

    def ask(self, ask: Any, body: bytes) -> bool:
        """Send *body* with an id of its own, remember *ask* until the reply; False when it can't, and why in
        `health.untaken`."""

    def ask_tcp(self, ask: Any, body: bytes) -> bool:
        """The same over TCP."""


class Health:
    """What one server's answers, and their absence, say about it."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.down_since: float | None = None
        self.reason = ""
        self.untaken = ""  # why the last question that was not taken was not
        self.cut = False  # it leads back to us (loops): not asked until that is over
        self.rtt = 0.0  # seconds, smoothed
        self.latency = [0] * BUCKETS
        self.answered = self.timeouts = self.refused = self.strays = self.full = 0
        self.waited = 0.0  # seconds for all answers; those of one turn count as the last of them
        self.changed: Callable[[Health], None] = lambda health: None
        self._probe_at = 0.0
        self._pause = PROBE_FIRST

    @property
    def usable(self) -> bool:
        """Neither marked nor cut."""
        return self.down_since is None and not self.cut

    def answer(self, took: float, count: int = 1) -> None:
        """*count* answers, the last after *took* seconds. Any answer means alive."""
        self.answered += count
        self.waited += took * count
        self.rtt += (took - self.rtt) * 0.125 if self.rtt else took
        if self.down_since is not None:
            self.down_since = None
            self._pause = PROBE_FIRST
            self.changed(self)

    def failure(self, reason: str, now: float) -> None:
        """A question got no answer: *reason* is a word for people."""
        first = self.down_since is None
        if first:
            self.down_since = self._probe_at = now
        if first or reason != self.reason:
            self.reason = reason
            self.changed(self)

    def turn_away(self, reason: str = "has too many questions open") -> bool:
        """A question was not taken, for want of something of ours: that says nothing about the server. False, for
        those who tell so."""
        self.full += 1
        self.untaken = reason
        return False

    def probe_due(self, now: float) -> bool:
        """Whether a marked server should be asked now if it is back; the next time is set at once."""
        if self.down_since is None or now < self._probe_at:
            return False
        self._probe_at = now + self._pause
        self._pause = min(self._pause * 2, PROBE_SLOWEST)
        return True


class Lanes:
    """The same servers once more for each datacenter, with their own sockets, bounds and health: one that is dead
    can't starve the others. Made when first asked for; after *most* of them the rest share one."""

    def __init__(self, make: Callable[[bytes], "Group"], most: int = 16) -> None:
        self._make = make
        self._most = most
        self._groups: dict[bytes, Group] = {}

    def group(self, datacenter: bytes) -> "Group":
        """The group for names of that datacenter (a label with its length octet)."""
        if datacenter not in self._groups and len(self._groups) >= self._most:
            datacenter = b""
        if datacenter not in self._groups:
            self._groups[datacenter] = self._make(datacenter)
        return self._groups[datacenter]


class Group:
    """Servers that share suffixes. `first` is the one to ask when it takes no thought, else None."""

    def __init__(
        self, carriers: Sequence[Carrier], policy: str = SEQUENTIAL, timeout: float = 0.8, attempts: int = 3
    ) -> None:
        self.carriers = list(carriers)
        self.policy = policy
        self.timeout = timeout
        self.attempts = attempts
        self.first: Carrier | None = None
        self.refresh()

    def refresh(self) -> None:
        """Work out `first` again: a server was marked or cleared."""
        alive = [carrier for carrier in self.carriers if carrier.health.usable]
        plain = self.policy == SEQUENTIAL or len(self.carriers) == 1
        self.first = alive[0] if alive and plain else None

    def choose(self, tried: Collection[Carrier] = ()) -> Carrier | None:
        """Whom to ask next, after those that were *tried*; None without any server that could be asked."""
        open_ways = [carrier for carrier in self.carriers if not carrier.health.cut]
        if not open_ways:
            return None
        untried = [carrier for carrier in open_ways if carrier not in tried] or open_ways
        alive = [carrier for carrier in untried if carrier.health.down_since is None]
        if not alive:
            return min(untried, key=lambda carrier: carrier.health.down_since or 0.0)
        if self.policy == RANDOM:
            return random.choice(alive)
        if self.policy == FASTEST and random.randrange(_EXPLORE):
            return min(alive, key=lambda carrier: carrier.health.rtt)
        return random.choice(alive) if self.policy == FASTEST else alive[0]

    def racers(self) -> list[Carrier]:
        """Whom to ask at once under the race policy."""
        alive = [carrier for carrier in self.carriers if carrier.health.usable]
        return alive or [carrier for carrier in self.carriers if not carrier.health.cut][:1]
