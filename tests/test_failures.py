"""What is kept of answers that were no help."""

from builders import World, a_query

from panteras_dns.failures import Failures, host_text
from panteras_dns.names import wire_name
from panteras_dns.plan import Plan
from panteras_dns.reasons import Reasons
from panteras_dns.wire import NXDOMAIN, SERVFAIL

WEB = wire_name("web.service.consul")


def kept(world: World) -> list[tuple[str, int, str, str]]:
    return [(one.route, one.rcode, host_text(one.client), one.reason) for one in world.forwarder.failures.since(0, 100)]


def test_a_name_of_consul_s_that_does_not_exist_is_a_failure_with_the_reason_that_is_known():
    reasons = Reasons()
    reasons.tell(WEB, "PAN201 web is registered, no instance passes")
    world = World(reasons=reasons)

    world.ask(a_query("web.service.consul"))
    world.answer(world.consul[0], rcode=NXDOMAIN)

    assert kept(world) == [("consul", NXDOMAIN, "127.0.0.1", "PAN201 web is registered, no instance passes")]


def test_a_reason_that_is_found_out_a_moment_later_is_put_to_what_was_told_before():
    reasons = Reasons()
    world = World(reasons=reasons)
    reasons.found = world.forwarder.failures.explain
    for name in ("web.service.consul", "api.service.consul"):
        world.ask(a_query(name))
        world.answer(world.consul[0], rcode=NXDOMAIN)

    reasons.tell(WEB, "PAN202 no such service")

    assert [reason for *_, reason in kept(world)] == ["PAN202 no such service", ""]


def test_a_name_that_does_not_exist_elsewhere_is_nobody_s_failure():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], rcode=NXDOMAIN)

    assert kept(world) == []


def test_who_did_not_answer_stands_in_the_reason():
    world = World()
    world.ask(a_query("web.service.consul"))
    world.time_out(world.consul[0])
    world.time_out(world.consul[0])

    assert kept(world) == [("consul", SERVFAIL, "127.0.0.1", "PAN301 127.0.0.1:8600 did not answer in time")]


def test_a_name_with_a_search_suffix_and_a_stranger_have_their_codes():
    world = World()
    world.ask(a_query("web.service.consul.example.com"))
    world.forwarder.policy.clients.clear()
    world.ask(a_query())

    assert [(route, reason[:6]) for route, *_, reason in kept(world)] == [("fenced", "PAN104"), ("stranger", "PAN103")]


def test_the_oldest_goes_and_the_count_goes_on():
    failures = Failures(most=3)
    for number in range(5):
        failures.answer(Plan(f"route {number}"), SERVFAIL, ("192.0.2.1", 5), "", number)

    assert failures.count == 5
    assert [one.route for one in failures.since(4, 10)] == ["route 4"]
    assert [one.route for one in failures.since(0, 10)] == ["route 2", "route 3", "route 4"]
    assert [one.route for one in failures.since(0, 2)] == ["route 3", "route 4"]
    assert list(failures.since(5, 10)) == []


def test_a_client_is_shown_as_people_write_addresses():
    v4 = b"\x02\x00\x00\x35" + bytes((192, 0, 2, 7)) + bytes(8)
    v6 = b"\x0a\x00\x00\x35" + bytes(4) + bytes.fromhex("20010db8000000000000000000000001") + bytes(4)
    mapped = b"\x0a\x00\x00\x35" + bytes(4) + bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 9)) + bytes(4)

    told = [host_text(one) for one in (v4, v6, mapped, ("10.0.0.1", 5), "10.0.0.2")]

    assert told == ["192.0.2.7", "2001:db8::1", "192.0.2.9", "10.0.0.1", "10.0.0.2"]
