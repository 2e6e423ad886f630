"""An exchange as dnstap (dnstap.info): messages of protocol buffers in frames of Frame Streams. Pure, written by hand:
thirty lines against two libraries that nobody looks after.
"""

import ipaddress
import struct
from collections.abc import Iterator

from panteras_dns.querylog.pairing import Exchange

CONTENT = b"protobuf:dnstap.Dnstap"
_ACCEPT, _START, _STOP, _READY, _FINISH = range(1, 6)
_CLIENT_QUERY, _CLIENT_RESPONSE = 5, 6
_VERSION = b"panteras"


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<I", value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def messages(exchange: Exchange, client: str) -> Iterator[bytes]:
    """A CLIENT_QUERY and a CLIENT_RESPONSE, as far as there are both. *client*: the address that may be shown."""
    address = ipaddress.ip_address(client)
    seconds, part = divmod(exchange.asked, 1)
    head = _number(2, 1 if address.version == 4 else 2) + _number(3, 2 if exchange.tcp else 1)
    head += _bytes(4, address.packed) + _number(6, exchange.port)
    head += _number(8, int(seconds)) + _fixed(9, int(part * 1e9))
    if exchange.query:
        yield _dnstap(_number(1, _CLIENT_QUERY) + head + _bytes(10, exchange.query))
    if exchange.reply:
        seconds, part = divmod(exchange.answered, 1)
        answered = _number(12, int(seconds)) + _fixed(13, int(part * 1e9))
        yield _dnstap(_number(1, _CLIENT_RESPONSE) + head + answered + _bytes(14, exchange.reply))


def _dnstap(message: bytes) -> bytes:
    return _bytes(2, _VERSION) + _bytes(14, message) + _number(15, 1)


def frame(message: bytes) -> bytes:
    return struct.pack("!I", len(message)) + message


def _control(kind: int, content: bool = True) -> bytes:
    body = struct.pack("!I", kind) + (struct.pack("!II", 1, len(CONTENT)) + CONTENT if content else b"")
    return struct.pack("!II", 0, len(body)) + body


START, STOP, READY, FINISH = _control(_START), _control(_STOP, False), _control(_READY), _control(_FINISH, False)


def is_accept(data: bytes) -> bool:
    """Whether the other end of a socket takes what we send: its answer to READY."""
    return len(data) >= 12 and struct.unpack("!I", data[8:12])[0] == _ACCEPT and CONTENT in data
