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
# What Consul looks for in a name, from the right: the first of these says what kind of name it is.
_KINDS = {"service", "connect", "ingress", "virtual", "node", "query", "addr"}
_MOST_NAMES = 1024  # addresses with a name, services watched; the one longest unused goes


class Denied(Exception):
    """This place is not for this identity."""


@dataclass
class _Watched:
    """Where a service is, when the DNS said so, and when it was asked last."""

    instances: set[Place] = field(default_factory=set)
    known: float = float("-inf")
    tried: float = float("-inf")


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
        for pattern in patterns:
            if not set("*?") & set(pattern):
                self._watched[f"{pattern}.service.{domain}"] = _Watched()

    def learn(self, name: str, addresses: set[str]) -> None:
        """The DNS said through the tunnel that *name* is at *addresses*."""
        asked = service_name(name, self._domain)
        if asked is None:
            return
        service = asked.partition(".")[0]
        if self._patterns and matches(service, self._patterns) and asked not in self._watched:
            self._watched[asked] = _Watched()
            while len(self._watched) > _MOST_NAMES:
                self._watched.popitem(last=False)
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
        for name in self._candidates(address):
            if place in self._instances(name):
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
        return any(found in network for network in self._networks)

    def _candidates(self, address: str) -> Sequence[str]:
        """The names that may be at *address*: first that which was resolved to it, then all that are named in full."""
        first = self._names.get(address, "")
        return [name for name in (first, *reversed(self._watched)) if name in self._watched]

    def _instances(self, name: str) -> set[Place]:
        watched, now = self._watched[name], self._clock()
        if now - watched.tried >= _FRESH:
            watched.tried = now
            try:
                watched.instances = self._find(name)
                watched.known = now
            except Unknown:
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
