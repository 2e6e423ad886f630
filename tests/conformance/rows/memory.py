"""RFC 2308, 8020, 8482: what is kept, and for how long; ANY."""

import time

from conformance.message import TCP, UDP, ask, edns
from conformance.table import (
    SOA,
    Broken,
    Expectation,
    Table,
    data,
    meets,
    rcode,
    records,
    size,
)
from conformance.zone import PLAIN_A, plain

TABLE = Table("RFC 2308, 8020: what is kept")
NOERROR, NXDOMAIN, SERVFAIL = rcode("NOERROR"), rcode("NXDOMAIN"), rcode("SERVFAIL")


def asked(case, count, domain="."):
    deadline = time.monotonic() + 0.5
    while len(case.heard(domain)) < count and time.monotonic() < deadline:
        time.sleep(0.02)  # an upstream may be asked after the client was answered
    found = len(case.heard(domain))
    if found != count:
        raise Broken(f"the upstream was asked {found} times, expected {count}")


def twice(case, name, kind="A", *expected, times=1):
    for _ in range(2):
        answer = meets(case.ask(ask(name, kind)), *expected)
    asked(case, times)
    return answer


@TABLE.story("an answer is kept", "RFC 1035 7.4")
def _(case):
    twice(case, "{}.plain.example", "A", NOERROR, records(1))


@TABLE.story("an answer whose time is over is asked for again", "RFC 1035 7.4")
def _(case):
    meets(case.ask(ask("{}.ttl1.example")), NOERROR)
    time.sleep(1.1)
    meets(case.ask(ask("{}.ttl1.example")), NOERROR, records(1))
    asked(case, 2)


@TABLE.story("NXDOMAIN is kept", "RFC 2308 5")
def _(case):
    twice(case, "{}.nothing.example", "A", NXDOMAIN, SOA)


@TABLE.story("NXDOMAIN holds for every type of the name", "RFC 2308 5")
def _(case):
    meets(case.ask(ask("{}.nothing.example", "A")), NXDOMAIN)
    meets(case.ask(ask("{}.nothing.example", "MX")), NXDOMAIN, SOA)
    asked(case, 1)


@TABLE.story("NODATA is kept, and holds for its type alone", "RFC 2308 5")
def _(case):
    twice(case, "{}.empty.example", "A", NOERROR, records(0), SOA)
    meets(case.ask(ask("{}.empty.example", "MX")), NOERROR, records(0))
    asked(case, 2)


@TABLE.story("a negative answer without a SOA is not kept", "RFC 2308 5")
def _(case):
    twice(case, "{}.nosoa.example", "A", NXDOMAIN, times=2)


@TABLE.story("a negative answer is kept no longer than the SOA's minimum", "RFC 2308 5")
def _(case):
    meets(case.ask(ask("{}.brief.example")), NXDOMAIN)
    time.sleep(1.1)
    meets(case.ask(ask("{}.brief.example")), NXDOMAIN)
    asked(case, 2)


@TABLE.story("the SOA of a kept negative answer has aged", "RFC 2308 6")
def _(case):
    meets(case.ask(ask("{}.nothing.example")), NXDOMAIN)
    time.sleep(1.1)
    ttls = meets(case.ask(ask("{}.nothing.example")), NXDOMAIN, SOA).ttls
    if not 290 <= ttls[0] < 300:
        raise Broken(f"TTL {ttls[0]} a second after 300")


@TABLE.story("nobody is told to keep a negative answer for more than 3 hours", "RFC 2308 5")
def _(case):
    answer = twice(case, "{}.ages.example", "A", NXDOMAIN, SOA)
    if answer.ttls[0] > 10_800:
        raise Broken(f"TTL {answer.ttls[0]} from cache")


@TABLE.story("nobody is told to keep an answer for more than a week", "RFC 8767 4")
def _(case):
    answer = twice(case, "{}.long.example", "A", NOERROR)
    if answer.ttls[0] > 604_800:
        raise Broken(f"TTL {answer.ttls[0]} from cache")


@TABLE.story("class and type have answers of their own", "RFC 2308 5")
def _(case):
    for kind, cls in (("A", 1), ("TXT", 1), ("TXT", 3)):
        meets(case.ask(ask("{}.plain.example", kind, cls=cls)), NOERROR)
    asked(case, 3)


@TABLE.story("no packet empties the cache: NOTIFY, UPDATE", "CVE-2025-59030, CVE-2026-50251")
def _(case):
    meets(case.ask(ask()), NOERROR)
    for number in (4, 5):
        case.ask(ask(opcode=number), patience=0.5)
    meets(case.ask(ask()), NOERROR)
    asked(case, 1)


@TABLE.story("NXDOMAIN of a parent hides no route below it", "RFC 8020 2, CVE-2026-44687")
def _(case):
    meets(case.ask(ask(f"{case.label}.nothing.example")), NXDOMAIN)
    inner = case.play(plain)
    case.restart(routes={f"inner.{case.label}.nothing.example": (inner.port,)})
    meets(case.ask(ask(f"{case.label}.nothing.example")), NXDOMAIN)
    meets(case.ask(ask(f"www.inner.{case.label}.nothing.example")), NOERROR, records(1))


# ANY ------------------------------------------------------------------------------------------------------

ANY = Table("RFC 8482: ANY")
SMALL = Expectation(
    "at most one set, or TC", lambda answer: bool(answer.flags & 0x0200) or len(answer.message.answer) <= 1
)
ANY.row(
    "ANY over UDP is answered with little", "RFC 8482 4", ask("{}.plain.example", "ANY"), SMALL, size(200), over=(UDP,)
)
ANY.row(
    "ANY over UDP is answered with little, EDNS or not",
    "RFC 8482 4",
    edns("{}.plain.example", "ANY", size=4096),
    SMALL,
    size(250),
    over=(UDP,),
)
ANY.row(
    "ANY for a Consul name over UDP is answered with little",
    "RFC 8482 4",
    edns("many.service.consul", "ANY", size=4096),
    SMALL,
    size(250),
    over=(UDP,),
)
ANY.row("ANY over TCP is answered", "RFC 8482 4.4", ask("{}.plain.example", "ANY"), rcode("NOERROR"), over=(TCP,))


@ANY.story("what came for ANY is not given for A", "RFC 8482 4.3, CVE-2020-25829")
def _(case):
    case.ask(ask("{}.plain.example", "ANY"))
    before = len([heard for heard in case.heard() if heard.kind == 1])
    meets(case.ask(ask("{}.plain.example", "A")), NOERROR, data(PLAIN_A))
    if len([heard for heard in case.heard() if heard.kind == 1]) == before == 0:
        raise Broken("A was answered from ANY")


TABLES = (TABLE, ANY)
