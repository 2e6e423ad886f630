"""Consul down, slow or without leader (pain points 12, 19, 20); the fence (7) and reverse names (18)."""

from conformance.catalogue import consul as script
from conformance.message import UDP, ask, edns
from conformance.peers import free_port
from conformance.stage import Stage
from conformance.table import (
    Broken,
    NotShown,
    Table,
    data,
    meets,
    rcode,
    reason,
    records,
    within,
)

NOERROR, NXDOMAIN, SERVFAIL = rcode("NOERROR"), rcode("NXDOMAIN"), rcode("SERVFAIL")

# Consul fails (12, 19, 20) ----------------------------------------------------------------------------------------

FAILS = Table("Consul: down, slow, without leader")
FAILS.row(
    "without a leader: SERVFAIL with a reason, never NXDOMAIN",
    "consul#1945, #19",
    edns("{}.broken.service.consul"),
    SERVFAIL,
    reason(),
)
FAILS.row(
    "silent: SERVFAIL with a reason within 2.5 s",
    "consul#1273, #19",
    edns("{}.silent.service.consul"),
    SERVFAIL,
    reason(),
    within(2.5),
    patience=5,
)
FAILS.row(
    "a datacenter that is cut off: SERVFAIL within 2.5 s",
    "consul#9185, #20",
    edns("{}.service.dc9.consul"),
    SERVFAIL,
    within(2.5),
    patience=5,
)


@FAILS.story("a datacenter that is cut off starves nobody", "consul#9185, #3630, #20", over=(UDP,))
def _(case):
    with case.udp() as sock:
        for number in range(1000):
            sock.send(case.packet(ask(f"{case.label}{number}.service.dc9.consul"), number))
        for _ in range(10):
            meets(case.ask(ask("{}.web.service.consul")), NOERROR, records(3), within(0.5))


@FAILS.story(
    "not there: SERVFAIL with a reason within 0.1 s; back: the first answer is right", "consul-dns 19", over=(UDP,)
)
def _(case):
    own = Stage(script)
    try:
        case.restart(routes={"consul": (own.port,)})
        meets(case.ask(ask("{}.web.service.consul")), NOERROR)
        port = own.port
        own.close()
        answer = meets(case.ask(edns("{}.web.service.consul"), patience=4), SERVFAIL)
        took, told = answer.took, answer.reason
        own = Stage(script, port)
        meets(case.ask(ask("{}.web.service.consul")), NOERROR, records(3), within(1.0))
        if took > 0.1:
            raise Broken(f"SERVFAIL after {took:.2f} s")
        if not told or not told[1]:
            raise Broken("SERVFAIL without a reason")
    finally:
        own.close()


@FAILS.story("while Consul is down public names are answered as ever", "consul-dns 19", over=(UDP,))
def _(case):
    silent = case.play(lambda heard: None)
    case.restart(routes={"consul": (silent.port,)})
    with case.udp() as sock:
        for number in range(200):
            sock.send(case.packet(ask(f"{case.label}{number}.service.consul"), number))
        for number in range(10):
            meets(case.ask(ask(f"{case.label}{number}.plain.example")), NOERROR, within(0.3))


@FAILS.story("insurance gives the last good answer, marked, when Consul is silent", "five things 2", over=(UDP,))
def _(case):
    if not case.peer.own:
        raise NotShown("no such setting")
    up = True

    def fickle(heard):
        return script(heard) if up else None

    stage = case.play(fickle)
    case.restart(routes={"consul": (stage.port,)}, extra={"route": {"consul": {"insurance": "10m"}}})
    meets(case.ask(edns("{}.web.service.consul")), NOERROR, records(3))
    meets(case.ask(edns("{}.none.service.consul")), NXDOMAIN)
    up = False
    meets(case.ask(edns("{}.web.service.consul"), patience=4), NOERROR, records(3), reason(3))
    meets(case.ask(edns("{}.none.service.consul"), patience=4), SERVFAIL)


# The fence (7) ------------------------------------------------------------------------------------------------------

FENCE = Table("Consul: the fence, reverse names")
for name in (
    "{}.web.service.consul.corp.test2",
    "{}.node.consul.plain.example",
    "{}.web.service.dc1.consul.a.b.example.com",
    "_{}._tcp.service.consul.lan2",
):

    @FENCE.story(
        f"a Consul name with a search suffix does not leave: {name.replace('{}.', '').replace('{}', 'x')}",
        "consul#7587, #4192, #7",
    )
    def _(case, name=name):
        meets(case.ask(ask(name)), NXDOMAIN)
        if case.heard():
            raise Broken("an upstream was asked")


@FENCE.story(
    "Consul names do not go to a general upstream when Consul is down",
    "consul#7587, e2b-dev/infra#806, #7",
    over=(UDP,),
)
def _(case):
    case.restart(routes={"consul": (free_port(),)})
    meets(case.ask(ask("{}.web.service.consul"), patience=4), SERVFAIL)
    if case.heard():
        raise Broken("the general upstream was asked")


@FENCE.story("an ordinary name with the word consul in it is ordinary", "consul-dns 7, 8")
def _(case):
    meets(case.ask(ask("{}.consul.plain.example")), NOERROR, records(1))


@FENCE.story("a reverse name is asked of Consul first, then of the upstream", "consul#6462, #18", over=(UDP,))
def _(case):
    keys = {"reverse": ["10.0.0.0/8"]}
    routes = {} if case.peer.own else {"10.in-addr.arpa": case.bench.setting.routes["consul"]}
    case.restart(routes=routes, extra={"route": {"consul": keys}})
    meets(case.ask(ask("1.0.0.10.in-addr.arpa", "PTR")), NOERROR, data("node1.node.dc1.consul."))
    before = len(case.upstream.about("9.9.9.10.in-addr.arpa"))
    case.ask(ask("9.9.9.10.in-addr.arpa", "PTR"))
    if len(case.upstream.about("9.9.9.10.in-addr.arpa")) == before:
        raise Broken("the upstream was not asked for what Consul does not know")


TABLES = (FAILS, FENCE)
