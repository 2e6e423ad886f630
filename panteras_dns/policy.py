"""May this client ask, and how fast: one verdict a query.

An access list of networks and a token bucket per client, kept as the time at which the bucket would be full
again (GCRA: one number, and a client whose time has passed can be forgotten). Clients are kept up to `most`;
when full, those whose buckets are full go first, then all: a flood of addresses costs memory to nobody.
"""

import ipaddress
import math
from collections.abc import Callable, Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Host = bytes | str

ADMITTED, REFUSED, LIMITED = range(3)
ANSWERED, SLIPPED, DROPPED = range(3)

_MOST = 20_000
_FAILURE_BURST = 2.0  # seconds' worth of failures at once
_PREFIX = {4: 3, 16: 7}  # octets of an address that are one network: /24 and /56
_LOOK = 0.1  # seconds between two looks at the networks: strangers in numbers must not cost much


class Policy:
    """Networks that may ask, and how many queries a second each client outside loopback may send."""

    def __init__(
        self,
        allowed: Callable[[], Iterable[Network]],
        rate: float = 5_000,
        burst: float = 10_000,
        failures: float = 500,
    ) -> None:
        self._look = allowed  # asked again before a stranger is refused: a new docker network has new clients
        self._looked = -math.inf
        self._allowed: tuple[Network, ...] = tuple(allowed())
        self._cost = 1 / rate if rate else 0.0
        self.slack = burst * self._cost
        self.clients: dict[Host, list[float]] = {}  # host -> [when its bucket is full again, cost of a query]
        self._denied: set[Host] = set()
        self._failure_cost = 1 / failures if failures else 0.0
        self._failure_slack = failures * _FAILURE_BURST * self._failure_cost
        self._failures: dict[Host, float] = {}
        self.refused = self.slipped = 0
        self.limited = 0

    def verdict(self, host: Host, now: float) -> int:
        """ADMITTED, REFUSED (not on the list) or LIMITED (too fast). *host* as batch hands it over."""
        client = self.clients.get(host)
        if client is None:
            return self._meet(host, now)
        full_at = client[0]
        if full_at < now:
            client[0] = now + client[1]
        elif full_at - now <= self.slack:
            client[0] = full_at + client[1]
        else:
            self.limited += 1
            return LIMITED
        return ADMITTED

    def tolerates(self, client: object, now: float) -> int:
        """ANSWERED, SLIPPED (a truncated answer: a real client asks again over TCP) or DROPPED: what becomes of a
        failure that is to be told to *client*, an address as batch hands it over. Failures are what a forged address
        can always have, so a network gets only so many (RRL); connections have shown that they are real."""
        host = host_of(client)
        if host is None or not self._failure_cost:
            return ANSWERED
        place = host[: _PREFIX.get(len(host), len(host))]
        full_at = max(self._failures.get(place, now), now)
        if full_at - now <= self._failure_slack:
            if len(self._failures) >= _MOST:
                self._failures.clear()
            self._failures[place] = full_at + self._failure_cost
            return ANSWERED
        self.slipped += 1
        return SLIPPED if self.slipped % 2 else DROPPED

    def _meet(self, host: Host, now: float) -> int:
        if host in self._denied:
            self.refused += 1
            return REFUSED
        address = ipaddress.ip_address(host)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if len(self._denied) >= _MOST:
            self._denied.clear()
        if not self._listed(address, now):
            self._denied.add(host)
            self.refused += 1
            return REFUSED
        if len(self.clients) >= _MOST:
            self._forget(now)
        # Loopback can't be spoofed from outside, and is the host itself.
        cost = 0.0 if address.is_loopback else self._cost
        self.clients[host] = [now + cost, cost]
        return ADMITTED

    def _listed(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, now: float) -> bool:
        def found() -> bool:
            return any(address in network for network in self._allowed if network.version == address.version)

        if found():
            return True
        if now - self._looked < _LOOK:
            return False
        self._looked = now
        self._allowed = tuple(self._look())
        return found()

    def _forget(self, now: float) -> None:
        # In place: the fast path holds the dict.
        for host in [host for host, client in self.clients.items() if client[0] <= now]:
            del self.clients[host]
        if len(self.clients) >= _MOST:
            self.clients.clear()


def host_of(client: object) -> Host | None:
    """The host in a UDP client's address as batch hands it over; None for a connection and for loopback."""
    if isinstance(client, bytes):
        host: Host = client[4:8] if len(client) == 16 else client[8:24]
        return None if (host[0] == 127 and len(host) == 4) or host == _LOOPBACK_6 else host
    if isinstance(client, tuple):
        return None if client[0].startswith("127.") or client[0] == "::1" else client[0]
    return None


_LOOPBACK_6 = bytes(15) + b"\1"
