"""Messages made here: questions to servers, errors, and a server's reply dressed for one client.

Bodies, as in wire.py: messages without their two id bytes. Records keep their bytes and their order.
"""

import struct

from panteras_dns.wire import (
    AA,
    AD,
    CD,
    CLIENT_COOKIE,
    COOKIE,
    DO,
    EDE,
    HEADER,
    IDLE_TIMEOUT,
    KEEPALIVE,
    OPCODE,
    OPT,
    PAIR,
    QR,
    RA,
    RCODE,
    RD,
    RECORD,
    SERVER_COOKIE,
    TC,
    Edns,
    Query,
    Reply,
    question_of,
)

_WEEK, _THREE_HOURS = (604_800).to_bytes(4, "big"), (10_800).to_bytes(4, "big")


def opt(edns: Edns) -> bytes:
    """An OPT record."""
    data = b"".join(PAIR.pack(code, len(value)) + value for code, value in edns.options)
    ttl = edns.high_rcode << 24 | edns.version << 16 | edns.flags
    return b"\0" + RECORD.pack(OPT, edns.size, ttl, len(data)) + data


def ask(query: Query, edns: Edns | None, extra_flags: int = 0) -> bytes:
    """The body of a query for a server: the client's question, RD and CD, an OPT of our own."""
    flags = query.flags & (RD | CD) | extra_flags
    return HEADER.pack(flags, 1, 0, 0, bool(edns)) + query.question + (opt(edns) if edns else b"")


def message(query: Query, flags: int, sections: tuple[list[bytes], list[bytes], list[bytes]]) -> bytes:
    """The body of a reply without an OPT: *flags* with rcode, records as bytes."""
    answer, authority, additional = sections
    return b"".join(
        (
            HEADER.pack(flags, 1, len(answer), len(authority), len(additional)),
            query.question,
            *answer,
            *authority,
            *additional,
        )
    )


def error(query: Query, rcode: int, ede: tuple[int, str] | None = None) -> bytes:
    """The body of an answer without records; *ede* (RFC 8914 code, text) goes to clients that sent an OPT."""
    flags = QR | RA | query.flags & (OPCODE | RD | CD) | rcode & RCODE
    options = ((EDE, struct.pack("!H", ede[0]) + ede[1].encode()),) if ede else ()
    tail = _tail(query, options, rcode >> 4)
    return HEADER.pack(flags, 1, 0, 0, bool(tail)) + query.question + tail


def truncated(query: Query) -> bytes:
    """The body of an empty answer that says: ask over TCP."""
    tail = _tail(query, ())
    flags = QR | TC | RA | query.flags & (OPCODE | RD | CD)
    return HEADER.pack(flags, 1, 0, 0, bool(tail)) + query.question + tail


def _tail(query: Query, options: tuple[tuple[int, bytes], ...], high_rcode: int = 0) -> bytes:
    """The OPT of an answer, for a client that sent one (RFC 6891 7). A client's cookie comes back last, with room
    behind it for ours: that depends on the client's address, all the rest on the query alone."""
    if query.edns is None:
        return b""
    if query.keeps_alive and query.edns.option(KEEPALIVE) is not None:
        options = (*options, (KEEPALIVE, IDLE_TIMEOUT))
    if (cookie := query.edns.option(COOKIE)) is not None:
        options = (*options, (COOKIE, cookie[:CLIENT_COOKIE] + bytes(SERVER_COOKIE)))
    return opt(Edns(flags=query.edns.flags & DO, high_rcode=high_rcode, options=options))


def bare_error(body: bytes, rcode: int) -> bytes:
    """The body of an error for a packet that could not be read: its question if that much is there."""
    flags = int.from_bytes(body[:2], "big") & (OPCODE | RD) | QR | RA | rcode
    question = question_of(body)
    if question is None or flags & OPCODE:  # RFC 8906 3.1.4: an unknown opcode gets an empty NOTIMP
        return HEADER.pack(flags, 0, 0, 0, 0)
    # What stands behind the question can't be read, but is most likely a broken OPT (RFC 6891 7).
    tail = opt(Edns()) if body[9] else b""
    return HEADER.pack(flags, 1, 0, 0, bool(tail)) + question + tail


def dress(
    query: Query, reply: Reply, limit: int, options: tuple[tuple[int, bytes], ...] = (), share: bool = False
) -> bytes:
    """The body of *reply* as this client takes it: its own question, RD, CD and OPT, RA set, within *limit*.

    What does not fit is left out, the additional section first. TC says so (RFC 2181 9), unless *share*:
    one address of a service is enough, and a retry over TCP often can't pass a tunnel.
    """
    tail = _tail(query, options, reply.edns.high_rcode if reply.edns else 0)
    flags = reply.flags & (AA | TC | RCODE) | QR | RA | query.flags & (OPCODE | RD | CD)
    if reply.flags & AD and (query.flags & AD or query.wants_dnssec):
        flags |= AD  # RFC 6840 5.8
    counts, end = _fit(reply, limit - 12 - len(query.question) - len(tail))
    first, last = 10 + len(reply.question), end
    whole = tuple(len(reply.section(number)) for number in (1, 2))
    if counts[:2] != whole and not (share and counts[0]):
        flags |= TC
    return b"".join(
        (
            HEADER.pack(flags, 1, counts[0], counts[1], counts[2] + bool(tail)),
            query.question,
            reply.body[first:last],
            tail,
        )
    )


def _fit(reply: Reply, room: int) -> tuple[tuple[int, int, int], int]:
    """How many records of each section fit in *room* bytes, and where in the body the last of them ends."""
    counts = [0, 0, 0]
    start = end = 10 + len(reply.question)
    for record in reply.records:
        # Offsets count from the start: what was taken out (an OPT) ends the section, so that
        # compression pointers in what follows keep their targets.
        if record.start != end or record.end - start > room:
            break
        counts[record.section - 1] += 1
        end = record.end
    return (counts[0], counts[1], counts[2]), end


def capped(reply: Reply) -> Reply:
    """No TTL above a week (RFC 8767 4), in a negative answer above three hours (RFC 2308 5)."""
    longest = _WEEK if any(record.section == 1 for record in reply.records) else _THREE_HOURS
    long = [record.ttl for record in reply.records if reply.body[record.ttl : record.ttl + 4] > longest]
    if not long:
        return reply
    body = bytearray(reply.body)
    for at in long:
        body[at : at + 4] = longest if body[at] < 0x80 else bytes(4)  # RFC 2181 8
    return Reply(bytes(body), reply.flags, reply.question, reply.records, reply.edns)


def with_ttl(reply: Reply, change: int, floor: int = 0, fixed: int | None = None) -> Reply:
    """The same reply with *change* seconds taken from every TTL, or with the *fixed* one."""
    body = bytearray(reply.body)
    for record in reply.records:
        at = record.ttl
        ttl = fixed if fixed is not None else max(int.from_bytes(body[at : at + 4], "big") - change, floor)
        body[at : at + 4] = ttl.to_bytes(4, "big")
    return Reply(bytes(body), reply.flags, reply.question, reply.records, reply.edns)
