"""Names answered here: records of the configuration, hosts files, special-use names.

Compiled to wire form when loaded (dnslib); a question costs a dict lookup. A table is never changed, only
replaced. A *closed* zone answers NXDOMAIN for names it does not have; other names are nobody's business here.
"""

import ipaddress
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dnslib import RR
from dnslib.label import DNSBuffer

from panteras_dns.answer import message
from panteras_dns.names import suffixes, wire_name
from panteras_dns.wire import (
    AA,
    AAAA,
    ANY,
    CNAME,
    IN,
    NOERROR,
    NXDOMAIN,
    PTR,
    QR,
    RA,
    SOA,
    SRV,
    A,
    Query,
    Reply,
    read_reply,
)

_FIXED = struct.Struct("!HHLH")
_NEGATIVE_TTL = 60
_ARPA = b"\4arpa\0"
_ASKED = b"\xc0\x0c"  # a pointer to the question: the name in the client's own spelling


@dataclass(frozen=True, slots=True)
class Static:
    """One record in wire form."""

    name: bytes
    type: int
    ttl: int
    data: bytes

    def wire(self) -> bytes:
        return self.name + _FIXED.pack(self.type, IN, self.ttl, len(self.data)) + self.data


@dataclass(frozen=True)
class Records:
    """(name, type) -> records, the names there are, and the zones that have no others.

    *spread* names answer for everything below them too (localhost).
    """

    table: Mapping[tuple[bytes, int], tuple[Static, ...]] = field(default_factory=dict)
    closed: Mapping[bytes, int] = field(default_factory=dict)  # zone -> TTL of its negative answers
    spread: frozenset[bytes] = frozenset()
    names: frozenset[bytes] = frozenset()
    empty: frozenset[bytes] = frozenset()  # closed zones in which every name exists and has no data
    parents: frozenset[bytes] = frozenset()  # names that only exist because others lie below them

    def find(self, query: Query) -> Reply | None:
        """The reply to a question of class IN, or None when its name is not answered here."""
        if query.cls != IN:
            return None
        name = query.name
        if name not in self.names:
            spread = next((suffix for suffix in suffixes(name) if suffix in self.spread), None)
            if spread is None:
                return self._absent(query)
            name = spread
        return self._present(query, name)

    def _present(self, query: Query, name: bytes) -> Reply:
        kinds = (query.type,) if query.type != ANY else (A, AAAA)
        found = [record for kind in kinds for record in self.table.get((name, kind), ())]
        answer = [Static(_ASKED, r.type, r.ttl, r.data).wire() for r in found]
        alias = self.table.get((name, CNAME), ())
        if not found and alias:
            target = alias[0].data
            link = Static(_ASKED, CNAME, alias[0].ttl, target)
            answer = [link.wire(), *(r.wire() for r in self.table.get((target, query.type), ()))]
        targets = [record.data[6:] for record in found if record.type == SRV]
        extra = [r.wire() for target in targets for kind in (A, AAAA) for r in self.table.get((target, kind), ())]
        authority = [] if answer else self._soa(name)
        return _reply(query, NOERROR, answer, authority, extra)

    def _absent(self, query: Query) -> Reply | None:
        for zone in suffixes(query.name):
            if zone in self.closed:
                # The apex of a reverse zone is a zone's (RFC 6303 3); below an empty one everything exists (RFC 9462).
                apex = query.name == zone and (zone.endswith(_ARPA) or zone in self.empty)
                exists = query.name in self.parents or apex or zone in self.empty
                answer = self._soa(zone) if apex and query.type == SOA else []
                return _reply(query, NOERROR if exists else NXDOMAIN, answer, [] if answer else self._soa(zone), [])
        return None

    def _soa(self, name: bytes) -> list[bytes]:
        zone = next((zone for zone in suffixes(name) if zone in self.closed), name)
        ttl = self.closed.get(zone, _NEGATIVE_TTL)
        return [Static(zone, SOA, ttl, zone + b"\0" + struct.pack("!5L", 1, 3600, 600, 86400, ttl)).wire()]


def _reply(query: Query, rcode: int, answer: list[bytes], authority: list[bytes], extra: list[bytes]) -> Reply:
    return read_reply(message(query, QR | AA | RA | rcode, (answer, authority, extra)))


def compile_records(
    statics: Iterable[Static],
    closed: Mapping[bytes, int] | None = None,
    spread: Iterable[bytes] = (),
    empty: Iterable[bytes] = (),
) -> Records:
    """A table from records in any order."""
    table: dict[tuple[bytes, int], list[Static]] = {}
    for static in statics:
        table.setdefault((static.name, static.type), []).append(static)
    names = frozenset(name for name, _ in table)
    parents = frozenset(parent for name in names for parent in suffixes(name)) - names
    whole = {key: tuple(dict.fromkeys(found)) for key, found in table.items()}
    return Records(whole, closed or {}, frozenset(spread), names, frozenset(empty), parents)


def parse_record(name: str, kind: str, data: str, ttl: int) -> Static:
    """One record from its presentation form (RFC 1035 5.1). ValueError says what is wrong with it."""
    owner = wire_name(name)
    try:
        found = RR.fromZone(f"x. {ttl} IN {kind} {data}", origin=".")
    except Exception as error:  # dnslib raises whatever its parser met
        raise ValueError(f"not the data of a {kind} record: {data!r}") from error
    if len(found) != 1:
        raise ValueError(f"not the data of one {kind} record: {data!r}")
    buffer = _Uncompressed()
    found[0].rdata.pack(buffer)
    return Static(owner, found[0].rtype, ttl, bytes(buffer.data))


class _Uncompressed(DNSBuffer):  # type: ignore[misc]  # dnslib has no types
    """dnslib's buffer without compression: what it packs is copied to any place of any message."""

    encode_name = DNSBuffer.encode_name_nocompress


def parse_hosts(text: str, ttl: int = 60) -> list[Static]:
    """A hosts file (hosts(5)): addresses and PTR. Lines that say nothing usable are left out, as libc does."""
    found: list[Static] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        try:
            address = ipaddress.ip_address(words[0].split("%")[0]) if words else None
            names = [wire_name(word) for word in words[1:]]
        except ValueError:
            continue
        if address is None or not names:
            continue
        kind = A if address.version == 4 else AAAA
        found += [Static(name, kind, ttl, address.packed) for name in names]
        found.append(Static(wire_name(address.reverse_pointer), PTR, ttl, names[0]))
    return list(dict.fromkeys(found))


# Names that must not be asked of anybody: RFC 6761, 6762 22.1, 7686, 9476, 6303, 9462, 8375, and ICANN's
# `internal`. A route for one of them, or a record, comes first: that is how to use them in a network of one's own.
_NOWHERE = (
    "invalid test onion alt local internal home.arpa "
    "0.in-addr.arpa 10.in-addr.arpa 168.192.in-addr.arpa 254.169.in-addr.arpa 127.in-addr.arpa "
    "2.0.192.in-addr.arpa 100.51.198.in-addr.arpa 113.0.203.in-addr.arpa 255.255.255.255.in-addr.arpa "
    "d.f.ip6.arpa 8.e.f.ip6.arpa 9.e.f.ip6.arpa a.e.f.ip6.arpa b.e.f.ip6.arpa 8.b.d.0.1.0.0.2.ip6.arpa "
    + " ".join(f"{number}.172.in-addr.arpa" for number in range(16, 32))
    + f" {'0.' * 32}ip6.arpa "
    + " ".join(f"{number}.100.in-addr.arpa" for number in range(64, 128))
).split()
_ONE = "1" + ".0" * 31 + ".ip6.arpa"


def special_names() -> Records:
    """The special-use names: localhost, and those that are nowhere."""
    here = wire_name("localhost")
    found = [
        Static(here, A, 86400, ipaddress.ip_address("127.0.0.1").packed),
        Static(here, AAAA, 86400, ipaddress.ip_address("::1").packed),
        Static(wire_name("1.0.0.127.in-addr.arpa"), PTR, 86400, here),
        Static(wire_name(_ONE), PTR, 86400, here),
    ]
    resolver = wire_name("resolver.arpa")
    closed = {wire_name(name): 10800 for name in _NOWHERE} | {resolver: 10800}
    return compile_records(found, closed, (here,), (resolver,))
