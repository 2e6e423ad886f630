"""Upstreams that fail, lie and attack, each for a domain of its own, so that one's ruin is not another's."""

import re
import struct
from typing import Any

from conformance.message import QR, RA, wire
from conformance.stage import CLOSE, Elsewhere, Heard, Later, address, rr, say, soa
from conformance.zone import own_opt, parent, plain

GOOD, BAD = "192.0.2.1", "6.6.6.6"


def silent(heard: Heard) -> None:
    return None


def failing(heard: Heard) -> bytes:
    return say(heard, (), (), own_opt(heard), rcode=2)


def refusing(heard: Heard) -> bytes:
    return say(heard, (), (), own_opt(heard), rcode=5)


def slow(heard: Heard) -> Any:
    """`<n>ms` in the name: the answer comes so much later."""
    found = re.search(r"(\d+)ms\.", heard.name)
    return Later(int(found[1]) / 1000 if found else 0.3, plain(heard))


def closing(heard: Heard) -> Any:
    """Truncated over UDP; over TCP every connection ends at the first question, the next time it is answered."""
    if heard.transport == "udp":
        return say(heard, (), (), own_opt(heard), flags=RA | 0x0200)
    _turns[heard.name] = _turns.get(heard.name, 0) + 1
    return CLOSE if _turns[heard.name] == 1 else plain(heard)


_turns: dict[str, int] = {}


def fading(heard: Heard) -> Any:
    """The first answer has a TTL of 1; then it is as the label before says: silent, servfail, refused or gone."""
    first = f"{heard.name}/{heard.kind}"
    if first not in _seen:
        _seen.add(first)
        return plain(heard, 1)
    kind = heard.labels[-3].lower()
    if kind == b"silent":
        return None
    if kind == b"gone":
        return say(heard, (), (soa(300, 300, parent(heard)),), own_opt(heard), rcode=3)
    return say(heard, (), (), own_opt(heard), rcode={b"servfail": 2, b"refused": 5}[kind])


_seen: set[str] = set()


# Bad datagrams ahead of the good one (TuDoor: CVE-2023-28452, CVE-2023-29483, coredns#8287). -----------


def _with_flags(packet: bytes, xor: int) -> bytes:
    return packet[:2] + struct.pack("!H", int.from_bytes(packet[2:4], "big") ^ xor) + packet[4:]


def _other(heard: Heard, question: bytes) -> bytes:
    return say(heard, [address(BAD)], question=question)


def _pointer_chain(heard: Heard) -> bytes:
    """900 pointers, each to the one before, and records that start at the last (CVE-2026-42304)."""
    base = 12 + len(heard.question) + 12
    chain = b"\xc0\x0c" + b"".join(struct.pack("!H", 0xC000 | base + 2 * number) for number in range(900))
    last = struct.pack("!H", 0xC000 | base + 1800)
    return say(heard, [rr(65280, chain), *(address(BAD, owner=last) for _ in range(3000))])


def _long_name(heard: Heard) -> bytes:
    """A name over 255 octets, once its pointer is followed (CVE-2026-52682)."""
    base = 12 + len(heard.question) + 12
    labels = (b"\x3f" + b"a" * 63) * 3
    first = labels + b"\0"
    return say(heard, [rr(65280, first), rr(1, b"\6\6\6\6", owner=labels + struct.pack("!H", 0xC000 | base))])


def _two_questions(heard: Heard) -> bytes:
    packet, end = say(heard, [address(BAD)]), 12 + len(heard.question)
    return packet[:4] + b"\0\2" + packet[6:end] + heard.question + packet[end:]


SHAPES: dict[str, Any] = {
    "empty": lambda heard: b"",
    "onebyte": lambda heard: b"\0",
    "idonly": lambda heard: heard.packet[:2],
    "headeronly": lambda heard: say(heard, question=b""),
    "cut": lambda heard: say(heard, [address(BAD)])[:-3],
    "wrongid": lambda heard: bytes([heard.packet[0] ^ 1]) + say(heard, [address(BAD)])[1:],
    "idoffbyone": lambda heard: (
        struct.pack("!H", (int.from_bytes(heard.packet[:2], "big") + 1) & 0xFFFF) + say(heard, [address(BAD)])[2:]
    ),
    "noquestion": lambda heard: say(heard, [address(BAD, owner=b"\1x\0")], question=b""),
    "othername": lambda heard: _other(heard, wire("evil.example") + heard.question[-4:]),
    "othertype": lambda heard: _other(heard, heard.question[:-4] + b"\0\x10\0\1"),
    "otherclass": lambda heard: _other(heard, heard.question[:-2] + b"\0\3"),
    "twoquestions": _two_questions,
    "aquery": lambda heard: _with_flags(say(heard, [address(BAD)]), QR),
    "itsownquery": lambda heard: heard.packet,
    "opcode": lambda heard: _with_flags(say(heard, [address(BAD)]), 4 << 11),
    "falsecounts": lambda heard: say(heard, [address(BAD)])[:6] + b"\xff\xff" + say(heard, [address(BAD)])[8:],
    "rdlength": lambda heard: say(heard, [address(BAD)[:-6] + b"\xff\xff" + b"\6\6\6\6"]),
    "loop": lambda heard: say(heard, [address(BAD, owner=struct.pack("!H", 0xC000 | 12 + len(heard.question)))]),
    "forward": lambda heard: say(heard, [address(BAD, owner=b"\xff\xff")]),
    "label": lambda heard: say(heard, [address(BAD, owner=b"\x80\0")]),
    "chain": _pointer_chain,
    "longname": _long_name,
    "twoopts": lambda heard: say(heard, [address(BAD)], (), (*own_opt(heard) * 2,) or (b"\0\0\x29" + b"\0" * 8,) * 2),
    "badopt": lambda heard: say(heard, [address(BAD)], (), (b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\x0f\0\xff",)),
    "formerr": lambda heard: say(heard, question=b"", rcode=1),
    "port": lambda heard: Elsewhere(say(heard, [address(BAD)])),
}


def forged(heard: Heard) -> Any:
    """The label chooses the bad datagram; the good one comes behind it."""
    good = plain(heard)
    if heard.transport == "tcp":
        return good
    shape = heard.labels[-3].decode().lower()
    return [SHAPES[shape](heard), good]


class Spoofed:
    """Forged answers only over UDP, so many of them; the truth over TCP (RFC 5452 9.3)."""

    def __call__(self, heard: Heard) -> Any:
        if heard.transport == "tcp":
            return plain(heard)
        forged = say(heard, [address(BAD)])
        number = int.from_bytes(heard.packet[:2], "big")
        return [struct.pack("!H", (number + step) & 0xFFFF) + forged[2:] for step in range(1, 1001)]


class Crossed:
    """What was asked from one port is answered, falsely, at the port of another question (CVE-2020-25684);
    for names that begin with `victimid` only with the other question's id."""

    def __init__(self) -> None:
        self._first: Heard | None = None

    def __call__(self, heard: Heard) -> Any:
        if heard.name.startswith("victim"):
            self._first = heard
            return Later(0.3, plain(heard))
        first = self._first
        if first is None:
            return plain(heard)
        forged = say(first, [address(BAD)])
        other_id = [heard.packet[:2] + forged[2:]]
        return [*(other_id if heard.name.startswith("otherid") else [forged]), Later(0.1, plain(heard))]


def corporate(heard: Heard) -> bytes:
    """The server of a route that wants another's names (MaginotDNS)."""
    evil = (
        address(BAD, owner=wire("www.plain.example")),
        address(BAD, owner=wire("web.service.consul")),
        address(BAD, owner=wire("example")),
    )
    authority = (
        rr(2, wire("ns.corp.example"), owner=wire("example")),
        rr(2, wire("ns.corp.example"), owner=wire("consul")),
    )
    return say(heard, [address(GOOD)], authority, (*evil, *own_opt(heard)))


ROUTES: dict[str, Any] = {
    "silent.example": silent,
    "failing.example": failing,
    "refusing.example": refusing,
    "slow.example": slow,
    "closing.example": closing,
    "fading.example": fading,
    **{f"{shape}.forged.example": forged for shape in SHAPES},
    "spoofed.example": Spoofed(),
    "crossed.example": Crossed(),
    "corp.example": corporate,
}
