"""Messages as bytes: questions that no library would build, answers read twice (by hand, and by dnspython)."""

import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
DO = 0x8000  # in the flags of an OPT record
UDP, TCP = "udp", "tcp"


def opt(
    size: int = 1232,
    version: int = 0,
    flags: int = 0,
    options: tuple[tuple[int, bytes], ...] = (),
    owner: bytes = b"\0",
) -> bytes:
    """An OPT record (RFC 6891 6.1.2)."""
    data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in options)
    return owner + struct.pack("!HHBBHH", 41, size, 0, version, flags, len(data)) + data


def wire(name: str) -> bytes:
    """A name as bytes, its case kept."""
    return dns.name.from_text(name).to_wire()


@dataclass(frozen=True)
class Question:
    """What is sent. `{}` in the name stands for a label of the case's own, so that no row meets another's answers."""

    name: str = "{}.plain.example"
    kind: str | int = "A"
    cls: int = 1
    flags: int = RD
    opcode: int = 0
    additional: tuple[bytes, ...] = ()
    counts: tuple[int, int, int, int] | None = None  # said in the header, whatever is there
    raw_name: bytes | None = None
    tail: bytes = b""  # behind the last record

    def packet(self, label: str, number: int) -> bytes:
        name = self.raw_name if self.raw_name is not None else wire(self.name.replace("{}", label))
        kind = self.kind if isinstance(self.kind, int) else dns.rdatatype.from_text(self.kind)
        counts = self.counts or (1, 0, 0, len(self.additional))
        header = struct.pack("!6H", number, self.flags | self.opcode << 11, *counts)
        body = name + struct.pack("!HH", kind, self.cls) if counts[0] or self.raw_name is not None else b""
        return header + body + b"".join(self.additional) + self.tail

    def but(self, **changes: Any) -> "Question":
        """The same question with some things otherwise."""
        return replace(self, **changes)


def ask(name: str = "{}.plain.example", kind: str | int = "A", **rest: Any) -> Question:
    """A question without EDNS."""
    return Question(name, kind, **rest)


def edns(name: str = "{}.plain.example", kind: str | int = "A", flags: int = RD, **options: Any) -> Question:
    """A question with an OPT record: *options* are those of `opt`, its flags as *do*."""
    do = DO if options.pop("do", False) else 0
    extra = options.pop("ednsflags", 0)
    cls = options.pop("cls", 1)
    return Question(name, kind, cls, flags, additional=(opt(flags=do | extra, **options),))


@dataclass(frozen=True)
class Answer:
    """What came back to *query* over *transport*, *took* seconds later."""

    query: bytes
    raw: bytes
    transport: str = UDP
    took: float = 0.0
    chunks: list[int] = field(default_factory=list)  # TCP: sizes of the reads

    @property
    def id(self) -> int:
        return int.from_bytes(self.raw[:2], "big")

    @property
    def flags(self) -> int:
        return int.from_bytes(self.raw[2:4], "big")

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def counts(self) -> tuple[int, ...]:
        return struct.unpack("!4H", self.raw[4:12])

    @property
    def question(self) -> bytes:
        """The question section, byte by byte."""
        if not self.counts[0]:
            return b""
        at = 12
        while at < len(self.raw) and self.raw[at]:
            at += self.raw[at] + 1
        return self.raw[12 : at + 5]

    @cached_property
    def message(self) -> dns.message.Message:
        """dnspython's opinion. Raises Unreadable where it has none."""
        try:
            return dns.message.from_wire(self.raw)
        except dns.exception.DNSException as problem:
            raise Unreadable(f"an answer that dnspython can't read: {problem!r}") from None

    @property
    def rcode(self) -> str:
        try:
            return dns.rcode.to_text(self.message.rcode())
        except Unreadable:
            return dns.rcode.to_text(dns.rcode.Rcode(self.flags & 15))

    @property
    def has_opt(self) -> bool:
        return self.message.edns >= 0

    def option(self, code: int) -> bytes | None:
        found = [one for one in self.message.options if one.otype == code]
        return found[0].to_wire() if found else None

    @property
    def reason(self) -> tuple[int, str] | None:
        """The extended error: code and text (RFC 8914)."""
        data = self.option(dns.edns.EDE)
        return (int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace").rstrip("\0")) if data else None

    def data(self, kind: str | int | None = None) -> list[str]:
        """The data of the answer section, in order; of one *kind* only if that is said."""
        wanted = dns.rdatatype.from_text(kind) if isinstance(kind, str) else kind
        sets = self.message.answer
        return [str(one) for found in sets for one in found if wanted is None or found.rdtype == wanted]

    @property
    def ttls(self) -> list[int]:
        message = self.message
        return [found.ttl for found in (*message.answer, *message.authority, *message.additional)]

    def __str__(self) -> str:
        """One line for the report."""
        try:
            words = [self.rcode]
            words += [word for bit, word in ((TC, "TC"), (Z, "Z"), (AD, "AD"), (CD, "CD")) if self.flags & bit]
            if self.opcode:
                words.append(f"opcode {self.opcode}")
            words.append(f"{self.counts[1]} answers")
            if self.has_opt:
                codes = [int(one.otype) for one in self.message.options]
                words.append("OPT" + (f" with options {codes}" if codes else ""))
            return ", ".join(words)
        except Unreadable as problem:
            return str(problem)


class Unreadable(ValueError):
    """dnspython can't read it."""
