"""What an identity may reach: the door's networks, and within them the instances of its services.

An instance is an address and a port that the DNS names now. A service that only a pattern covers is known once its
name was asked for through the tunnel: to resolve a name is what opens it.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from panteras_dns.access.lookup import Place, Unknown
from panteras_dns.access.names import matches
from panteras_dns.access.settings import Network

_FRESH = 1.0  # seconds that an answer is relied on
_OLD = 30.0  # seconds that it is, when the DNS gives none: the time of a restart
_PAUSE = 2.0  # seconds that nobody is asked for after a silence: each one holds the whole tunnel up for half a second
_LONGEST_PAUSE = 4.0  # seconds, after several, for one name: a datacenter may be dead for hours
_BUDGET = 0.5  # seconds of asking for one connect
# What Consul looks for in a name, from the right: the first of these says what kind of name it is.
_KINDS = {"service", "connect", "ingress", "virtual", "node", "query", "addr"}
_MOST_NAMES = 1024  # addresses with a name, services watched; the one longest unused goes


class Denied(Exception):
    """This place is not for this identity."""


@dataclass
class _Watched:
    """Where a service is, when the DNS said so, and when it may be asked again."""

    instances: set[Place] = field(default_factory=set)
    known: float = float("-inf")
    next: float = float("-inf")
    pause: float = _FRESH


class Reach:
    """*patterns*: () for no limit beyond *networks*. *find*: a service's DNS name to its instances, or Unknown."""

    def __init__(
        self,
        networks: Sequence[Network],
        patterns: tuple[str, ...],
        domain: str,
        dns: str,
        find: Callable[[str], set[Place]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._networks = networks
        self._patterns = patterns
        self._domain = domain
        self._dns: Place = (dns, 53)  # answers too long for UDP come over TCP
        self._find = find
        self._clock = clock
        self._names: OrderedDict[str, str] = OrderedDict()  # address -> the DNS name it was resolved from
        self._watched: OrderedDict[str, _Watched] = OrderedDict()  # by DNS name
        self._silent_until = float("-inf")
        for pattern in patterns:
            if not set("*?") & set(pattern):
                self._watched[f"{pattern}.service.{domain}"] = _Watched()

    def learn(self, name: str, addresses: set[str]) -> None:
        """The DNS said through the tunnel that *name* is at *addresses*."""
        asked = service_name(name, self._domain)
        if asked is None:
            return
        service = asked.partition(".")[0]
        if self._patterns and matches(service, self._patterns):
            if asked not in self._watched:
                self._watched[asked] = _Watched()
                while len(self._watched) > _MOST_NAMES:
                    self._watched.popitem(last=False)
            if self._watched[asked].pause > _FRESH:  # it was silent, and is not any more
                self._watched[asked].next = self._silent_until = float("-inf")
        for address in addresses:
            self._names[address] = asked
            self._names.move_to_end(address)
        while len(self._names) > _MOST_NAMES:
            self._names.popitem(last=False)

    def enter(self, address: str, port: int) -> str:
        """The service at that place, "" when nobody named it; Denied when it is not for this identity."""
        place = (address, port)
        if place == self._dns:
            return ""
        if not self._within(address):
            raise Denied("not in the networks of this door")
        if not self._patterns:
            return self._names.get(address, "").partition(".")[0]
        until = self._clock() + _BUDGET
        for name in self._candidates(address):
            if place in self._instances(name, until):
                self._watched.move_to_end(name)
                return name.partition(".")[0]
        raise Denied("not an instance of a service of this identity")

    def _within(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
            return False  # that would be the container itself, or no single host
        if getattr(found, "ipv4_mapped", None):
            return False  # a second name for an IPv4 address, which has to be asked for by its own
        return any(found in network for network in self._networks)

    def _candidates(self, address: str) -> Sequence[str]:
        """The names that may be at *address*: that which was resolved to it before all others, the silent ones last."""
        first = self._names.get(address, "")
        found = [name for name in (first, *reversed(self._watched)) if name in self._watched]
        return sorted(found, key=lambda name: self._watched[name].pause)

    def _instances(self, name: str, until: float) -> set[Place]:
        watched, now = self._watched[name], self._clock()
        if now >= max(watched.next, self._silent_until) and now < until:
            try:
                watched.instances, watched.known, watched.pause = self._find(name), now, _FRESH
            except Unknown:
                watched.pause = min(2 * watched.pause, _LONGEST_PAUSE)
                self._silent_until = self._clock() + _PAUSE
            watched.next = now + watched.pause
        if now - watched.known >= _OLD:
            watched.instances = set()
        return watched.instances


def service_name(name: str, domain: str) -> str | None:
    """`SERVICE.service.DOMAIN` or `SERVICE.service.DATACENTER.DOMAIN` of a name, without tags; None for others."""
    inner = name.removesuffix(f".{domain}")
    if inner == name:
        return None
    labels = inner.split(".")
    # As Consul does: python1.service.secret.connect.consul is a name of secret, not of python1.
    at = next((at for at in reversed(range(len(labels))) if labels[at] in _KINDS or labels[at].startswith("_")), 0)
    if at == 0 or labels[at] != "service":
        return None
    service, rest = labels[at - 1], labels[at:]
    if at == 2 and labels[0].startswith("_") and service.startswith("_"):  # RFC 2782: _web._tcp.service.consul
        service = labels[0][1:]
    return ".".join((service, *rest, domain))
