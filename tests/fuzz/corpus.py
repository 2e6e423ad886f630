"""Where a fuzzer starts: one message for every class of mistake that DNS servers have made, by its CVE."""

import struct
from collections.abc import Iterator

from builders import a_query, a_reply
from conformance.message import Question, ask, edns, opt, wire
from conformance.mischief import SHAPES
from conformance.stage import Heard, address, rr, say

ASKED = a_query("web.service.consul", "A", use_edns=0)


def queries() -> Iterator[tuple[str, bytes]]:
    """What clients send."""
    long = (b"\x3f" + b"a" * 63) * 3
    found: dict[str, Question] = {
        "plain": ask("www.example.com"),
        "edns": edns("www.example.com"),
        "dnssec": edns("www.example.com", do=True),
        "consul": ask("Web.Service.CONSUL", "SRV"),
        "CVE-2015-7547 every option": edns(
            options=((10, b"12345678"), (3, b""), (9, b""), (8, b"\0\1\0\0"), (11, b""))
        ),
        "CVE-2026-41292 a hundred options": edns(options=((65001, b""),) * 101),
        "CVE-2026-42944 one option many times": edns(options=((10, b"c" * 8),) * 60),
        "CVE-2026-42004 OPT in the answer section": ask(additional=(opt(),), counts=(1, 1, 0, 0)),
        "RFC 6891 two OPTs": ask(additional=(opt(), opt())),
        "RFC 6891 an OPT with a name": ask(additional=(opt(owner=b"\1x\0"),)),
        "RFC 6891 BADVERS": edns(version=1),
        "RFC 6891 an option past its OPT": ask(additional=(opt()[:-2] + b"\0\4\0\3\0\xff",)),
        "RFC 7873 a cookie of 41 octets": edns(options=((10, b"c" * 41),)),
        "RFC 7873 a cookie without a question": ask(counts=(0, 0, 0, 1), additional=(opt(options=((10, b"c" * 8),)),)),
        "RFC 9267 65,535 records": ask(counts=(1, 65535, 65535, 65535)),
        "RFC 9267 a pointer to itself": ask(raw_name=b"\xc0\x0c"),
        "RFC 9267 a label of 64": ask(raw_name=b"\x40" + b"a" * 64 + b"\0"),
        "RFC 1035 255 octets": ask(raw_name=long + b"\x3d" + b"b" * 61 + b"\0"),
        "RFC 1035 256 octets": ask(raw_name=long + b"\x3e" + b"b" * 62 + b"\0"),
        "RFC 1035 127 labels": ask(raw_name=b"\1a" * 127 + b"\0"),
        "RFC 2181 any octet": ask(raw_name=b"\5\0.\xff\n*\0"),
        "CVE-2026-0396 a name for the log": ask(raw_name=b'\x0eline\nfeed"<\x80>x\0'),
        "CVE-2025-59030 NOTIFY": ask(opcode=4),
        "CVE-2026-40209 IXFR": ask("example.com", "IXFR"),
        "CVE-2020-25829 ANY": ask("example.com", "ANY"),
        "consul#21560 SRV of a virtual name": ask("x.virtual.consul", "SRV"),
        "RFC 8490 DSO": ask(opcode=6, counts=(0, 0, 0, 0), tail=b"\0\1\0\x08" + b"\0" * 8),
        "a reply": ask(flags=0x8100),
        "the fence": ask("web.service.consul.corp.example"),
        "localhost": ask("x.localhost"),
    }
    yield from ((title, question.packet("x", 1)) for title, question in found.items())
    yield "CVE-2023-32067 nothing", b""
    yield "half a header", b"\0\1\1\0\0\1"


def replies() -> Iterator[tuple[str, bytes]]:
    """What servers send, to the question of `ASKED`."""
    heard = Heard(ASKED, "udp")
    for title, shape in SHAPES.items():
        made = shape(heard)
        yield f"TuDoor {title}", made if isinstance(made, bytes) else made.packet
    foreign = (address("6.6.6.6", owner=wire("www.example.com")),)
    yield "MaginotDNS foreign records", say(heard, [address("10.0.0.1")], foreign, foreign)
    yield "RFC 2181 a TTL of 2**32-1", say(heard, [address("10.0.0.1", 0xFFFFFFFF)])
    yield "CVE-2024-8508 a chain of CNAMEs", say(heard, [rr(5, struct.pack("!H", 0xC000 | 12)) for _ in range(200)])
    yield (
        "CVE-2024-1931 an extended error of 1,000 octets",
        say(heard, (), (), (opt(options=((15, b"\0\x16" + b"t" * 1000),)),), rcode=2),
    )
    yield "RFC 2308 NXDOMAIN with a SOA cut short", say(heard, (), (rr(6, b"\0\0" + b"\0" * 8),), rcode=3)
    yield "consul 100 instances", a_reply(ASKED, *(f"web.service.consul. 0 A 10.0.0.{number}" for number in range(100)))
    yield (
        "consul NXDOMAIN",
        a_reply(ASKED, rcode=3, authority=("consul. 0 SOA ns.consul. hostmaster.consul. 1 2 3 4 0",)),
    )
    yield "an OPT between records", say(heard, (), (), (opt(), address("10.0.0.1"), address("10.0.0.2")))
    yield "truncated", say(heard, (), flags=0x0200)


def streams() -> Iterator[tuple[str, bytes]]:
    """What clients write to a connection; the first octet is the size of the pieces."""
    one = ask("www.example.com").packet("x", 1)
    framed = len(one).to_bytes(2, "big") + one
    yield "twisted#12680 a length of one octet", b"\0" + framed
    yield "CVE-2025-30193 a long pipeline", b"\xff" + framed * 300
    yield "RFC 7766 an empty message", b"\x07\0\0\0\1x" + framed
    yield "RFC 7766 a message that never ends", b"\xff\xff\xff" + one
    yield "GO-2020-0006 nothing", b"\x01"


def seeds(target: str) -> dict[str, bytes]:
    """Where the fuzzer of that target starts. Readers of bodies get messages without their ids."""
    found = dict(streams()) if target == "connection" else dict(queries()) | dict(replies())
    if target in ("query", "reply", "plan", "names", "server"):
        found = {title: data[2:] for title, data in found.items()}
    if target == "server":
        question = len(Heard(ASKED, "udp").question)
        found |= {f"{title}, without its question": data[:10] + data[10 + question :] for title, data in found.items()}
    return found


# What the fuzzer found: title -> (target, bytes, why it is still open or "").
_A = b"\1a\0\0\1\0\1"  # the question `a. A IN`
_ONE, _TWO = b"\x81\x80\0\1\0\1\0\0\0\0", b"\x81\x80\0\1\0\2\0\0\0\0"
_FIXED = struct.pack("!HHLH", 1, 1, 0, 0)
_LABEL_IN_TTL = struct.pack("!HHLH", 1, 1, 0x01610000, 0)  # read as a name, this TTL is `a.`
FOUND: dict[str, tuple[str, bytes]] = {
    "a name that runs from its pointer's target over the pointer itself, into bytes behind the last record": (
        "reply",
        _ONE + _A + b"\xc0\x10" + _FIXED + b"\0" * 300,
    ),
    "the same to a question for Consul: the client gets what can't be read": (
        "server",
        _ONE + b"\xc0\x21" + _FIXED + b"\0" * 120,
    ),
    "a pointer into a TTL: when it ages, the name is another": (
        "reply",
        _TWO + _A + b"\xc0\x0c" + _LABEL_IN_TTL + b"\xc0\x19" + _FIXED,
    ),
}
