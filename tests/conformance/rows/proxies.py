"""RFC 5625 (BCP 152), section by section: what a DNS proxy must let through."""

import itertools
import socket
import struct

from conformance.message import AD, CD, RD, TCP, UDP, Z, ask, edns
from conformance.table import (
    NO_TC,
    OPT,
    TC_FLAG,
    Broken,
    Table,
    meets,
    rcode,
    records,
    within,
)
from conformance.zone import MIXED, PLAIN_A

TABLE = Table("RFC 5625: a proxy, section by section")
NOERROR = rcode("NOERROR")
TSIG = (
    b"\3key\0"
    + struct.pack("!HHLH", 250, 255, 0, 58)
    + b"\x08hmac-md5\7sig-alg\3reg\3int\0"
    + b"\0" * 6
    + b"\1\x2c\0\x10"
    + b"m" * 16
    + b"\0" * 6
)


def upstream_asked(case, count=1, domain="."):
    heard = case.heard(domain)
    if len(heard) < count:
        raise Broken("the upstream was not asked")
    return heard


@TABLE.story("records come through as they are: owners, types, data, order", "RFC 5625 3")
def _(case):
    answer = meets(case.ask(ask("{}.mixed.example")), NOERROR)
    if answer.data() != [MIXED, PLAIN_A] or str(answer.message.answer[1].name) != MIXED:
        raise Broken(str(answer.data()))


for bit, name in ((AD, "AD"), (CD, "CD"), (Z, "Z"), (AD | CD | Z, "AD, CD and Z")):

    @TABLE.story(f"a query with {name} set is passed on", "RFC 5625 4.1")
    def _(case, bit=bit):
        meets(case.ask(ask(flags=RD | bit)), NOERROR, records(1))
        flags = upstream_asked(case)[0].flags
        if bit & CD and not flags & CD:
            raise Broken("CD was taken away on the way to the upstream")


TABLE.row(
    "an answer without compression comes through", "RFC 5625 4.2", ask("{}.uncompressed.example"), NOERROR, records(2)
)
TABLE.row(
    "an answer with compression inside data comes through",
    "RFC 5625 4.2",
    ask("{}.compressed.example"),
    NOERROR,
    records(2),
)
for kind, title in ((65281, "an unknown type"), (33, "SRV"), (43, "DS"), (64, "SVCB"), (249, "TKEY"), (99, "SPF")):
    TABLE.row(
        f"{title} is passed on",
        "RFC 5625 4.3",
        ask("{}.echo.example" if kind > 250 or kind == 99 else "{}.plain.example", kind),
        NOERROR,
    )
TABLE.row("class CH is passed on", "RFC 5625 4.3", ask("{}.echo.example", "TXT", cls=3), NOERROR, records(1))

TABLE.row(
    "an answer over 512 octets comes whole to who takes it",
    "RFC 5625 4.4",
    edns("{}.1000.size.example", "TXT"),
    NOERROR,
    records(1),
    NO_TC,
)
TABLE.row(
    "without EDNS what does not fit into 512 octets is cut with TC",
    "RFC 5625 4.4",
    ask("{}.1000.size.example", "TXT"),
    NOERROR,
    TC_FLAG,
    over=(UDP,),
)


@TABLE.story("TC is never taken away from what is not whole", "RFC 5625 4.4", over=(UDP,))
def _(case):
    answer = case.must(ask("{}.onlyudp.example"), patience=5)
    if answer.rcode == "NOERROR" and not answer.flags & 0x0200:
        raise Broken(f"{answer}, of an upstream that truncates and has no TCP")


TABLE.row("TCP is served", "RFC 5625 4.4.1", ask("{}.many.example"), NOERROR, records(300), over=(TCP,))


@TABLE.story("a question over TCP goes on over TCP", "RFC 5625 4.4.1", over=(TCP,))
def _(case):
    meets(case.ask(ask()), NOERROR)
    if upstream_asked(case)[0].transport != TCP:
        raise Broken("the upstream was asked over UDP first")


TABLE.row("a query with an OPT is not refused", "RFC 5625 4.4.2", edns(), NOERROR, OPT, records(1))
TABLE.row(
    "a datagram of 4,000 octets from an upstream is taken whole",
    "RFC 5625 4.4.3",
    edns("{}.oversize.example", "TXT"),
    NOERROR,
    records(1),
    NO_TC,
    over=(TCP,),
)


@TABLE.story("a message with TSIG goes on with nothing changed but the id", "RFC 5625 4.5")
def _(case):
    packet = case.packet(ask(additional=(TSIG,)))
    case.send(packet)
    heard = upstream_asked(case)[-1]
    if heard.packet[2:] != packet[2:]:
        raise Broken(f"{len(packet)} octets became {len(heard.packet)} octets")


@TABLE.story("the answer to a message with TSIG comes back with nothing changed but the id", "RFC 5625 4.5")
def _(case):
    answer = case.send(case.packet(ask("{}.echo.example", 65281, additional=(TSIG,))))
    if answer is None:
        raise Broken("no answer")
    if answer.raw[-4:] != b"\xde\xad\xbe\xef" or answer.flags & 15:
        raise Broken(f"rcode {answer.flags & 15}, {len(answer.raw)} octets")


@TABLE.story("a signed answer is not given to others, nor a kept one to who signs", "RFC 5625 4.5")
def _(case):
    case.ask(ask())
    case.ask(ask(additional=(TSIG,)))
    upstream_asked(case, 2)


@TABLE.story("ids towards upstreams are not the clients'", "RFC 5625 6.1, CVE-2026-47703", over=(UDP,))
def _(case):
    for number in range(12):
        meets(case.send(case.packet(ask(f"{case.label}{number}.plain.example"), 7000 + number)), NOERROR)
    ids = [int.from_bytes(heard.packet[:2], "big") for heard in upstream_asked(case, 12)]
    same = sum(7000 <= one < 7012 for one in ids)
    steps = {later - one for one, later in itertools.pairwise(ids)}
    if same > 2 or len(steps) < 8:
        raise Broken(f"ids {ids[:4]}... for 7000, 7001, ...")


for title, sent in {
    "half a name": ask(raw_name=b"\x3fabc"),
    "a count that lies": ask(counts=(1, 0, 3, 0)),
}.items():
    TABLE.row(
        f"what can't be read is answered at once: {title}",
        "RFC 5625 6.3",
        sent,
        rcode("FORMERR", "SERVFAIL"),
        within(0.5),
    )


@TABLE.story("a reply leaves from the address that was asked", "RFC 2181 4.1, moby#11998", over=(UDP,))
def _(case):
    case.restart(listen=("127.0.0.1", "127.0.0.2"))
    ports = getattr(case.server, "ports", [case.port] * 2)
    for host, port in zip(("127.0.0.1", "127.0.0.2"), ports, strict=False):
        case.port = port
        with case.udp(host) as sock:  # connected: what comes from elsewhere is not seen
            sock.send(case.packet(ask()))
            try:
                sock.recv(512)
            except TimeoutError:
                raise Broken(f"nothing came back from {host}") from None


@TABLE.story("who is not on the list is refused, and told why", "RFC 5625 6.2, RFC 8914 4.19")
def _(case):
    case.restart(allow=("127.0.0.9/32",))
    answer = case.must(edns())
    if answer.rcode != "REFUSED":
        raise Broken(str(answer))
    if not answer.reason or answer.reason[0] != 18 or not answer.reason[1]:
        raise Broken(f"{answer}: no extended error 18 with a text")


@TABLE.story("who is not on the list learns nothing of the cache", "coredns#8289", over=(UDP,))
def _(case):
    case.restart(allow=("127.0.0.1/32",))
    meets(case.ask(ask()), NOERROR)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.5", 0))
        sock.settimeout(0.5)
        sock.connect(("127.0.0.1", case.port))
        sock.send(case.packet(ask()))
        try:
            found = sock.recv(512)
        except TimeoutError:
            return
    if found[3] & 15 != 5 or found[7]:
        raise Broken("a stranger got an answer")
