"""RFC 1035, 2181, 3597, 4343: the message itself, names, types, classes, opcodes."""

import time

from conformance.message import QR, RD, TCP, UDP, ask, edns
from conformance.table import (
    EMPTY,
    HEADER_ONLY,
    NO_OPT,
    RA_FLAG,
    SAME_QUESTION,
    Broken,
    Expectation,
    Table,
    data,
    meets,
    opcode,
    rcode,
    records,
    size,
)
from conformance.zone import MIXED, PLAIN_A

TABLE = Table("RFC 1035, 2181, 3597, 4343: the message")
NOERROR, FORMERR = rcode("NOERROR"), rcode("FORMERR")

TABLE.row(
    "the answer repeats id, opcode, RD and question, and sets RA",
    "RFC 1035 4.1.1",
    ask(),
    NOERROR,
    opcode(0),
    RA_FLAG,
    SAME_QUESTION,
    NO_OPT,
)
TABLE.row(
    "RA is set although the upstream's answer has it clear",
    "RFC 1035 4.1.1",
    ask("{}.norecursion.example"),
    NOERROR,
    RA_FLAG,
)
TABLE.row("RD clear stays clear", "RFC 1035 4.1.1", ask(flags=0), rcode("NOERROR", "REFUSED"))
for number in (0, 65535):

    @TABLE.story(f"id {number} comes back", "RFC 1035 4.1.1", over=(UDP, TCP))
    def _(case, number=number):
        meets(case.send(case.packet(ask(), number)), NOERROR)

# Names ----------------------------------------------------------------------------------------------

for title, label in {
    "NUL": b"\1\0",
    "a dot": b"\3a.b",
    "0xff": b"\2\xff\xfe",
    "a space": b"\3a b",
    "controls": b"\3\n\r\t",
    "! ~ *": b"\4x!~*",
    "an underscore": b"\2_x",
    "quotes and a backslash": b"\3\"\\'",
    "UTF-8": b"\4b\xc3\xbcr",
}.items():

    @TABLE.story(f"any octet may stand in a label: {title}", "RFC 2181 11", over=(UDP,))
    def _(case, label=label):
        name = label + bytes([len(case.label)]) + case.label.encode() + b"\5plain\7example\0"
        meets(case.ask(ask(raw_name=name)), NOERROR, SAME_QUESTION, records(1))


@TABLE.story("127 labels are a name", "RFC 1035 2.3.4")
def _(case):
    tail = bytes([len(case.label)]) + case.label.encode() + b"\0"
    room = 255 - len(tail)
    name = b"\1a" * (room // 2) + tail
    meets(case.ask(ask(raw_name=b"\1a" * 127 + b"\0")), NOERROR, SAME_QUESTION)
    meets(case.ask(ask(raw_name=name)), NOERROR, SAME_QUESTION)


@TABLE.story("a name of exactly 255 octets is one", "RFC 1035 2.3.4")
def _(case):
    own = bytes([len(case.label)]) + case.label.encode() + b"\5plain\7example\0"
    left = 255 - len(own)
    name = (b"\x3f" + b"a" * 63) * 3 + bytes([left - 192 - 1]) + b"b" * (left - 192 - 1) + own
    assert len(name) == 255
    meets(case.ask(ask(raw_name=name)), NOERROR, SAME_QUESTION, records(1))


BAD_NAMES = {
    "a name of 256 octets": b"\1a" + (b"\x3f" + b"a" * 63) * 3 + b"\x3c" + b"b" * 60 + b"\0",
    "a pointer in the question": b"\xc0\x0c",
    "a label of an unknown kind": b"\x41ab\0",
    "a name that ends with the message": b"\5plain\7exa",
}
for title, name in BAD_NAMES.items():
    TABLE.row(f"{title} is FORMERR", "RFC 1035 2.3.4, RFC 5625 6.3", ask(raw_name=name), FORMERR)


@TABLE.story("the question comes back in the client's spelling, also from cache", "RFC 4343 3")
def _(case):
    meets(case.ask(ask("{}.plain.example")), NOERROR, SAME_QUESTION)
    asked = len(case.heard())
    meets(case.ask(ask("{}.PlAiN.eXaMpLe")), NOERROR, SAME_QUESTION, records(1))
    if len(case.heard()) != asked:
        raise Broken("another spelling was asked of the upstream again")


TABLE.row("capital letters in data stay", "RFC 4343 4", ask("{}.mixed.example", "CNAME"), data(MIXED, kind="CNAME"))
TABLE.row(
    "an upstream that gives the question back in lower case is believed",
    "RFC 4343 3",
    ask("{}.LOWER.example"),
    NOERROR,
    SAME_QUESTION,
    data(PLAIN_A),
)

# Types and classes ----------------------------------------------------------------------------------

for kind in (10, 20025, 65281, 65534):
    TABLE.row(
        f"TYPE{kind} passes unharmed",
        "RFC 3597 3",
        ask("{}.echo.example", kind),
        NOERROR,
        data(r"\# 4 deadbeef", kind=None),
    )
for cls in (3, 0x1234):

    @TABLE.story(f"class {cls} passes unharmed, and is not taken for IN", "RFC 3597 3")
    def _(case, cls=cls):
        meets(case.ask(ask("{}.echo.example", 65281, cls=cls)), NOERROR, records(1), SAME_QUESTION)
        meets(case.ask(ask("{}.echo.example", 65281)), NOERROR, records(1), SAME_QUESTION)
        classes = {heard.cls for heard in case.heard()}
        if classes != {1, cls}:
            raise Broken(f"the upstream was asked for classes {sorted(classes)}")


@TABLE.story("data with pointers in it arrives whole", "RFC 1035 4.1.4")
def _(case):
    answer = meets(case.ask(ask("{}.compressed.example")), NOERROR)
    if not answer.data("CNAME")[0].startswith("target."):
        raise Broken(str(answer.data()))


# TTL ------------------------------------------------------------------------------------------------

TTL_SANE = Expectation("TTLs at most 2**31-1", lambda answer: max(answer.ttls) <= 0x7FFFFFFF)
TABLE.row(
    "a TTL with its highest bit set is not passed on",
    "RFC 2181 8",
    ask("{}.msb.example"),
    NOERROR,
    records(1),
    TTL_SANE,
)


@TABLE.story("a TTL with its highest bit set is not kept for 136 years", "RFC 2181 8")
def _(case):
    for _ in range(2):
        answer = meets(case.ask(ask("{}.msb.example")), NOERROR, TTL_SANE)
    if len(case.heard()) == 1 and max(answer.ttls) > 604_800:
        raise Broken(f"kept with a TTL of {max(answer.ttls)}")


@TABLE.story("TTL 0 is not kept", "RFC 1035 3.2.1")
def _(case):
    for _ in range(2):
        meets(case.ask(ask("{}.ttl0.example")), NOERROR, records(1))
    if len(case.heard()) < 2:
        raise Broken("the second answer came from cache")


@TABLE.story("the TTLs of a set age together", "RFC 2181 5.2")
def _(case):
    meets(case.ask(ask("{}.pair.example")), records(2))
    time.sleep(1.1)
    ttls = set(meets(case.ask(ask("{}.pair.example")), records(2)).ttls)
    if len(ttls) != 1 or not 110 <= min(ttls) < 120:
        raise Broken(f"TTLs {sorted(ttls)} a second after 120")


# Truncated answers ------------------------------------------------------------------------------------


@TABLE.story("the data of a truncated answer is not used: TCP has the truth", "RFC 2181 9")
def _(case):
    answer = meets(case.ask(ask("{}.liar.example")), rcode("NOERROR"))
    if not answer.flags & 0x0200 and answer.data() != [PLAIN_A]:
        raise Broken(f"{answer}: {answer.data()}")


@TABLE.story("a truncated answer is not kept", "RFC 2181 9")
def _(case):
    meets(case.ask(ask("{}.liar.example"), over=UDP), NOERROR)
    if meets(case.ask(ask("{}.liar.example"), over=TCP), NOERROR).data() != [PLAIN_A]:
        raise Broken("the data of the truncated answer was kept")


# What is no query -------------------------------------------------------------------------------------


@TABLE.story("a reply from a client is met with silence", "RFC 8906 3, RFC 5625 6.3", over=(UDP,))
def _(case):
    first = case.first_of(case.packet(ask(flags=RD | QR), 1), case.packet(ask(), 2))
    if first is None or first[:2] != b"\0\2":
        raise Broken("it answered a reply" if first else "no answer to the good query behind it")


for length in (0, 1, 11):

    @TABLE.story(
        f"{length} octets are met with silence, and the next query is answered",
        "RFC 5625 6.3, CVE-2023-32067",
        over=(UDP,),
    )
    def _(case, length=length):
        first = case.first_of(b"\0\1\1\0\0\1\0\0\0\0\0"[:length], case.packet(ask(), 2))
        if first is None or first[:2] != b"\0\2":
            raise Broken("it answered that" if first else "no answer to the good query behind it")


TABLE.row(
    "no question at all is FORMERR or NOERROR",
    "RFC 1035 4.1.2",
    ask(counts=(0, 0, 0, 0)),
    rcode("FORMERR", "REFUSED", "NOERROR"),
    EMPTY,
)
TABLE.row("two questions are FORMERR", "RFC 9619 4", ask(counts=(2, 0, 0, 0), tail=b"\1x\0\0\1\0\1"), FORMERR, EMPTY)
TABLE.row("a count of records that are not there is FORMERR", "RFC 5625 6.3", ask(counts=(1, 9, 0, 0)), FORMERR, EMPTY)
TABLE.row("65,535 records that are not there are FORMERR", "RFC 9267 5", ask(counts=(1, 0, 0, 65535)), FORMERR, EMPTY)
TABLE.row("a question cut short is FORMERR", "RFC 5625 6.3", lambda case: case.packet(ask())[:-2], FORMERR)

# Opcodes ------------------------------------------------------------------------------------------------

OPCODES = {1: "IQUERY", 2: "STATUS", 3: "unassigned", 4: "NOTIFY", 5: "UPDATE", 6: "DSO", 15: "unassigned"}
for number, title in OPCODES.items():
    source = "RFC 8490 5.1" if number == 6 else "RFC 8906 7"
    fitting = ("NOTIMP", "REFUSED") if number in (4, 5) else ("NOTIMP",)
    TABLE.row(
        f"opcode {number} ({title}) is {' or '.join(fitting)}, with its opcode",
        source,
        ask(opcode=number),
        rcode(*fitting),
        opcode(number),
        EMPTY,
    )
TABLE.row(
    "a DSO keepalive is NOTIMP",
    "RFC 8490 5.1",
    ask(opcode=6, flags=0, counts=(0, 0, 0, 0), tail=b"\0\1\0\x08" + b"\0" * 8),
    rcode("NOTIMP"),
    HEADER_ONLY,
)

for kind in ("AXFR", "IXFR"):
    TABLE.row(f"{kind} is refused", "RFC 5936 5", ask("plain.example", kind), rcode("REFUSED", "NOTIMP"), EMPTY)
    TABLE.row(
        f"{kind} of a Consul domain is refused", "RFC 5936 5", ask("consul", kind), rcode("REFUSED", "NOTIMP"), EMPTY
    )
TABLE.row(
    "an IXFR with its SOA is refused, and says so with EDNS too",
    "RFC 1995 3",
    edns("plain.example", "IXFR"),
    rcode("REFUSED", "NOTIMP"),
    size(200),
)
