"""Scripted servers: they hear a question and say what the script says, also late, twice, or from elsewhere."""

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from program import Responder

from conformance.message import AA, QR, RA, RD

SOA_DATA = b"\x02ns\0\x04root\0" + struct.pack("!5L", 1, 3600, 600, 86400, 300)
ASKED = b"\xc0\x0c"  # a pointer to the question


@dataclass(frozen=True)
class Later:
    """*packet*, *seconds* from now."""

    seconds: float
    packet: bytes


@dataclass(frozen=True)
class Elsewhere:
    """*packet* from another port than was asked."""

    packet: bytes


CLOSE = object()  # instead of an answer: the connection ends


@dataclass(frozen=True)
class Heard:
    """A question as it arrived."""

    packet: bytes
    transport: str
    client: tuple[str, int] = ("", 0)
    labels: list[bytes] = field(init=False)
    kind: int = field(init=False)
    cls: int = field(init=False)
    question: bytes = field(init=False)

    def __post_init__(self) -> None:
        labels, at = [], 12
        while length := self.packet[at]:
            labels.append(self.packet[at + 1 : at + 1 + length])
            at += length + 1
        kind, cls = struct.unpack_from("!HH", self.packet, at + 1)
        for name, value in (("labels", labels), ("kind", kind), ("cls", cls), ("question", self.packet[12 : at + 5])):
            object.__setattr__(self, name, value)

    @property
    def flags(self) -> int:
        return int.from_bytes(self.packet[2:4], "big")

    @property
    def name(self) -> str:
        """In lower case, without the last dot."""
        return b".".join(self.labels).decode("latin-1").lower()

    @property
    def lowered(self) -> bytes:
        """The question with its name in lower case."""
        return self.question[:-4].lower() + self.question[-4:]

    @property
    def rest(self) -> bytes:
        """What stands behind the question."""
        return self.packet[12 + len(self.question) :]

    @property
    def size(self) -> int:
        """The UDP payload size of its OPT, or 512; of an OPT that stands first behind the question."""
        rest = self.rest
        return max(512, int.from_bytes(rest[3:5], "big")) if rest[:3] == b"\0\0\x29" else 512

    @property
    def edns_flags(self) -> int:
        return int.from_bytes(self.rest[7:9], "big") if self.rest[:3] == b"\0\0\x29" else 0

    @property
    def options(self) -> dict[int, bytes]:
        rest, found = self.rest, {}
        if rest[:3] != b"\0\0\x29":
            return found
        at, end = 11, 11 + int.from_bytes(rest[9:11], "big")
        while at < end:
            code, length = struct.unpack_from("!HH", rest, at)
            found[code] = rest[at + 4 : at + 4 + length]
            at += 4 + length
        return found


def rr(kind: int, data: bytes, ttl: int = 300, owner: bytes = ASKED, cls: int = 1) -> bytes:
    return owner + struct.pack("!HHLH", kind, cls, ttl, len(data)) + data


def address(text: str, ttl: int = 300, owner: bytes = ASKED) -> bytes:
    family, kind = (socket.AF_INET6, 28) if ":" in text else (socket.AF_INET, 1)
    return rr(kind, socket.inet_pton(family, text), ttl, owner)


def soa(ttl: int = 300, minimum: int = 300, owner: bytes = ASKED) -> bytes:
    return rr(6, SOA_DATA[:-4] + struct.pack("!L", minimum), ttl, owner)


def say(
    heard: Heard,
    answer: tuple[bytes, ...] | list[bytes] = (),
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    rcode: int = 0,
    flags: int = RA,
    question: bytes | None = None,
) -> bytes:
    """A reply; the OPT, if one is wanted, is the last of *additional*."""
    bits = QR | heard.flags & (RD | 0x10) | flags | rcode
    asked = heard.question if question is None else question
    counts = (bool(asked), len(answer), len(authority), len(additional))
    parts = (*answer, *authority, *additional)
    return heard.packet[:2] + struct.pack("!5H", bits, *counts) + asked + b"".join(parts)


Script = Callable[[Heard], Any]


class Stage(Responder):
    """A server on a port of loopback that plays a script, and remembers what it heard."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self.heard: list[Heard] = []
        self._elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._elsewhere.bind(("127.0.0.1", 0))
        self._play = script
        for tries in range(10):  # the port that is free for UDP may be taken for TCP
            try:
                super().__init__(lambda *_: None, port)
                break
            except OSError:
                if tries == 9:
                    raise
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def about(self, text: str) -> list[Heard]:
        """The questions whose name holds *text*."""
        return [heard for heard in list(self.heard) if text.lower() in heard.name]

    def close(self) -> None:
        super().close()
        self._elsewhere.close()

    def _told(self, query: bytes, transport: str, client: tuple[str, int] = ("", 0)) -> list[Any]:
        try:
            heard = Heard(query, transport, client)
            self.heard.append(heard)
            if heard.name == "a.root-servers.net":  # how dnsdist sees whether a server lives
                return [say(heard, [address("198.51.100.4")])]
            told = self._play(heard)
        except Exception:
            traceback.print_exc()
            return []
        return told if isinstance(told, list) else [told] if told is not None else []

    def _datagram(self) -> None:
        query, client = self._udp.recvfrom(65535)
        for item in self._told(query, "udp", client):
            if isinstance(item, Later):
                self._after(item.seconds, self._udp.sendto, item.packet, client)
            else:
                sock = self._elsewhere if isinstance(item, Elsewhere) else self._udp
                packet = item.packet if isinstance(item, Elsewhere) else item
                with contextlib.suppress(OSError):
                    sock.sendto(packet, client)

    def answer_at(self, client: tuple[str, int], packet: bytes) -> None:
        """A datagram to whoever asked from there."""
        with contextlib.suppress(OSError):
            self._udp.sendto(packet, client)

    def _message(self, connection: socket.socket) -> None:
        try:
            head = connection.recv(2, socket.MSG_WAITALL)
            query = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 2 else b""
            told = self._told(query, "tcp") if query else [CLOSE]
            for item in told:
                if item is CLOSE:
                    raise ConnectionResetError
                if isinstance(item, Later):
                    self._after(item.seconds, connection.sendall, len(item.packet).to_bytes(2, "big") + item.packet)
                else:
                    connection.sendall(len(item).to_bytes(2, "big") + item)
        except OSError:
            self._connections.remove(connection)
            connection.close()

    @staticmethod
    def _after(seconds: float, call: Callable[..., Any], *arguments: Any) -> None:
        def safely() -> None:
            with contextlib.suppress(OSError):
                call(*arguments)

        timer = threading.Timer(seconds, safely)
        timer.daemon = True
        timer.start()


def consul_soa(ttl: int = 0, minimum: int = 0) -> bytes:
    names = b"\x02ns\x06consul\0", b"\x0ahostmaster\x06consul\0"
    return rr(6, b"".join(names) + struct.pack("!5L", 1, 3600, 600, 86400, minimum), ttl, b"\x06consul\0")


AUTHORITATIVE = AA  # Consul's answers: AA set, RA clear
