"""Queries on encrypted links, filled up to blocks of one size, so that their length tells no name (RFC 7830, 8467).

Bodies, as in wire.py: messages without their two id bytes, which count for the length all the same.
"""

from panteras_dns.wire import HEADER, OPT, PAIR, question_of

PADDING = 12  # EDNS option code (RFC 7830)
BLOCK = 128  # octets: the size for queries (RFC 8467 4.1)

_OPT_HEAD = b"\0" + OPT.to_bytes(2, "big")  # the root as owner, and the type
_OPT_FIXED = 11  # octets of an OPT before its options


def padded(body: bytes, block: int = BLOCK) -> bytes:
    """*body* with an option that fills the message up to a multiple of *block* octets. Only for a query with
    nothing but an OPT behind its question: a signed one (TSIG) or one without OPT is returned as it is."""
    question = question_of(body)
    if question is None or HEADER.unpack_from(body)[1:] != (1, 0, 0, 1):
        return body
    at = 10 + len(question)
    size = int.from_bytes(body[at + 9 : at + _OPT_FIXED], "big")
    if body[at : at + 3] != _OPT_HEAD or len(body) != at + _OPT_FIXED + size:
        return body
    room = -(2 + len(body) + 4) % block
    if size + 4 + room > 0xFFFF:
        return body
    size += 4 + room
    return b"".join(
        (body[: at + 9], size.to_bytes(2, "big"), body[at + _OPT_FIXED :], PAIR.pack(PADDING, room), bytes(room))
    )
