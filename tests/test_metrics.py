"""Counters add up, and say by whom."""

from builders import World, a_query

from panteras_dns.metrics import busiest, counters, samples
from panteras_dns.names import wire_name
from panteras_dns.upstream import Health
from panteras_dns.wire import NXDOMAIN, SERVFAIL

SOA = "example.com. 900 SOA ns.example.com. root.example.com. 1 2 3 4 300"


def counted(world: World) -> dict[str, int]:
    return dict(counters(samples(world.forwarder, world.cache, [])))


def test_queries_are_counted_by_route_and_type_also_those_from_cache():
    world = World()
    for number in range(3):
        world.ask(a_query(id=number))
        if not number:
            world.answer(world.upstream[0], "www.example.com. 60 A 192.0.2.1")
    world.ask(a_query("web.service.consul", "SRV"))

    told = counted(world)

    assert told['panteras_queries_total{route=".",transport="udp",type="A"}'] == 3
    assert told['panteras_queries_total{route="consul",transport="udp",type="SRV"}'] == 1
    assert told['panteras_replies_total{route=".",rcode="NOERROR"}'] == 3
    assert told["panteras_cache_hits_total"] == 2


def test_a_no_that_the_cache_gives_many_times_is_counted_each_time():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], rcode=NXDOMAIN, authority=(SOA,))
    for _ in range(3):  # within one second: the cache itself is asked once
        for number in range(5):
            world.ask(a_query(id=number))
        world.now += 10

    told = counted(world)

    assert told['panteras_replies_total{route=".",rcode="NXDOMAIN"}'] == 16
    assert told['panteras_replies_total{route=".",rcode="NOERROR"}'] == 0


def test_a_yes_after_a_no_is_not_counted_as_a_no():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], rcode=NXDOMAIN, authority=(SOA,))
    world.ask(a_query(id=2))
    world.now += 1000
    world.ask(a_query(id=3))
    world.answer(world.upstream[0], "www.example.com. 60 A 192.0.2.1")
    world.ask(a_query(id=4))

    told = counted(world)

    assert told['panteras_replies_total{route=".",rcode="NXDOMAIN"}'] == 2
    assert told['panteras_replies_total{route=".",rcode="NOERROR"}'] == 2


def test_counts_outlive_the_plans_they_were_counted_on():
    world = World()
    world.forwarder.udp._most = 4
    for number in range(40):
        world.ask(a_query(f"n{number}.example"))
        world.answer(world.upstream[0], rcode=SERVFAIL)

    told = counted(world)

    assert told['panteras_queries_total{route=".",transport="udp",type="A"}'] == 40
    assert told['panteras_replies_total{route=".",rcode="SERVFAIL"}'] == 40


def test_a_server_that_is_down_in_one_of_its_lanes_is_down_once():
    well, ill = Health("10.0.0.1:53"), Health("10.0.0.1:53")
    ill.failure("did not answer", 5.0)
    well.timeouts, ill.timeouts = 1, 2
    world = World()

    told = counters(samples(world.forwarder, world.cache, [ill, well, ill]))

    assert told['panteras_upstream_down{server="10.0.0.1:53"}'] == 1
    assert told['panteras_upstream_timeouts_total{server="10.0.0.1:53"}'] == 5


def test_the_names_that_are_asked_for_most_come_first():
    world = World()
    for name, often in (("a.example", 1), ("b.example", 3), ("c.example", 2)):
        for number in range(often):
            world.ask(a_query(name, "A" if number else "AAAA", id=number))

    assert busiest(world.forwarder, 2) == [(wire_name("b.example"), 3), (wire_name("c.example"), 2)]


def test_a_reload_takes_no_counts_away():
    world = World()
    for number in range(3):
        world.ask(a_query("nope.service.consul", id=number))
        world.answer(world.consul[0], rcode=NXDOMAIN)

    world.forwarder.load(world.tables, world.forwarder.policy)
    world.ask(a_query("web.service.consul"))

    told = counted(world)
    assert told['panteras_queries_total{route="consul",transport="udp",type="A"}'] == 4
    assert told['panteras_replies_total{route="consul",rcode="NXDOMAIN"}'] == 3
    assert told['panteras_replies_total{route="consul",rcode="NOERROR"}'] == 1


def test_types_that_nobody_uses_are_counted_together():
    world = World()
    for kind in range(1000, 1100):
        world.ask(a_query("web.service.consul", f"TYPE{kind}"))

    found = {name: number for name, number in counted(world).items() if name.startswith("panteras_queries_total")}

    assert sum(found.values()) == 100
    assert len(found) == 1
    assert next(iter(found)).endswith('type="other"}')


def test_a_query_that_is_too_large_to_be_remembered_is_counted():
    world = World()
    for number in range(250):
        world.forwarder.handle_message(
            a_query(id=number, payload=4096, pad=2000), ("127.0.0.1", 5), "127.0.0.1", lambda _: None, world.now
        )

    assert counted(world)['panteras_queries_total{route=".",transport="tcp",type="A"}'] == 250
