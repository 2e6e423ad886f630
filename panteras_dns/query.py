"""Asks a running server one question, and has it say which route and server answered."""

import json
import socket
import time
from dataclasses import asdict, dataclass

from dnslib import CLASS, EDNS0, QTYPE, RCODE, DNSLabel, DNSQuestion, DNSRecord, EDNSOption

from panteras_dns.endpoint import Endpoint
from panteras_dns.names import wire_name
from panteras_dns.plan import TELL
from panteras_dns.wire import EDE, Malformed, frame, read_reply

_LOCALHOST = "localhost"  # answered by the gateway itself


class Unanswered(Exception):
    """No server was there to ask, or none answered in time."""


@dataclass(frozen=True)
class Found:
    """What the server said. Times in milliseconds."""

    name: str
    type: str
    rcode: str
    records: list[str]
    reason: str
    route: str
    server: str
    asked: str
    milliseconds: float

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        lines = self.records or [f"{self.name} {self.type}: no records"]
        if self.rcode != "NOERROR":
            lines = [f"{self.name} {self.type}: {self.rcode}" + (f", {self.reason}" if self.reason else "")]
        way = (
            f"route {self.route}, answered by {self.server}" if self.route else "the server does not say by which route"
        )
        return "\n".join([*lines, f"-- {way}; {self.milliseconds:.1f} ms from {self.asked}"])


def look_up(name: str, kind: str, server: Endpoint, tcp: bool = False, timeout: float = 5.0) -> Found:
    """One question, one answer. ValueError for what is no question, `Unanswered` when nobody answers."""
    question = _question(name, kind)
    packet = question.pack()
    began = time.monotonic()
    answer = _ask_tcp(packet, server, timeout) if tcp else _ask_udp(packet, server, timeout)
    if not tcp and answer[2] & 2:
        answer = _ask_tcp(packet, server, timeout)
    took = (time.monotonic() - began) * 1000
    return _found(question, answer, server, took)


def attempt(name: str, kind: str, server: Endpoint, tcp: bool = False, timeout: float = 5.0) -> Found | None:
    """The same, None when nobody answers."""
    try:
        return look_up(name, kind, server, tcp, timeout)
    except Unanswered:
        return None


def is_gateway(server: Endpoint, timeout: float = 5.0) -> bool:
    """Whether a gateway of ours answers there: one says by which route it answers for its own host. `Unanswered` when
    nobody answers."""
    return bool(look_up(_LOCALHOST, "A", server, timeout=timeout).route)


def _question(name: str, kind: str) -> DNSRecord:
    wire_name(name)
    number = QTYPE.reverse.get(kind.upper())
    if kind.upper().startswith("TYPE") and kind[4:].isdigit():
        number = int(kind[4:])
    if number is None or number > 65535:
        raise ValueError(f"not a record type: {kind!r}")
    question = DNSRecord(q=DNSQuestion(DNSLabel(name), number))
    question.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(TELL, b"")]))
    return question


def _ask_udp(packet: bytes, server: Endpoint, timeout: float) -> bytes:
    deadline = time.monotonic() + timeout
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((server.host, server.port))
            while (left := deadline - time.monotonic()) > 0:
                # Asked again each second: a datagram may be lost, an answer may be late.
                sock.settimeout(min(left, 1.0))
                sock.send(packet)
                try:
                    answer = sock.recv(65535)
                except TimeoutError:
                    continue
                if answer[:2] == packet[:2] and len(answer) >= 12:
                    return answer
        except OSError as problem:
            raise Unanswered(f"{server} does not answer: {problem.strerror or problem}") from None
    raise Unanswered(f"{server} did not answer within {timeout:g} s")


def _ask_tcp(packet: bytes, server: Endpoint, timeout: float) -> bytes:
    try:
        with socket.create_connection((server.host, server.port), timeout) as sock:
            sock.sendall(frame(packet))
            stream = sock.makefile("rb")
            size = int.from_bytes(stream.read(2), "big")
            answer = stream.read(size)
    except OSError as problem:
        raise Unanswered(f"{server} does not answer over TCP: {problem}") from None
    if len(answer) < 12:
        raise Unanswered(f"{server} closed the connection without an answer")
    return answer


def _found(question: DNSRecord, answer: bytes, server: Endpoint, took: float) -> Found:
    try:
        reply = read_reply(answer[2:])
        parsed = DNSRecord.parse(answer)
    except Exception as problem:  # dnslib raises whatever its parser met
        if isinstance(problem, Malformed):
            problem = ValueError(str(problem))
        raise Unanswered(f"{server} answered with something that is no DNS message: {problem}") from None
    told = (reply.edns.option(TELL) if reply.edns else None) or b""
    why = (reply.edns.option(EDE) if reply.edns else None) or b""
    route, _, source = told.decode("utf-8", "replace").partition("\t")
    return Found(
        name=str(question.q.qname),
        type=QTYPE.forward.get(question.q.qtype, f"TYPE{question.q.qtype}"),
        rcode=str(RCODE.forward.get(reply.rcode, reply.rcode)),
        records=[_line(record) for record in parsed.rr],
        reason=why[2:].decode("utf-8", "replace"),
        route=route,
        server=source,
        asked=str(server),
        milliseconds=round(took, 1),
    )


def _line(record: object) -> str:
    kind = QTYPE.forward.get(record.rtype, f"TYPE{record.rtype}")  # type: ignore[attr-defined]
    cls = CLASS.forward.get(record.rclass, record.rclass)  # type: ignore[attr-defined]
    return f"{record.rname} {record.ttl} {cls} {kind} {record.rdata}"  # type: ignore[attr-defined]
