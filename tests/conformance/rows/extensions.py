"""RFC 6891, 7828, 7871, 8914: EDNS, its sizes, its options, its errors."""

from conformance.message import TCP, UDP, ask, edns, opt
from conformance.table import (
    EDNS_FLAGS_CLEAR,
    NO_OPT,
    NO_OPTIONS,
    NO_TC,
    OPT,
    TC_FLAG,
    Broken,
    Expectation,
    Table,
    data,
    meets,
    rcode,
    reason,
    records,
    size,
)
from conformance.zone import PLAIN_A

TABLE = Table("RFC 6891: EDNS")
NOERROR, FORMERR = rcode("NOERROR"), rcode("FORMERR")
A_RECORD = b"\1x\0\0\1\0\1\0\0\0\1\0\4\1\2\3\4"

TABLE.row("an OPT is answered with an OPT", "RFC 6891 6.1.1", edns(), NOERROR, OPT)
TABLE.row("no OPT, no OPT", "RFC 6891 6.1.1", ask(), NOERROR, NO_OPT)
TABLE.row("the OPT is there in an error: SERVFAIL", "RFC 6891 7", edns("{}.failing.example"), rcode("SERVFAIL"), OPT)
TABLE.row("no OPT in an error to who sent none", "RFC 6891 6.1.1", ask("{}.failing.example"), rcode("SERVFAIL"), NO_OPT)
TABLE.row(
    "the OPT is there in an error: REFUSED",
    "RFC 6891 7",
    edns("plain.example", "AXFR"),
    rcode("REFUSED", "NOTIMP"),
    OPT,
)
TABLE.row("the OPT is there in NXDOMAIN", "RFC 6891 6.1.1", edns("{}.nothing.example"), rcode("NXDOMAIN"), OPT)
TABLE.row("the OPT is there in a truncated answer", "RFC 6891 7", edns("{}.many.example"), TC_FLAG, OPT, over=(UDP,))
TABLE.row(
    "no OPT in a truncated answer to who sent none",
    "RFC 6891 6.1.1",
    ask("{}.many.example"),
    TC_FLAG,
    NO_OPT,
    over=(UDP,),
)
TABLE.row("two OPTs are FORMERR", "RFC 6891 6.1.1", ask(additional=(opt(), opt())), FORMERR)
TABLE.row("an OPT that is not the root's is FORMERR", "RFC 6891 6.1.2", ask(additional=(opt(owner=b"\1x\0"),)), FORMERR)
TABLE.row("an OPT may stand before another record", "RFC 6891 6.1.1", ask(additional=(opt(), A_RECORD)), NOERROR, OPT)
TABLE.row("an OPT may stand behind another record", "RFC 6891 6.1.1", ask(additional=(A_RECORD, opt())), NOERROR, OPT)
TABLE.row(
    "an OPT in the answer section is FORMERR", "RFC 6891 6.1.1", ask(additional=(opt(),), counts=(1, 1, 0, 0)), FORMERR
)
TABLE.row(
    "an option longer than its record is FORMERR",
    "RFC 6891 7",
    ask(additional=(opt()[:-2] + b"\0\4\0\3\0\xff",)),
    FORMERR,
)
TABLE.row("half an option is FORMERR", "RFC 6891 7", ask(additional=(opt()[:-2] + b"\0\3\0\3\0",)), FORMERR)
TABLE.row("an OPT cut short is FORMERR", "RFC 6891 7", ask(additional=(opt()[:-4],)), FORMERR)
TABLE.row(
    "FORMERR for an OPT that is broken has an OPT",
    "RFC 6891 7",
    ask(additional=(opt()[:-2] + b"\0\4\0\3\0\xff",)),
    FORMERR,
    OPT,
)
for version in (1, 7, 255):
    TABLE.row(
        f"version {version} is BADVERS, and ours is 0",
        "RFC 6891 6.1.3",
        edns(version=version),
        rcode("BADVERS"),
        OPT,
        records(0),
    )
TABLE.row(
    "BADVERS also for a name that is answered here",
    "RFC 6891 6.1.3",
    edns("localhost", version=1),
    rcode("BADVERS"),
    OPT,
    records(0),
)
TABLE.row(
    "flags that nobody knows are not given back",
    "RFC 6891 6.1.4",
    edns(ednsflags=0x7FFF),
    NOERROR,
    OPT,
    EDNS_FLAGS_CLEAR,
)
TABLE.row(
    "options that nobody knows are not given back",
    "RFC 6891 6.1.2",
    edns(options=((65001, b"private"), (100, b"x"))),
    NOERROR,
    NO_OPTIONS,
)


@TABLE.story("options, size and flags of an upstream's OPT are its own: they do not pass", "RFC 6891 6.2.6")
def _(case):
    for _ in range(2):  # from the upstream, then from cache
        answer = meets(case.ask(edns("{}.strange.example")), NOERROR, OPT, EDNS_FLAGS_CLEAR, NO_OPTIONS)
        if answer.message.payload == 4000:
            raise Broken("the upstream's payload size was passed on")


@TABLE.story("an OPT is never kept with the answer", "RFC 6891 6.2.1")
def _(case):
    meets(case.ask(edns("{}.strange.example")), NOERROR, OPT)
    meets(case.ask(ask("{}.strange.example")), NOERROR, NO_OPT)
    meets(case.ask(edns("{}.strange.example", size=1400)), NOERROR, OPT)


@TABLE.story("an answer kept from who sent no OPT has one for who does", "RFC 6891 6.2.1")
def _(case):
    meets(case.ask(ask()), NOERROR, NO_OPT)
    meets(case.ask(edns()), NOERROR, OPT)


for payload in (0, 100, 511):
    TABLE.row(
        f"a payload size of {payload} counts as 512",
        "RFC 6891 6.2.3",
        edns("{}.400.size.example", "TXT", size=payload),
        NOERROR,
        NO_TC,
        records(1),
        over=(UDP,),
    )
TABLE.row(
    "512 means 512", "RFC 6891 6.2.3", edns("{}.600.size.example", "TXT", size=512), TC_FLAG, size(512), over=(UDP,)
)
TABLE.row(
    "a size is not remembered from another client's query",
    "RFC 6891 6.2.3",
    edns("{}.1100.size.example", "TXT", size=600),
    TC_FLAG,
    size(600),
    over=(UDP,),
)
TABLE.row(
    "over UDP never more than 1,232 octets, whatever is asked for",
    "DNS flag day 2020, RFC 9715 3",
    edns("{}.2000.size.example", "TXT", size=65535),
    TC_FLAG,
    size(1232),
    over=(UDP,),
)
TABLE.row(
    "what fits 1,232 octets comes whole",
    "DNS flag day 2020",
    edns("{}.1100.size.example", "TXT"),
    NOERROR,
    NO_TC,
    records(1),
)
TABLE.row(
    "over TCP the size in an OPT means nothing",
    "RFC 6891 6.2.3",
    edns("{}.2000.size.example", "TXT", size=512),
    NOERROR,
    NO_TC,
    records(1),
    over=(TCP,),
)


@TABLE.story("upstreams are told 1,232 octets", "DNS flag day 2020", over=(UDP,))
def _(case):
    meets(case.ask(edns(size=4096)), NOERROR)
    sizes = {heard.size for heard in case.heard()}
    if not sizes <= set(range(1200, 1453)):
        raise Broken(f"told {sorted(sizes)}")


TABLE.row(
    "an upstream older than EDNS is asked again without",
    "RFC 6891 6.2.2",
    edns("{}.old.example"),
    NOERROR,
    data(PLAIN_A),
)


@TABLE.story("a client's padding, NSID and keepalive stay between it and us", "RFC 6891 6.2.6, RFC 7828 3.1")
def _(case):
    case.must(edns(options=((12, b"\0" * 40), (3, b""), (11, b""))))
    found = {code for heard in case.heard() for code in heard.options} & {3, 11, 12}
    if found:
        raise Broken(f"options {sorted(found)} were passed on")


@TABLE.story("a client's subnet is not told to general upstreams", "RFC 7871 11.1")
def _(case):
    case.must(edns(options=((8, b"\0\1\x18\0\xc0\0\2"),)))
    if any(8 in heard.options for heard in case.heard()):
        raise Broken("the subnet was passed on")


TABLE.row(
    "a keepalive option over UDP is ignored",
    "RFC 7828 3.2.2",
    edns(options=((11, b""),)),
    NOERROR,
    NO_OPTIONS,
    over=(UDP,),
)
TABLE.row(
    "a keepalive option over TCP is answered with a time-out",
    "RFC 7828 3.3.2, 4",
    edns(options=((11, b""),)),
    Expectation("a keepalive option of 2 octets", lambda answer: len(answer.option(11) or b"") == 2),
    over=(TCP,),
)

# Extended errors ------------------------------------------------------------------------------------------

ERRORS = Table("RFC 8914: errors that say why")
ERRORS.row(
    "SERVFAIL of a server that refuses connections says so",
    "RFC 8914 4.24",
    edns("{}.closed.example"),
    rcode("SERVFAIL"),
    reason(),
)
ERRORS.row(
    "an upstream's extended error is passed on", "RFC 8914 3", edns("{}.told.example"), rcode("SERVFAIL"), reason(6)
)
ERRORS.row("no extended error to who sent no OPT", "RFC 8914 3", ask("{}.told.example"), rcode("SERVFAIL"), NO_OPT)
ERRORS.row(
    "a zone transfer is told that it is not supported", "RFC 8914 4.22", edns("plain.example", "AXFR"), reason(21, 18)
)


@ERRORS.story("a failure that is remembered says so", "RFC 8914 4.14")
def _(case):
    meets(case.ask(edns("{}.closed.example")), rcode("SERVFAIL"))
    meets(case.ask(edns("{}.closed.example")), rcode("SERVFAIL"), reason(13, 22, 23))


@ERRORS.story("silence of all upstreams is SERVFAIL and says so, within 4.5 s", "RFC 8914 4.23")
def _(case):
    answer = case.must(edns("{}.silent.example"), patience=5)
    meets(answer, rcode("SERVFAIL"), reason(22, 23))


TABLES = (TABLE, ERRORS)
