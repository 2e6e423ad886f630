"""Where a server's "no" is not the last word."""

from builders import FakeServer, World, a_query, a_reply, addresses_in, parsed, rcode_of

from panteras_dns.names import reverse_zones, wire_name
from panteras_dns.repair import Repairer, Repairs
from panteras_dns.routes import Route, Routes


def a_world_with_reverse() -> World:
    """Consul is asked first for the names of 10.0.0.0/8."""
    world = World()
    consul, rest = (world.tables.routes.match(name) for name in (wire_name("consul"), b"\0"))
    zone = wire_name("10.in-addr.arpa")
    reverse = Route("consul, reverse", consul.group, True, False, (zone,), fallback=rest)
    world.tables.routes = Routes({wire_name("consul"): consul, b"\0": rest, zone: reverse})
    world.tables.repairers["consul, reverse"] = Repairer((zone,))
    return world


def test_a_name_without_aaaa_that_has_a_exists():
    world = World()
    world.ask(a_query("web.service.consul", "AAAA", id=7))

    assert world.answer(world.consul[0], rcode=3) is None
    answer = world.answer(world.consul[0], "web.service.consul. 0 A 10.0.0.1")

    assert (rcode_of(answer), addresses_in(answer), parsed(answer).id) == ("NOERROR", [], 7)
    assert parsed(answer).question[0].rdtype == 28
    assert len(parsed(answer).authority) == 1


def test_a_name_that_has_neither_does_not_exist():
    world = World()
    world.ask(a_query("nix.service.consul", "AAAA"))

    assert world.answer(world.consul[0], rcode=3) is None
    assert rcode_of(world.answer(world.consul[0], rcode=3)) == "NXDOMAIN"


def test_the_second_question_can_be_switched_off():
    world = World(repairs=Repairs(aaaa=False))
    world.ask(a_query("web.service.consul", "AAAA"))

    assert rcode_of(world.answer(world.consul[0], rcode=3)) == "NXDOMAIN"


def test_a_reverse_name_that_consul_knows_is_its_own():
    world = a_world_with_reverse()
    world.ask(a_query("5.1.0.10.in-addr.arpa", "PTR"))

    answer = world.answer(world.consul[0], "5.1.0.10.in-addr.arpa. 0 PTR node1.node.dc1.consul.")

    assert "node1.node.dc1.consul." in parsed(answer).to_text()
    assert world.upstream[0].asked == []


def test_a_reverse_name_that_consul_does_not_know_is_asked_upstream():
    world = a_world_with_reverse()
    world.ask(a_query("6.1.0.10.in-addr.arpa", "PTR"))
    assert world.answer(world.consul[0], rcode=3) is None

    answer = world.answer(world.upstream[0], "6.1.0.10.in-addr.arpa. 300 PTR printer.corp.example.")

    assert parsed(answer).answer[0].ttl == 300
    assert "printer.corp.example." in parsed(answer).to_text()


def test_reverse_zones_are_cut_at_whole_labels():
    assert reverse_zones("10.0.0.0/8") == ["10.in-addr.arpa"]
    assert reverse_zones("192.168.4.0/23") == ["4.168.192.in-addr.arpa", "5.168.192.in-addr.arpa"]
    assert reverse_zones("fd00::/8") == ["d.f.ip6.arpa"]


def test_a_server_from_before_edns_is_asked_without_it():
    world = World()
    world.ask(a_query("www.example.com", use_edns=0))

    assert world.answer(world.upstream[0], rcode=1, no_edns=True) is None
    assert parsed(world.upstream[0].asked[-1]).edns == -1
    assert addresses_in(world.answer(world.upstream[0], "www.example.com. 60 A 10.0.0.1")) == ["10.0.0.1"]


def test_who_asks_over_tcp_is_asked_for_over_tcp():
    world = World()
    world.forwarder.handle_message(a_query("www.example.com"), "connection", "127.0.0.1", [].append, world.now)
    world.forwarder.handle_message(a_query("web.service.consul"), "connection", "127.0.0.1", [].append, world.now)

    assert (len(world.upstream[0].asked), len(world.upstream[0].asked_tcp)) == (0, 1)
    assert (len(world.consul[0].asked), len(world.consul[0].asked_tcp)) == (1, 0)


def test_a_second_racer_is_not_taken_for_the_answer_to_the_second_question():
    world = World(consul=[FakeServer("a"), FakeServer("b")])
    world.tables.routes.match(wire_name("consul")).group.policy = "race"
    world.tables.routes.match(wire_name("consul")).group.refresh()
    world.ask(a_query("web.service.consul", "AAAA"))
    first, second = world.consul
    late = second.asked[-1]

    assert world.answer(first, rcode=3) is None
    assert world.deliver(second, a_reply(late, rcode=3)) is None
    asked = first if len(first.asked) > 1 else second
    answer = world.answer(asked, "web.service.consul. 0 A 10.0.0.1")

    assert rcode_of(answer) == "NOERROR"
