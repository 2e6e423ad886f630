"""RFC 9520, 8767: failures, and what is stale."""

import time

from conformance.message import UDP, ask, edns
from conformance.rows.memory import asked
from conformance.stage import say
from conformance.table import (
    Broken,
    Expectation,
    NotShown,
    Table,
    data,
    meets,
    rcode,
    reason,
    records,
    within,
)
from conformance.zone import PLAIN_A, own_opt, plain

NOERROR, NXDOMAIN, SERVFAIL = rcode("NOERROR"), rcode("NXDOMAIN"), rcode("SERVFAIL")

TABLE = Table("RFC 9520, 8767: failures, and what is stale")


@TABLE.story("a silent server is asked at most three times", "RFC 9520 3.1", over=(UDP,))
def _(case):
    answer = case.ask(ask("{}.silent.example"), patience=5)
    count = len([heard for heard in case.heard("silent.example") if heard.transport == UDP])
    if count > 3:
        raise Broken(f"asked {count} times")
    if answer is None:
        raise Broken(f"no answer in 5 s, asked {count} times")


@TABLE.story("silence is SERVFAIL within 4.5 s", "RFC 5625 6.3")
def _(case):
    meets(case.ask(ask("{}.silent.example"), patience=5), SERVFAIL, within(4.5))


for domain in ("silent", "failing", "refusing"):

    @TABLE.story(f"a failure is remembered for at least a second ({domain})", "RFC 9520 3.2")
    def _(case, domain=domain):
        name = "{}." + f"{domain}.example"
        meets(case.ask(ask(name), patience=5), rcode("SERVFAIL", "REFUSED"))
        before = len(case.heard(f"{domain}.example"))
        for _ in range(3):
            meets(case.ask(ask(name), patience=1), rcode("SERVFAIL", "REFUSED"), within(0.3))
        asked(case, before, f"{domain}.example")


@TABLE.story("a failure of one name is not another's", "RFC 9520 3.2")
def _(case):
    meets(case.ask(ask("{}a.failing.example"), patience=5), SERVFAIL)
    before = len(case.heard("failing.example"))
    meets(case.ask(ask("{}b.failing.example"), patience=5), SERVFAIL)
    if len(case.heard("failing.example")) == before:
        raise Broken("the other name was not asked for")


@TABLE.story("a server that refuses connections is SERVFAIL within a second", "RFC 5625 6.3")
def _(case):
    meets(case.ask(ask("{}.closed.example"), patience=5), SERVFAIL, within(1.0))


@TABLE.story("with one of two servers silent everybody is answered", "RFC 9520 3.1", over=(UDP,))
def _(case):
    silent, good = case.play(lambda heard: None), case.play(plain)
    case.restart(routes={"two.example": (silent.port, good.port)})
    took = []
    for number in range(6):
        answer = meets(case.ask(ask(f"{case.label}{number}.two.example"), patience=4), NOERROR)
        took.append(answer.took)
    if max(took) > 2 or sorted(took)[2] > 0.3:
        raise Broken("after " + ", ".join(f"{one:.2f}" for one in took) + " s")


@TABLE.story("with one of two servers failing everybody is answered", "RFC 9520 3.1", over=(UDP,))
def _(case):
    failing, good = case.play(lambda heard: say(heard, (), (), own_opt(heard), rcode=2)), case.play(plain)
    case.restart(routes={"two.example": (failing.port, good.port)})
    for number in range(4):
        meets(case.ask(ask(f"{case.label}{number}.two.example"), patience=4), NOERROR)


STALE_TTL = Expectation("TTL 1 to 30", lambda answer: all(0 < ttl <= 30 for ttl in answer.ttls))


def faded(case, how):
    name = "{}." + f"{how}.fading.example"
    meets(case.ask(edns(name)), NOERROR, records(1))
    time.sleep(1.2)
    return name


for how in ("silent", "servfail", "refused"):

    @TABLE.story(
        f"when servers fail ({how}) what they last said is served, marked, with a TTL of at most 30", "RFC 8767 4, 5"
    )
    def _(case, how=how):
        name = faded(case, how)
        meets(case.ask(edns(name), patience=3), NOERROR, data(PLAIN_A), STALE_TTL, within(2.5))
        meets(case.ask(edns(name), patience=3), reason(3))


@TABLE.story("stale answers are served at once while the failure is remembered", "RFC 8767 5")
def _(case):
    name = faded(case, "silent")
    case.ask(edns(name), patience=5)
    meets(case.ask(edns(name), patience=3), NOERROR, data(PLAIN_A), within(2.0))


@TABLE.story("NXDOMAIN ends what was known: no stale data over it", "RFC 8767 4")
def _(case):
    name = faded(case, "gone")
    case.ask(edns(name))
    time.sleep(0.2)
    meets(case.ask(edns(name)), NXDOMAIN)


@TABLE.story("who does not want recursion gets no stale data", "RFC 8767 5", over=(UDP,))
def _(case):
    name = faded(case, "silent")
    answer = case.ask(edns(name, flags=0), patience=5)
    if answer is not None and answer.counts[1]:
        raise Broken(str(answer))


@TABLE.story("stale data has an end that being asked for does not move", "RFC 8767 5, CVE-2026-40622", over=(UDP,))
def _(case):
    if not case.peer.own:
        raise NotShown("the bound is a setting of this server's own")
    seen = set()

    def script(heard):
        first = heard.name not in seen
        seen.add(heard.name)
        return plain(heard, 1) if first else say(heard, (), (), own_opt(heard), rcode=2)

    case.restart(routes={"ends.example": (case.play(script).port,)}, extra={"cache": {"stale": 2}})
    meets(case.ask(ask("{}.ends.example")), NOERROR, records(1))
    began = time.monotonic()
    time.sleep(1.2)
    while time.monotonic() - began < 2.8:
        meets(case.ask(ask("{}.ends.example")), NOERROR, records(1))
        time.sleep(0.3)
    time.sleep(0.7)
    meets(case.ask(ask("{}.ends.example")), SERVFAIL)
