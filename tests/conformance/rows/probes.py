"""RFC 8906 (BCP 231): its 17 probes, as dig would send them to a recursive server."""

from conformance.message import AD, CD, RD, TCP, UDP, Z, ask, edns
from conformance.table import (
    DO_SET,
    EDNS_FLAGS_CLEAR,
    HEADER_ONLY,
    NO_OPT,
    NO_OPTIONS,
    OPT,
    SAME_QUESTION,
    TC_FLAG,
    Table,
    flag,
    opcode,
    rcode,
    records,
)

TABLE = Table("RFC 8906: is this server sound?")
NOERROR, BADVERS = rcode("NOERROR"), rcode("BADVERS")
ZONE = "{}.plain.example"

TABLE.row(
    "plain DNS: +noedns +noad soa",
    "RFC 8906 8.1.1",
    ask(ZONE, "SOA"),
    NOERROR,
    records(1),
    NO_OPT,
    flag(AD, "AD", False),
)
TABLE.row("an unknown type: +noedns type1000", "RFC 8906 8.1.2", ask(ZONE, 1000), NOERROR, records(0), NO_OPT)
TABLE.row("CD set: +cd", "RFC 8906 8.1.3", ask(ZONE, "SOA", flags=RD | CD), NOERROR, records(1), NO_OPT)
TABLE.row("AD set: +ad", "RFC 8906 8.1.3", ask(ZONE, "SOA", flags=RD | AD), NOERROR, records(1), NO_OPT)
TABLE.row("the reserved bit set: +zflag", "RFC 8906 8.1.3", ask(ZONE, "SOA", flags=RD | Z), NOERROR, records(1), NO_OPT)
TABLE.row(
    "an unknown opcode: +opcode=15 +header-only",
    "RFC 8906 8.1.4",
    ask(opcode=15, counts=(0, 0, 0, 0)),
    rcode("NOTIMP"),
    opcode(15),
    HEADER_ONLY,
)
TABLE.row("TCP: +tcp", "RFC 8906 8.1.5", ask(ZONE, "SOA"), NOERROR, records(1), SAME_QUESTION, NO_OPT, over=(TCP,))
TABLE.row("EDNS: +edns=0", "RFC 8906 8.2.1", edns(ZONE, "SOA"), NOERROR, records(1), OPT, NO_OPTIONS)
TABLE.row("an EDNS version to come: +edns=1", "RFC 8906 8.2.2", edns(ZONE, "SOA", version=1), BADVERS, OPT, records(0))
TABLE.row(
    "an unknown option: +ednsopt=100",
    "RFC 8906 8.2.3",
    edns(ZONE, "SOA", options=((100, b""),)),
    NOERROR,
    records(1),
    OPT,
    NO_OPTIONS,
)
TABLE.row(
    "unknown EDNS flags: +ednsflags=0x40",
    "RFC 8906 8.2.4",
    edns(ZONE, "SOA", ednsflags=0x40),
    NOERROR,
    records(1),
    OPT,
    EDNS_FLAGS_CLEAR,
)
TABLE.row(
    "a version to come with unknown flags",
    "RFC 8906 8.2.5",
    edns(ZONE, "SOA", version=1, ednsflags=0x40),
    BADVERS,
    OPT,
    EDNS_FLAGS_CLEAR,
    records(0),
)
TABLE.row(
    "a version to come with an unknown option",
    "RFC 8906 8.2.6",
    edns(ZONE, "SOA", version=1, options=((100, b""),)),
    BADVERS,
    OPT,
    NO_OPTIONS,
    records(0),
)
TABLE.row(
    "truncated: +dnssec +bufsize=512 +ignore dnskey",
    "RFC 8906 8.2.7",
    edns("{}.keys.example", "DNSKEY", do=True, size=512),
    NOERROR,
    TC_FLAG,
    OPT,
    over=(UDP,),
)
TABLE.row("DNSSEC wanted: +dnssec", "RFC 8906 8.2.8", edns(ZONE, "SOA", do=True), NOERROR, OPT, DO_SET)
TABLE.row(
    "a version to come, DNSSEC wanted",
    "RFC 8906 8.2.9",
    edns(ZONE, "SOA", version=1, do=True),
    BADVERS,
    OPT,
    records(0),
)
TABLE.row(
    "many options: +cookie +nsid +expire +subnet=0/0",
    "RFC 8906 8.2.10",
    edns(ZONE, "SOA", options=((10, b"12345678"), (3, b""), (9, b""), (8, b"\0\1\0\0"))),
    NOERROR,
    records(1),
    OPT,
)
