"""Where the instances of a service are, asked from the docker host's DNS: SRV, with addresses. Small and synchronous:
the gate asks for a handful of names, and the answer decides whether a connect goes through."""

import contextlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Iterator

from dnslib import EDNS0, QTYPE, RR, TXT, DNSError, DNSQuestion, DNSRecord

Place = tuple[str, int]  # address, port

_TIMEOUT = 0.5  # seconds for all of one look-up: the tunnel stands still meanwhile
_SIZE = 4096
_LONGEST_NAME = _LONGEST_STRING = 255  # of a name, and of a string in a TXT record (RFC 1035 2.3.4, 3.3)
_NOERROR, _NXDOMAIN = 0, 3


class Unknown(Exception):
    """The DNS gave no answer that can be relied on."""


def instances(server: str, name: str) -> set[Place]:
    """Addresses and ports of the passing instances of *name*, like web.service.consul; Unknown without an answer."""
    deadline = time.monotonic() + _TIMEOUT
    whole = ask(server, name, "SRV", deadline)
    addresses = _addresses(whole)
    found: set[Place] = set()
    for record in whole.rr:
        if QTYPE[record.rtype] == "SRV":
            target = str(record.rdata.target).lower()
            if target not in addresses:
                for kind in ("A", "AAAA"):
                    some = _addresses(ask(server, target, kind, deadline))
                    addresses.setdefault(target, set()).update(*some.values())
            found |= {(address, record.rdata.port) for address in addresses.get(target, set())}
    return found


def answers(packet: bytes) -> tuple[str, set[str]]:
    """The name that a reply is about, and the addresses in it; ("", empty) for what can't be read."""
    with contextlib.suppress(DNSError, ValueError, IndexError, UnicodeError):
        record = DNSRecord.parse(packet)
        return str(record.q.qname).lower().rstrip("."), {str(one.rdata) for one in record.rr if _is_address(one)}
    return "", set()


def own_record(request: bytes, name: str, text: str) -> bytes | None:
    """A door's reply to who asks for *name*, the record that says who she is: TXT *text*; None for other names."""
    wanted = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    end = 12 + len(wanted) + 4
    # The question alone: 65,535 bytes of names that point at names take a second to parse.
    if len(request) < end or request[4:6] != b"\0\1" or request[12 : end - 4].lower() != wanted:
        return None
    query = DNSRecord.parse(request[:6] + bytes(6) + request[12:end])
    reply = query.reply()
    if query.q.qtype in {QTYPE.TXT, QTYPE.ANY}:
        reply.add_answer(RR(query.q.qname, QTYPE.TXT, rdata=TXT(_strings(text)), ttl=0))
    return bytes(reply.pack())


def question(packet: bytes) -> str:
    """The name that a message is about, in lower case; "" for what can't be read. Reads nothing but that name."""
    labels, at = [], 12
    while at < len(packet) and 0 < packet[at] < 64 and at < 12 + _LONGEST_NAME:
        labels.append(packet[at + 1 : at + 1 + packet[at]])
        at += 1 + packet[at]
    if packet[at : at + 1] != b"\0" or any(b"." in label or not label.isascii() for label in labels):
        return ""
    return b".".join(labels).decode().lower()


def ask(server: str, name: str, kind: str, deadline: float, port: int = 53) -> DNSRecord:
    """The reply of *server*; Unknown unless it says what is there, or that nothing is."""
    found = reply(server, name, kind, deadline, port)
    if found.header.rcode not in {_NOERROR, _NXDOMAIN}:
        raise Unknown(f"{name}: rcode {found.header.rcode}")
    return found


def reply(server: str, name: str, kind: str, deadline: float, port: int = 53) -> DNSRecord:
    """The reply of *server* whatever it says, over TCP where UDP was too small; Unknown when none comes."""
    query = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind)))
    query.header.id = secrets.randbelow(65_536)
    query.add_ar(EDNS0(udp_len=_SIZE))
    try:
        found = _over_udp(server, port, query, deadline)
        return _over_tcp(server, port, query, deadline) if found.header.tc else found
    except (OSError, DNSError, ValueError, IndexError) as problem:
        raise Unknown(f"{name}: {problem or 'no answer'}") from None


def _over_udp(server: str, port: int, query: DNSRecord, deadline: float) -> DNSRecord:
    with socket.socket(_family(server), socket.SOCK_DGRAM) as sock:
        sock.connect((server, port))
        sock.send(query.pack())
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            found = DNSRecord.parse(sock.recv(65_535))
            if found.header.id == query.header.id:
                return found
    raise TimeoutError


def _over_tcp(server: str, port: int, query: DNSRecord, deadline: float) -> DNSRecord:
    with socket.create_connection((server, port), max(deadline - time.monotonic(), 0.001)) as sock:
        packet = query.pack()
        sock.sendall(len(packet).to_bytes(2) + packet)
        with sock.makefile("rb") as stream:
            return DNSRecord.parse(stream.read(int.from_bytes(stream.read(2))))


def _addresses(whole: DNSRecord) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for owner, address in _owned(whole):
        found.setdefault(owner, set()).add(address)
    return found


def _owned(whole: DNSRecord) -> Iterator[tuple[str, str]]:
    for record in (*whole.rr, *whole.ar):
        if _is_address(record):
            yield str(record.rname).lower(), str(record.rdata)


def _is_address(record: object) -> bool:
    return QTYPE[record.rtype] in {"A", "AAAA"}  # type: ignore[attr-defined]


def _family(server: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ipaddress.ip_address(server).version == 6 else socket.AF_INET


def _strings(text: str) -> list[bytes]:
    """*text* as the strings of a TXT record."""
    return [text[at : at + _LONGEST_STRING].encode() for at in range(0, len(text), _LONGEST_STRING)]
