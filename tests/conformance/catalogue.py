"""What the scripted Consul says. It has Consul's habits: RA clear, the question in lower case, TTL 0, three answers
over UDP without EDNS and no TC, NXDOMAIN for whatever it does not know."""

import random
import struct
from typing import Any

from conformance.message import AA, TC, opt
from conformance.stage import Heard, Later, address, consul_soa, rr, say

A, NS, SOA, PTR, SRV, ANY = 1, 2, 6, 12, 33, 255
FORMS = ("service", "node", "query", "connect", "virtual", "ingress", "addr")


def consul(heard: Heard) -> Any:
    labels = heard.name.split(".")
    if labels[-1] == "arpa":
        return _reverse(heard)
    if len(labels) == 1:
        return _apex(heard)
    at = next((number for number, label in enumerate(labels) if label in FORMS), 0)
    service = labels[at - 1] if at else ""
    if ".dc9" in heard.name:
        return None  # a datacenter that is cut off
    answers = {
        "web": lambda: _service(heard, 3),
        "many": lambda: _service(heard, 100),
        "kept": lambda: _service(heard, 2, ttl=60),
        "oldest": lambda: _oldest(heard),
        "broken": lambda: _negative(heard, 2),
        "silent": lambda: None,
        "slow": lambda: Later(0.3, _service(heard, 1)),
        "badsoa": lambda: _say(
            heard, authority=(consul_soa(3600, 3600).replace(b"\6consul\0", b"\5other\0", 1),), rcode=3
        ),
        "lostsoa": lambda: _say(heard, rcode=3),
    }
    return answers.get(service, lambda: _negative(heard, 3))()


def _service(heard: Heard, count: int, ttl: int = 0) -> Any:
    hosts = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(count)]
    random.shuffle(hosts)
    if heard.kind in (A, ANY):
        return _fitting(heard, [address(host, ttl) for host in hosts])
    if heard.kind == SRV:
        return _fitting(heard, *_srv(hosts))
    return _negative(heard, 0)


def _srv(hosts: list[str]) -> tuple[list[bytes], list[bytes]]:
    targets = [b"\x05node%d\x04node\3dc1\6consul\0" % (number % 10) for number in range(len(hosts))]
    found = [rr(SRV, struct.pack("!3H", 1, 1, 8080 + number) + target, 0) for number, target in enumerate(targets)]
    return found, [address(host, 0, owner=target) for host, target in zip(hosts, targets, strict=True)]


def _apex(heard: Heard) -> bytes:
    found = {SOA: [consul_soa()], NS: [rr(NS, b"\x02s1\2ns\6consul\0", 0)]}.get(heard.kind)
    return _say(heard, found) if found else _negative(heard, 3)


def _oldest(heard: Heard) -> Any:
    """A release that says NXDOMAIN to AAAA where A exists (consul#3439)."""
    return _service(heard, 1) if heard.kind == A else _negative(heard, 3)


def _negative(heard: Heard, rcode: int) -> bytes:
    return _say(heard, authority=(consul_soa(),), rcode=rcode)


def _reverse(heard: Heard) -> bytes:
    if heard.name == "1.0.0.10.in-addr.arpa":
        return _say(heard, [rr(PTR, b"\x05node1\x04node\3dc1\6consul\0", 0)])
    return _negative(heard, 3)


def _fitting(heard: Heard, found: list[bytes], extra: list[bytes] | None = None) -> bytes:
    extra = extra or []
    if heard.transport == "udp" and not heard.rest:
        found, extra = found[:3], extra[:3]  # consul#2335: and TC stays clear
    most = heard.size if heard.transport == "udp" else 65000
    flags = AA
    while found and len(_say(heard, found, extra=extra)) > most:
        extra = extra[:-1] if extra else extra
        found = found if extra else found[:-1]
        flags = AA | TC if heard.rest else AA
    return _say(heard, found, extra=extra, flags=flags)


def _say(
    heard: Heard,
    found: list[bytes] | tuple[bytes, ...] = (),
    authority: tuple[bytes, ...] = (),
    extra: list[bytes] | None = None,
    rcode: int = 0,
    flags: int = AA,
) -> bytes:
    own = (opt(4096),) if heard.rest[:3] == b"\0\0\x29" else ()
    question = heard.lowered
    return say(heard, found, authority, (*(extra or ()), *own), rcode=rcode, flags=flags, question=question)
