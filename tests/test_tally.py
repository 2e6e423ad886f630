"""Counting off plans: what was asked, what the cache gave, and that no client makes counters without end."""

from panteras_dns.names import wire_name
from panteras_dns.plan import Plan
from panteras_dns.tally import Tally
from panteras_dns.wire import IN, NOERROR, NXDOMAIN, Query


def a_plan(asked: int, kind: int = 1) -> Plan:
    name = wire_name("www.example.com")
    plan = Plan(".", Query(0, name + kind.to_bytes(2, "big") + b"\0\1", name, kind, IN, None))
    plan.asked = asked
    return plan


def test_a_tally_goes_on_from_the_one_before_and_leaves_it_as_it_was():
    before = Tally().add([a_plan(3)])

    after = Tally(before).add([a_plan(4)])

    assert (before.queries[".", 1], after.queries[".", 1]) == (3, 7)


def test_what_the_cache_gave_is_counted_by_rcode():
    plan = a_plan(1)
    plan.gives(NXDOMAIN)  # from the first query on
    plan.asked = 6
    plan.gives(NOERROR)  # the sixth got a yes
    plan.asked = 8
    plan.gives(None)  # the eighth got nothing from it
    plan.asked = 9

    assert Tally().add([plan]).cached == {(".", NXDOMAIN): 5, (".", NOERROR): 2}


def test_types_that_nobody_uses_are_one():
    assert Tally().add(a_plan(1, kind) for kind in range(1000, 1100)).queries == {(".", 0): 100}
