"""The last answers that were no help, with what is known of the reason: what `/failures` and `explain --at` show.

A ring of *most*; the oldest goes. Pure: a client, a name and words are written down on the way of an answer that was
not the fast one. A name that nobody but its client ever heard of (NXDOMAIN of a general upstream) is no failure.
"""

import ipaddress
from collections import deque
from collections.abc import Iterable
from itertools import islice

from panteras_dns.plan import Plan
from panteras_dns.planner import FENCED, UNROUTED
from panteras_dns.wire import NXDOMAIN

MOST = 2000
_LOOKED_BACK = 200  # failures that get a reason which is found out a moment later

STRANGER = "PAN103 this client is not on the access list"
_OF_FATE = {"fenced": FENCED, "unrouted": UNROUTED}


class Failure:
    """One answer. *at* is monotonic, *name* in wire form, *client* as batch hands it over or a connection's host."""

    __slots__ = ("at", "client", "name", "rcode", "reason", "route", "type")

    def __init__(self, plan: Plan, rcode: int, client: object, reason: str, at: float) -> None:
        query = plan.query
        self.name = query.name if query else b"\0"
        self.type = query.type if query else 0
        self.route, self.rcode = plan.fate, rcode
        self.client = client if isinstance(client, bytes | tuple) else getattr(client, "host", "")
        self.reason, self.at = reason or _OF_FATE.get(plan.fate, ""), at


class Failures:
    """`count` goes on for ever: a reader asks for what came after the last one that it has seen."""

    def __init__(self, most: int = MOST) -> None:
        self.count = 0
        self._kept: deque[Failure] = deque(maxlen=most)

    def note(self, failure: Failure) -> None:
        self.count += 1
        self._kept.append(failure)

    def answer(self, plan: Plan, rcode: int, client: object, reason: str, at: float) -> None:
        """An answer with that rcode goes to *client*; kept if it is a failure of somebody."""
        if rcode != NXDOMAIN or plan.fate == "fenced" or (plan.route is not None and plan.route.consul):
            self.note(Failure(plan, rcode, client, reason, at))

    def explain(self, name: bytes, reason: str) -> None:
        """The reason for *name* was found out: also for those who were told without it."""
        for failure in islice(reversed(self._kept), _LOOKED_BACK):
            if failure.name == name and not failure.reason:
                failure.reason = reason

    def since(self, number: int, most: int) -> Iterable[Failure]:
        """The last *most* of those that came after the first *number*, oldest first."""
        new = min(self.count - number, most, len(self._kept))
        return islice(self._kept, len(self._kept) - new, None) if new > 0 else ()


def host_text(client: object) -> str:
    """The client's host as people write it: of an address as batch hands it over, or a host's text."""
    if isinstance(client, bytes):
        found = ipaddress.ip_address(client[4:8] if len(client) == 16 else client[8:24])
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return str(mapped or found)
    return str(client[0]) if isinstance(client, tuple) else str(client)
