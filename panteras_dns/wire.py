"""The DNS message as bytes: read a query, read a reply, build an answer, unframe TCP.

Refuses to know routes, caches and sockets. A *body* is a message without its two id bytes, since almost
everything we do depends on those bytes alone: flags at 0, counts at 2, 4, 6, 8, question at 10; a
compression pointer counts from the id, so its target lies two bytes lower. Any bytes give a result or
`Malformed`, in time linear in their number: pointers only go backwards, within a budget of hops.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 16, 28, 33, 41
TSIG, ANY = 250, 255
IN = 1

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
OPCODE, RCODE = 0x7800, 0x000F
DO = 0x8000  # in the flags of an OPT record

ECS, COOKIE, KEEPALIVE, EDE = 8, 10, 11, 15  # EDNS option codes
IDLE_TIMEOUT = b"\0\x64"  # of a connection: 10 s, in tenths of a second (RFC 7828)

CLIENT_COOKIE, SERVER_COOKIE = 8, 16  # octets (RFC 9018)

SMALLEST_UDP = 512  # RFC 1035 2.3.4: what every client takes
OUR_UDP = 1232  # what crosses any path unfragmented (DNS flag day 2020)
LARGEST = 65535

_MOST_HOPS = 20_000  # compression pointers followed in one message: chains cost time, not memory
_MOST_OPTIONS = 100  # EDNS options read (CVE-2026-41292)

HEADER = struct.Struct("!HHHHH")
RECORD = struct.Struct("!HHLH")
PAIR = struct.Struct("!HH")


class Malformed(ValueError):
    """Bytes that are no DNS message."""


@dataclass(frozen=True, slots=True)
class Edns:
    """The OPT record of a message (RFC 6891): payload size, extended rcode bits, flags, options."""

    size: int = OUR_UDP
    version: int = 0
    flags: int = 0
    high_rcode: int = 0
    options: tuple[tuple[int, bytes], ...] = ()

    def option(self, code: int) -> bytes | None:
        """The data of the first option with this code."""
        return next((data for found, data in self.options if found == code), None)


@dataclass(frozen=True, slots=True)
class Query:
    """A client's packet, read: *question* in the client's spelling, *name* in lower case, both in wire form."""

    flags: int
    question: bytes
    name: bytes
    type: int
    cls: int
    edns: Edns | None
    keeps_alive: bool = False  # came over a connection, whose client may ask how long it is kept (RFC 7828)
    signed: bool = False  # carries TSIG: to be passed on with nothing changed but the id

    @property
    def wants_dnssec(self) -> bool:
        return self.edns is not None and bool(self.edns.flags & DO)


@dataclass(frozen=True, slots=True)
class Record:
    """Where one resource record lies in a body: bytes [start, end), its TTL at *ttl*, its data at *data*."""

    section: int  # 1 answer, 2 authority, 3 additional
    type: int
    cls: int
    start: int
    ttl: int
    data: int
    end: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's packet, read. *body* still holds everything; *records* leave the OPT out."""

    body: bytes
    flags: int
    question: bytes
    records: tuple[Record, ...]
    edns: Edns | None

    @property
    def rcode(self) -> int:
        high = self.edns.high_rcode << 4 if self.edns else 0
        return self.flags & RCODE | high

    def section(self, number: int) -> list[Record]:
        return [record for record in self.records if record.section == number]


# Reading ------------------------------------------------------------------------------------------


def read_query(body: bytes) -> Query:
    """A client's packet without its id. `Malformed` is worth FORMERR; so is a count of questions not 1."""
    flags, questions, answers, authorities, additionals = _header(body)
    if questions != 1:
        raise Malformed(f"{questions} questions, expected 1")
    end = _plain_name(body, 10)
    if end + 4 > len(body):
        raise Malformed("question cut short")
    kind, cls = PAIR.unpack_from(body, end)
    records, edns, at = _records(body, end + 4, (answers, authorities, additionals))
    if at != len(body):
        raise Malformed("bytes after the last record")
    signed = bool(records) and records[-1].type == TSIG and records[-1].section == 3
    return Query(flags, body[10 : end + 4], body[10:end].lower(), kind, cls, edns, signed=signed)


def read_reply(body: bytes) -> Reply:
    """A server's packet without its id, every record found. Bytes after the last record are left out."""
    flags, questions, answers, authorities, additionals = _header(body)
    if questions != 1:
        raise Malformed(f"{questions} questions, expected 1")
    end = _plain_name(body, 10) + 4
    records, edns, at = _records(body, end, (answers, authorities, additionals))
    if end > len(body):
        raise Malformed("question cut short")
    return Reply(body[:at], flags, body[10:end], records, edns)


def edns_alone(body: bytes) -> Edns | None:
    """The OPT of a query that has no question and nothing else: it asks for a cookie (RFC 7873 5.4)."""
    try:
        flags, questions, answers, authorities, additionals = _header(body)
        if flags & (QR | OPCODE) or questions or answers or authorities:
            return None
        _, edns, at = _records(body, 10, (0, 0, additionals))
    except Malformed:
        return None
    return edns if at == len(body) else None


def question_of(body: bytes) -> bytes | None:
    """The question of a packet that may be broken behind it, to be echoed in an error; None if unreadable."""
    try:
        if _header(body)[1] != 1:
            return None
        end = _plain_name(body, 10) + 4
    except Malformed:
        return None
    return body[10:end] if end <= len(body) else None


def name_at(body: bytes, at: int) -> bytes:
    """The name at an offset of a body, expanded, in lower case."""
    labels, _, _ = _name(body, at, _MOST_HOPS)
    return b"".join(labels).lower() + b"\0"


def _header(body: bytes) -> tuple[int, int, int, int, int]:
    if len(body) < 10:
        raise Malformed("shorter than a header")
    return HEADER.unpack_from(body)


def _plain_name(body: bytes, at: int) -> int:
    """The end of an uncompressed name: a question has nothing before it to point at."""
    start = at
    try:
        while length := body[at]:
            if length > 63:
                raise Malformed("a label over 63 octets or a pointer in the question")
            at += length + 1
    except IndexError:
        raise Malformed("name cut short") from None
    if at + 1 - start > 255:
        raise Malformed("a name over 255 octets")
    return at + 1


def _name(body: bytes, at: int, hops: int, fixed: Sequence[int] = ()) -> tuple[list[bytes], int, int]:
    """Labels (each with its length octet) of the name at *at*, where it ends, and the hops that are left.

    A pointer leads backwards, to labels that end before what pointed at them (or it may never end, RFC 9267), and not
    into the *fixed* fields of a record: when its TTL ages, the name would be another.
    """
    labels: list[bytes] = []
    size, end, start, ceiling = 1, 0, at, len(body)
    try:
        while length := body[at]:
            if length < 64:
                labels.append(body[at : at + length + 1])
                at += length + 1
                size += length + 1
                if size > 255 or at >= ceiling:
                    raise Malformed("a name over 255 octets, cut short, or that runs into itself")
            elif length >= 192:
                end = end or at + 2
                at, ceiling = ((length & 63) << 8 | body[at + 1]) - 2, start
                hops -= 1
                if not 10 <= at < start or hops < 0:
                    raise Malformed("a compression pointer that leads nowhere")
                start = at
            else:
                raise Malformed("an unknown kind of label")
            if end and fixed and at >= fixed[0] and _within(fixed, at):
                raise Malformed("a compression pointer into the fields of a record")
    except IndexError:
        raise Malformed("name cut short") from None
    return labels, end or at + 1, hops


def _within(fixed: Sequence[int], at: int) -> bool:
    """Whether *at* lies in the type, class, TTL or length of a record; *fixed* has where these begin."""
    return at < fixed[bisect_right(fixed, at) - 1] + 10


def _records(body: bytes, at: int, counts: tuple[int, int, int]) -> tuple[tuple[Record, ...], Edns | None, int]:
    if sum(counts) * 11 > len(body) - at:  # RFC 9267: believe no count before it can be true
        raise Malformed("counts more records than there are bytes for")
    found: list[Record] = []
    edns = None
    hops = _MOST_HOPS
    fixed: list[int] = []
    for section, count in enumerate(counts, 1):
        for _ in range(count):
            start = at
            labels, at, hops = _name(body, at, hops, fixed)
            fixed.append(at)
            if at + 10 > len(body):
                raise Malformed("record cut short")
            kind, cls, ttl, size = RECORD.unpack_from(body, at)
            record = Record(section, kind, cls, start, at + 4, at + 10, at + 10 + size)
            at = record.end
            if at > len(body):
                raise Malformed("record data cut short")
            if kind != OPT:
                found.append(record)
            elif edns or labels or section != 3:
                raise Malformed("a second or misplaced OPT")
            else:
                edns = _edns(body, record, ttl)
    return tuple(found), edns, at


def _edns(body: bytes, record: Record, ttl: int) -> Edns:
    options: list[tuple[int, bytes]] = []
    at = record.data
    while at < record.end:
        if at + 4 > record.end or len(options) >= _MOST_OPTIONS:
            raise Malformed("EDNS options cut short or too many")
        code, size = PAIR.unpack_from(body, at)
        if at + 4 + size > record.end:
            raise Malformed("an EDNS option longer than its record")
        options.append((code, body[at + 4 : at + 4 + size]))
        at += 4 + size
    return Edns(max(record.cls, SMALLEST_UDP), ttl >> 16 & 255, ttl & 0xFFFF, ttl >> 24, tuple(options))


# TCP ----------------------------------------------------------------------------------------------


def frame(packet: bytes) -> bytes:
    """A message with its length before it (RFC 1035 4.2.2), to go out in one write (RFC 7766 8)."""
    return len(packet).to_bytes(2, "big") + packet


def unframe(buffer: bytearray, most: int = LARGEST) -> list[bytes]:
    """Take at most *most* complete messages out of what has arrived; the rest stays in *buffer*."""
    found: list[bytes] = []
    at = 0
    while len(buffer) - at >= 2 and len(found) < most:
        end = at + 2 + int.from_bytes(buffer[at : at + 2], "big")
        if end > len(buffer):
            break
        found.append(bytes(buffer[at + 2 : end]))
        at = end
    del buffer[:at]
    return found
