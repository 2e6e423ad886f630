"""RFC 7873, 9018: cookies."""

from conformance.message import ask, edns, opt
from conformance.table import (
    Broken,
    Expectation,
    Table,
    meets,
    rcode,
)

NOERROR, FORMERR = rcode("NOERROR"), rcode("FORMERR")

TABLE = Table("RFC 7873, 9018: cookies")
CLIENT = b"cookie08"


def server_cookie(answer):
    return answer.option(10) or b""


COOKIE = Expectation(
    "a server cookie behind the client's",
    lambda answer: 16 <= len(server_cookie(answer)) <= 40 and server_cookie(answer).startswith(CLIENT),
)

TABLE.row(
    "a client cookie is answered with a server cookie", "RFC 7873 5.2.3", edns(options=((10, CLIENT),)), NOERROR, COOKIE
)
TABLE.row(
    "a server cookie comes also with a refusal",
    "RFC 7873 5.2.3",
    edns("plain.example", "AXFR", options=((10, CLIENT),)),
    COOKIE,
)
TABLE.row(
    "a server cookie comes also for a name that is answered here",
    "RFC 7873 5.2.3",
    edns("localhost", options=((10, CLIENT),)),
    NOERROR,
    COOKIE,
)


@TABLE.story("its own cookie is known again", "RFC 7873 5.2.5")
def _(case):
    own = server_cookie(meets(case.ask(edns(options=((10, CLIENT),))), NOERROR, COOKIE))
    meets(case.ask(edns(options=((10, own),))), NOERROR, COOKIE)


@TABLE.story("a cookie is of RFC 9018's kind: version 1, 16 octets", "RFC 9018 4")
def _(case):
    own = server_cookie(meets(case.ask(edns(options=((10, CLIENT),))), NOERROR, COOKIE))
    if len(own) != 24 or own[8:12] != b"\1\0\0\0":
        raise Broken(f"{own[8:].hex()}")


@TABLE.story("a cookie that is not ours is answered with a good one", "RFC 7873 5.2.4")
def _(case):
    meets(case.ask(edns(options=((10, CLIENT + b"\1\0\0\0" + b"z" * 12),))), rcode("NOERROR", "BADCOOKIE"), COOKIE)


for length in (1, 7, 9, 15, 41):
    TABLE.row(
        f"a cookie of {length} octets is FORMERR", "RFC 7873 5.2.2", edns(options=((10, b"c" * length),)), FORMERR
    )
TABLE.row(
    "a cookie without a question is answered",
    "RFC 7873 5.4",
    ask(counts=(0, 0, 0, 1), additional=(opt(options=((10, CLIENT),)),)),
    rcode("NOERROR", "FORMERR", "REFUSED"),
)
TABLE.row(
    "a cookie without a question is answered with a cookie",
    "RFC 7873 5.4",
    ask(counts=(0, 0, 0, 1), additional=(opt(options=((10, CLIENT),)),)),
    NOERROR,
    COOKIE,
)


@TABLE.story("a client's cookie is not passed upstream", "RFC 7873 5.2, RFC 6891 6.2.6")
def _(case):
    meets(case.ask(edns(options=((10, CLIENT),))), NOERROR)
    if any(heard.options.get(10, b"").startswith(CLIENT) for heard in case.heard()):
        raise Broken("it was passed on")


@TABLE.story("cookies do not part the cache", "RFC 7873 6")
def _(case):
    for number in range(5):
        meets(case.ask(edns(options=((10, b"cookie%02d" % number),))), NOERROR)
    if len(case.heard()) != 1:
        raise Broken(f"the upstream was asked {len(case.heard())} times")
