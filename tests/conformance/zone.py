"""What the general upstream says: the label before `example` chooses how it behaves.

`x.plain.example` is an ordinary name, `x.nothing.example` does not exist, `x.many.example` has 300 addresses...
"""

import struct
from typing import Any

from conformance.message import AD, RA, TC, Z, opt, wire
from conformance.stage import ASKED, CLOSE, Heard, address, rr, say, soa

A, NS, CNAME, SOA, TXT, AAAA, ANY, RRSIG, DNSKEY = 1, 2, 5, 6, 16, 28, 255, 46, 48
NXDOMAIN, FORMERR, SERVFAIL = 3, 1, 2
PLAIN_A, PLAIN_AAAA = "192.0.2.1", "2001:db8::1"
MIXED = "WwW.TarGeT.ExAmPle."


def parent(heard: Heard) -> bytes:
    """The name without its first label, as a pointer into the question."""
    if not heard.labels:
        return b"\0"
    return struct.pack("!H", 0xC000 | 12 + 1 + len(heard.labels[0]))


def text(data: bytes) -> bytes:
    """The data of a TXT record."""
    return b"".join(bytes([len(part)]) + part for part in (data[at : at + 255] for at in range(0, len(data), 255)))


def own_opt(heard: Heard, **options: Any) -> tuple[bytes, ...]:
    """An OPT, if the question had one."""
    return (opt(flags=heard.edns_flags & 0x8000, **options),) if heard.rest[:3] == b"\0\0\x29" else ()


def _positive(heard: Heard, ttl: int = 300) -> list[bytes]:
    known = {
        A: [address(PLAIN_A, ttl)],
        AAAA: [address(PLAIN_AAAA, ttl)],
        TXT: [rr(TXT, text(b"a text"), ttl)],
        NS: [rr(NS, b"\x02ns" + parent(heard), ttl)],
        SOA: [soa(ttl)],
    }
    if heard.kind == ANY:
        return [record for found in known.values() for record in found]
    return known.get(heard.kind, [])


def plain(heard: Heard, ttl: int = 300) -> bytes:
    found = _positive(heard, ttl)
    return say(heard, found, () if found else (soa(ttl, owner=parent(heard)),), own_opt(heard))


def signed(heard: Heard) -> bytes:
    """AD set; RRSIG beside the data for who asks with DO."""
    found = _positive(heard)
    if heard.edns_flags & 0x8000:
        found.append(rr(RRSIG, struct.pack("!HBBLLLH", heard.kind, 8, 2, 300, 2, 1, 7) + b"\7example\0" + b"s" * 64))
    return say(heard, found, (), own_opt(heard), flags=RA | AD)


def _sized(heard: Heard, found: list[bytes], most: int = 65535) -> bytes:
    """All of it where it fits, else TC and nothing, as authoritative servers do."""
    whole = say(heard, found, (), own_opt(heard))
    if heard.transport == "udp" and len(whole) > min(heard.size, most):
        return say(heard, (), (), own_opt(heard), flags=RA | TC)
    return whole


def many(heard: Heard) -> bytes:
    return _sized(heard, [address(f"198.18.{number // 250}.{number % 250}") for number in range(300)])


def texts(heard: Heard) -> bytes:
    """`<n>` before the label: a TXT of so many octets."""
    return _sized(heard, [rr(TXT, text(b"t" * int(heard.labels[-3])))])


def keys(heard: Heard) -> bytes:
    return _sized(heard, [rr(DNSKEY, b"\1\0\3\x08" + bytes([number]) * 400) for number in range(2)])


def echo(heard: Heard) -> bytes:
    """Any type of any class has the data deadbeef."""
    return say(heard, [rr(heard.kind, b"\xde\xad\xbe\xef", cls=heard.cls)], (), own_opt(heard))


def mixed(heard: Heard) -> bytes:
    """Capital letters in data: they stay (RFC 4343 4)."""
    target = wire(MIXED)
    return say(heard, [rr(CNAME, target), address(PLAIN_A, owner=target)], (), own_opt(heard))


def uncompressed(heard: Heard) -> bytes:
    if heard.labels[0].lower() == b"target":
        return plain(heard)
    own = heard.question[:-4]
    target = b"\6target" + own
    return say(heard, [rr(CNAME, target, owner=own), address(PLAIN_A, owner=target)], (), own_opt(heard))


def compressed(heard: Heard) -> bytes:
    if heard.labels[0].lower() == b"target":
        return plain(heard)
    at = 12 + len(heard.question) + 12  # where the CNAME's data begins
    return say(heard, [rr(CNAME, b"\6target" + ASKED), address(PLAIN_A, owner=struct.pack("!H", 0xC000 | at))])


def liar(heard: Heard) -> list[Any]:
    """TC with data over UDP, other data over TCP (RFC 2181 9)."""
    if heard.transport == "udp":
        return [say(heard, [address("192.0.2.66")], (), own_opt(heard), flags=RA | TC)]
    return [say(heard, [address(PLAIN_A)], (), own_opt(heard))]


def only_udp(heard: Heard) -> Any:
    """TC over UDP, and no TCP at all."""
    return say(heard, [address(PLAIN_A)], (), own_opt(heard), flags=RA | TC) if heard.transport == "udp" else CLOSE


def oversize(heard: Heard) -> bytes:
    """4,000 octets over UDP, whatever size was asked for."""
    return say(heard, [rr(TXT, text(b"t" * 3900))], (), own_opt(heard))


def huge(heard: Heard) -> bytes:
    return _sized(heard, [rr(TXT, text(b"h" * 3000)) for _ in range(20)])


def no_edns(heard: Heard) -> bytes:
    """Older than EDNS: FORMERR to an OPT (RFC 6891 7)."""
    if heard.rest:
        return say(heard, (), rcode=FORMERR)
    return say(heard, _positive(heard))


def told(heard: Heard) -> bytes:
    """An extended error of its own."""
    why = struct.pack("!H", 6) + b"the signature is bad"
    return say(heard, (), (), own_opt(heard, options=((15, why),)), rcode=SERVFAIL)


def strange(heard: Heard) -> bytes:
    """Options nobody asked for, a size of 4000, EDNS flags and the Z bit."""
    extra = (opt(4000, flags=0x0040, options=((65001, b"private"), (10, b"c" * 24))),) if heard.rest else ()
    return say(heard, _positive(heard), (), extra, flags=RA | Z)


def poison(heard: Heard) -> bytes:
    """Good data, and records of names that are not its own (MaginotDNS)."""
    evil = [
        address("6.6.6.6", owner=wire("victim.plain.example")),
        address("6.6.6.6", owner=wire("web.service.consul")),
        address("6.6.6.6", owner=wire("ns.evil.example")),
    ]
    authority = (
        rr(NS, wire("ns.evil.example"), owner=wire("plain.example")),
        rr(NS, wire("ns.evil.example"), owner=wire("consul")),
        rr(39, wire("evil.example"), owner=wire("corp.example")),
    )
    return say(heard, _positive(heard), authority, (*evil, *own_opt(heard)))


def two_ttls(heard: Heard) -> bytes:
    return say(heard, [address("192.0.2.1", 120), address("192.0.2.2", 120)], (), own_opt(heard))


def denied(ttl: int, minimum: int, rcode: int = NXDOMAIN) -> Any:
    return lambda heard: say(heard, (), (soa(ttl, minimum, parent(heard)),), own_opt(heard), rcode=rcode)


BEHAVIOURS: dict[str, Any] = {
    "plain": plain,
    "ttl0": lambda heard: plain(heard, 0),
    "ttl1": lambda heard: plain(heard, 1),
    "msb": lambda heard: plain(heard, 0xFFFFFFFF),
    "long": lambda heard: plain(heard, 0x7FFFFFFF),
    "pair": two_ttls,
    "signed": signed,
    "many": many,
    "size": texts,
    "keys": keys,
    "echo": echo,
    "mixed": mixed,
    "uncompressed": uncompressed,
    "compressed": compressed,
    "liar": liar,
    "onlyudp": only_udp,
    "oversize": oversize,
    "huge": huge,
    "old": no_edns,
    "told": told,
    "strange": strange,
    "poison": poison,
    "nothing": denied(300, 300),
    "empty": denied(300, 300, 0),
    "brief": denied(300, 1),
    "ages": denied(604800, 604800),
    "nosoa": lambda heard: say(heard, (), (), own_opt(heard), rcode=NXDOMAIN),
    "lower": lambda heard: say(heard, _positive(heard), (), own_opt(heard), question=heard.lowered),
    "norecursion": lambda heard: say(heard, _positive(heard), (), own_opt(heard), flags=0),
    "service": plain,
}


def upstream(heard: Heard) -> Any:
    behaviour = heard.labels[-2].decode("latin-1").lower() if len(heard.labels) > 1 else ""
    if heard.name.endswith(".example") and behaviour in BEHAVIOURS:
        return BEHAVIOURS[behaviour](heard)
    return plain(heard)
