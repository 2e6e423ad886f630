"""Names of Consul: what goes wrong between it and its clients (pain points 5 to 17)."""

from conformance.message import TCP, UDP, ask, edns
from conformance.table import (
    NO_OPT,
    NO_TC,
    OPT,
    RA_FLAG,
    SAME_QUESTION,
    SOA,
    TC_FLAG,
    Broken,
    Expectation,
    Table,
    meets,
    rcode,
    records,
    size,
    within,
)

TABLE = Table("Consul: repairs")
NOERROR, NXDOMAIN, SERVFAIL = rcode("NOERROR"), rcode("NXDOMAIN"), rcode("SERVFAIL")
TTL_0 = Expectation("TTL 0", lambda answer: set(answer.ttls) <= {0})
MINIMUM_0 = Expectation(
    "a SOA with minimum 0", lambda answer: [found[0].minimum for found in answer.message.authority] == [0]
)
SOA_FITS = Expectation(
    "a SOA of an ancestor of the name",
    lambda answer: any(answer.message.question[0].name.is_subdomain(found.name) for found in answer.message.authority),
)

TABLE.row(
    "a service has its instances, TTL 0, RA set, the question as it was spelled",
    "consul#8752, #17",
    ask("{}.Web.SERVICE.Consul"),
    NOERROR,
    records(3),
    TTL_0,
    RA_FLAG,
    SAME_QUESTION,
    NO_OPT,
)
TABLE.row(
    "a TTL of Consul's own leaves as 0", "consul-dns 13", ask("{}.kept.service.consul"), NOERROR, records(2), TTL_0
)
TABLE.row("an OPT only to who sent one", "coredns#5366, #11", edns("{}.web.service.consul"), NOERROR, OPT)


@TABLE.story("every question is asked of Consul again", "consul-dns 13")
def _(case):
    for _ in range(3):
        meets(case.ask(ask("{}.web.service.consul")), NOERROR, records(3))
    if len(case.heard("consul")) != 3:
        raise Broken(f"Consul was asked {len(case.heard('consul'))} times of 3")


@TABLE.story("with a TTL of Consul's own, too", "consul-dns 13")
def _(case):
    for _ in range(2):
        meets(case.ask(ask("{}.kept.service.consul")), NOERROR)
    if len(case.heard("consul")) != 2:
        raise Broken("the second answer came from cache")


@TABLE.story("NXDOMAIN does not stick", "consul#743, coredns#3586, #13")
def _(case):
    for _ in range(2):
        meets(case.ask(ask("{}.none.service.consul")), NXDOMAIN)
    if len(case.heard("consul")) != 2:
        raise Broken("the second NXDOMAIN came from cache")


@TABLE.story("NXDOMAIN does not hide the names below", "RFC 8020, coredns#4028, #13")
def _(case):
    meets(case.ask(ask(f"{case.label}.none.service.consul")), NXDOMAIN)
    meets(case.ask(ask("none.service.consul")), NXDOMAIN)
    meets(case.ask(ask(f"{case.label}.web.service.consul")), NOERROR, records(3))


@TABLE.story("SERVFAIL does not stick", "coredns#4028, #13")
def _(case):
    for _ in range(2):
        meets(case.ask(ask("{}.broken.service.consul"), patience=4), SERVFAIL)
    if len(case.heard("consul")) < 2:
        raise Broken("Consul was not asked again")


TABLE.row(
    "a name is Consul's by its labels: xconsul is not",
    "consul#6741, #8",
    ask("{}.service.xconsul"),
    NOERROR,
    records(1),
)


@TABLE.story("a name is Consul's in any spelling", "consul#6741, #8")
def _(case):
    meets(case.ask(ask("{}.web.service.CONSUL")), NOERROR, records(3))
    if not case.heard("consul"):
        raise Broken("Consul was not asked")


@TABLE.story("several domains share a route, and SRV targets of either keep their addresses", "consul#10224, #9")
def _(case):
    extra = {"route": {"consul": {"domains": ["consul", "alt.example"]}}}
    both = {} if case.peer.own else {"alt.example": case.bench.setting.routes["consul"]}
    case.restart(routes=both, extra=extra)
    answer = meets(case.ask(edns("{}.web.service.alt.example", "SRV")), NOERROR, records(3))
    if len(answer.message.additional) != 3:
        raise Broken(f"{len(answer.message.additional)} of 3 addresses of the targets")


# Sizes (10, 11) -------------------------------------------------------------------------------------------------

TABLE.row(
    "more than three instances come to who takes 512 octets",
    "consul#2335, #10",
    ask("{}.many.service.consul"),
    NOERROR,
    records(20, least=True),
    size(512),
    over=(UDP,),
)
TABLE.row(
    "addresses: as many as fit, without TC",
    "consul#788, #10",
    ask("{}.many.service.consul"),
    NOERROR,
    records(4, least=True),
    NO_TC,
    over=(UDP,),
)
TABLE.row(
    "addresses: as many as the client's EDNS size holds",
    "consul#17228, #10",
    edns("{}.many.service.consul", size=1232),
    NOERROR,
    records(60, least=True),
    size(1232),
    over=(UDP,),
)
TABLE.row(
    "addresses: all of them over TCP",
    "consul-dns 10",
    ask("{}.many.service.consul"),
    NOERROR,
    records(100),
    NO_TC,
    over=(TCP,),
)
TABLE.row(
    "SRV that does not fit is cut, with TC",
    "consul-dns 10",
    ask("{}.many.service.consul", "SRV"),
    NOERROR,
    TC_FLAG,
    size(512),
    over=(UDP,),
)
TABLE.row(
    "SRV over TCP is whole",
    "consul-dns 10",
    ask("{}.many.service.consul", "SRV"),
    NOERROR,
    records(100),
    NO_TC,
    over=(TCP,),
)
TABLE.row(
    "SRV that fits keeps its additional section",
    "consul-dns 9",
    edns("{}.web.service.consul", "SRV"),
    NOERROR,
    records(3),
    NO_TC,
    Expectation("3 addresses", lambda answer: len(answer.message.additional) == 3),
)
TABLE.row(
    "never more than the client takes",
    "consul#9945, #11",
    edns("{}.many.service.consul", "SRV", size=700),
    size(700),
    TC_FLAG,
    over=(UDP,),
)


@TABLE.story("all instances get their turn although few fit", "consul-dns 10", over=(UDP,))
def _(case):
    seen = set()
    for _ in range(30):
        seen |= set(meets(case.ask(ask("{}.many.service.consul")), NOERROR).data("A"))
    if len(seen) < 50:
        raise Broken(f"{len(seen)} of 100 instances were ever seen")


# Negative answers (13, 15, 16) ----------------------------------------------------------------------------------

for name in ("service", "node", "query", "connect", "virtual", "ingress", "addr", "service.dc1", "service.dc1.dc"):
    TABLE.row(
        f"{name}.consul exists, without data",
        "consul#6579, RFC 8020, #15",
        ask(f"{name}.consul"),
        NOERROR,
        records(0),
        SOA,
    )
TABLE.row("consul itself has a SOA", "consul-dns 15", ask("consul", "SOA"), NOERROR, records(1))
TABLE.row("consul itself has an NS", "consul-dns 15", ask("consul", "NS"), NOERROR, records(1, least=True))
TABLE.row(
    "consul itself exists",
    "consul-dns 15",
    ask("consul", "A"),
    NOERROR,
    records(0),
    SOA,
)
TABLE.row(
    "a name below a form that does not exist is NXDOMAIN", "consul-dns 15", ask("{}.none.service.consul"), NXDOMAIN, SOA
)
TABLE.row(
    "NXDOMAIN has a SOA with minimum 0, TTL 0",
    "consul#743, #13",
    ask("{}.badsoa.service.consul"),
    NXDOMAIN,
    MINIMUM_0,
    TTL_0,
)
TABLE.row("NXDOMAIN has a SOA of an ancestor", "consul-dns 16", ask("{}.badsoa.service.consul"), NXDOMAIN, SOA_FITS)
TABLE.row(
    "NXDOMAIN without a SOA gets one", "RFC 2308 2.1, #13", ask("{}.lostsoa.service.consul"), NXDOMAIN, SOA, MINIMUM_0
)
TABLE.row(
    "AAAA where only A is: NOERROR without data, as fast as A",
    "consul#3439, #16",
    ask("{}.web.service.consul", "AAAA"),
    NOERROR,
    records(0),
    SOA,
    within(0.3),
)
TABLE.row(
    "AAAA where only A is, of a Consul that says NXDOMAIN: NOERROR",
    "consul#3439, RFC 4074 4.2, #16",
    ask("{}.oldest.service.consul", "AAAA"),
    NOERROR,
    records(0),
    SOA,
)


@TABLE.story("AAAA where nothing is: NXDOMAIN stays NXDOMAIN", "consul-dns 16")
def _(case):
    meets(case.ask(ask("{}.none.service.consul", "AAAA")), NXDOMAIN, SOA)


for kind, title in ((43, "DS"), (65, "HTTPS"), (64, "SVCB"), (48, "DNSKEY"), (257, "CAA"), (52, "TLSA")):

    @TABLE.story(f"{title} of a Consul name is answered here: NODATA", "consul#1800, #6183, #5")
    def _(case, kind=kind):
        meets(case.ask(ask("{}.web.service.consul", kind)), NOERROR, records(0), SOA)
        if case.heard("consul"):
            raise Broken("Consul was asked")
