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
    named: frozenset[str]  # DNS names of the services that are named in full
    asked: dict[str, None] = field(default_factory=dict)  # of those that a pattern covers, oldest first

    @property
    def names(self) -> set[str]:
        return {*self.named, *self.asked}


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
        named = frozenset(f"{one}.service.{self._domain}" for one in patterns if not _WILD & set(one))
        session = _Session(addresses, patterns, named)
        for address in addresses:
            self._sessions[address] = session

    def end(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            self._sessions.pop(address, None)
        self._forget()

    def asked(self, address: str, name: str) -> str | None:
        """The client at *address* asked for *name*: the service that this opens, if it is not open yet."""
        session, service = self._sessions.get(address), service_name(name, self._domain)
        if session is None or service is None or not matches(service.partition(".")[0], session.patterns):
            return None
        return None if service in session.names and service in self._services else service

    def came_true(self, address: str, service: str, instances: Collection[Place], now: float) -> None:
        """The DNS says where a service is that `asked` named. One without instances is not watched: who asks for what
        is not there has nobody look for it again and again."""
        if self.asked(address, service) is None or not instances:
            return  # another client has the address meanwhile, or it is open by now
        session = self._sessions[address]
        if service not in session.named:
            session.asked[service] = None
        self.found(service, instances, now)
        while len(session.asked) > _MOST_NAMES:
            del session.asked[next(iter(session.asked))]
            self._forget()

    def names(self) -> set[str]:
        """The services that somebody may reach, by their DNS names: what has to be looked up again and again."""
        return {name for session in self._sessions.values() for name in session.names}

    def unseen(self, address: str) -> set[str]:
        """Those of the client at *address* that were not found yet."""
        session = self._sessions.get(address)
        return session.names - self._services.keys() if session else set()

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

    def _forget(self) -> None:
        """What nobody may reach any more."""
        for name in self._services.keys() - self.names():
            del self._services[name]

    def _within(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        if found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
            return False  # that would be the door itself, or no single host
        return any(found in network for network in self._networks)
