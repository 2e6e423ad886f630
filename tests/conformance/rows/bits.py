"""RFC 3225, 4035, 6840: DO, AD and CD, of one who does not validate."""

from conformance.message import AD, CD, RD, ask, edns
from conformance.table import DO_CLEAR, DO_SET, OPT, Broken, Table, flag, meets, rcode, records

TABLE = Table("RFC 3225, 4035, 6840: DO, AD, CD")
NOERROR = rcode("NOERROR")

TABLE.row("DO of the query is in the answer", "RFC 3225 3", edns("{}.signed.example", do=True), OPT, DO_SET)
TABLE.row("no DO in the query, none in the answer", "RFC 3225 3", edns("{}.signed.example"), OPT, DO_CLEAR)
TABLE.row(
    "who asks with DO gets the signatures", "RFC 4035 3.2.1", edns("{}.signed.example", do=True), NOERROR, records(2)
)
TABLE.row("who asks without DO gets none", "RFC 4035 3.2.1", edns("{}.signed.example"), NOERROR, records(1))


@TABLE.story("signatures are not given from cache to who asks without DO, nor the other way", "RFC 4035 3.2.1")
def _(case):
    for do in (True, False, True, False):
        meets(case.ask(edns("{}.signed.example", do=do)), records(2 if do else 1))


TABLE.row(
    "CD of the query is in the answer",
    "RFC 4035 3.2.2",
    ask("{}.signed.example", flags=RD | CD),
    NOERROR,
    flag(CD, "CD"),
)
TABLE.row(
    "no CD in the query, none in the answer", "RFC 4035 3.2.2", ask("{}.signed.example"), NOERROR, flag(CD, "CD", False)
)


@TABLE.story("CD is passed upstream", "RFC 4035 3.2.2")
def _(case):
    meets(case.ask(ask(flags=RD | CD)), NOERROR)
    if not all(heard.flags & CD for heard in case.heard()):
        raise Broken("the upstream was asked without CD")


@TABLE.story("what was asked with CD is not given to who asks without", "RFC 4035 4.7, RFC 6840 5.9")
def _(case):
    for flags in (RD | CD, RD):
        meets(case.ask(ask(flags=flags)), NOERROR)
    if [bool(heard.flags & CD) for heard in case.heard()] != [True, False]:
        raise Broken("one answer served both")


@TABLE.story("a failure without CD is not given to who asks with CD", "RFC 4035 4.7")
def _(case):
    domain = "failing.example"
    for flags in (RD, RD | CD):
        meets(case.ask(ask("{}.failing.example", flags=flags), patience=5), rcode("SERVFAIL"))
    if not any(heard.flags & CD for heard in case.heard(domain)):
        raise Broken("the upstream was not asked with CD")


TABLE.row("AD goes to who asks with AD", "RFC 6840 5.7", ask("{}.signed.example", flags=RD | AD), flag(AD, "AD"))
TABLE.row("AD goes to who asks with DO", "RFC 6840 5.8", edns("{}.signed.example", do=True), flag(AD, "AD"))
TABLE.row("AD does not go to who shows no interest", "RFC 6840 5.8", ask("{}.signed.example"), flag(AD, "AD", False))
TABLE.row("AD is never invented", "RFC 4035 3.2.3", ask(flags=RD | AD), NOERROR, flag(AD, "AD", False))


@TABLE.story("AD is as each client wants it, also from cache", "RFC 6840 5.8")
def _(case):
    for flags in (RD, RD | AD, RD):
        meets(case.ask(ask("{}.signed.example", flags=flags)), flag(AD, "AD", bool(flags & AD)))
