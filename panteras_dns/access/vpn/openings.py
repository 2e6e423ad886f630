"""Which places are open to which client of the VPN: sets of addresses, and where the services are just now. Pure.

A client without a limit may go wherever the door leads. One with a limit reaches the instances of its services: a
service that is named in full is open from the start, one that only a pattern covers once its name was asked for.
"""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from panteras_dns.access.lookup import Place
from panteras_dns.access.names import matches
from panteras_dns.access.reach import service_name
from panteras_dns.access.settings import Network

_OLD = 30.0  # seconds that what the DNS said is relied on when it says nothing more: the time of a restart
_MOST_NAMES = 256  # services that one client may have opened; the one opened first goes
_WILD = set("*?")


@dataclass(frozen=True)
class Open:
    """What the firewall lets through: clients without a limit; (client, address, port) for those with one."""

    free: frozenset[str] = frozenset()
    places: frozenset[tuple[str, str, int]] = frozenset()


@dataclass
class _Session:
    addresses: Sequence[str]
    patterns: tuple[str, ...]
    names: dict[str, None] = field(default_factory=dict)  # DNS names of services, oldest first


@dataclass
class _Service:
    instances: Collection[Place] = ()
    known: float = float("-inf")


class Openings:
    """*networks*: where instances may be."""

    def __init__(self, networks: Sequence[Network], domain: str) -> None:
        self._networks = networks
        self._domain = domain
        self._sessions: dict[str, _Session] = {}  # by each of a client's addresses
        self._services: dict[str, _Service] = {}  # by DNS name

    def begin(self, addresses: Sequence[str], patterns: tuple[str, ...]) -> None:
        """A client has *addresses* now; *patterns*: its services, () for no limit."""
        self.end(addresses)
        session = _Session(addresses, patterns)
        for pattern in patterns:
            if not _WILD & set(pattern):
                session.names[f"{pattern}.service.{self._domain}"] = None
        for address in addresses:
            self._sessions[address] = session

    def end(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            self._sessions.pop(address, None)
        for name in self._services.keys() - self.names():
            del self._services[name]

    def knows(self, address: str) -> bool:
        """Whether a client is there."""
        return address in self._sessions

    def asked(self, address: str, name: str) -> str | None:
        """The client at *address* asked for *name*: the service that this opens, if it is a new one."""
        session, service = self._sessions.get(address), service_name(name, self._domain)
        if session is None or service is None or service in session.names:
            return None
        if not matches(service.partition(".")[0], session.patterns):
            return None
        session.names[service] = None
        while len(session.names) > _MOST_NAMES:
            del session.names[next(iter(session.names))]
        return service

    def names(self) -> set[str]:
        """The services that somebody may reach, by their DNS names: what has to be looked up again and again."""
        return {name for session in self._sessions.values() for name in session.names}

    def unseen(self) -> set[str]:
        """Those of them that were not found yet."""
        return self.names() - self._services.keys()

    def found(self, name: str, instances: Collection[Place], now: float) -> None:
        """The DNS says where *name* is."""
        self._services[name] = _Service([one for one in instances if self._within(one[0])], now)

    def unknown(self, name: str, now: float) -> None:
        """The DNS gave no answer: what it said last holds for a while."""
        if name in self._services and now - self._services[name].known >= _OLD:
            del self._services[name]

    def open(self) -> Open:
        free, places = set(), set()
        for address, session in self._sessions.items():
            if not session.patterns:
                free.add(address)
            for name in session.names:
                for place, port in self._services.get(name, _Service()).instances:
                    if (":" in place) == (":" in address):
                        places.add((address, place, port))
        return Open(frozenset(free), frozenset(places))

    def _within(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        if found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
            return False  # that would be the door itself, or no single host
        return any(found in network for network in self._networks)
