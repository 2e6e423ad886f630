"""Consul's answers as a client should get them. The replies are what real agents of several releases say."""

import pytest
from builders import World, a_query, a_reply, addresses_in, parsed
from dns import flags

from panteras_dns.repair import Repairs

SOA = "consul. 0 SOA ns.consul. hostmaster.consul. 1 3600 600 86400 0"


def through(name: str, kind: str, *records: str, repairs: Repairs | None = None, query: dict | None = None, **reply):
    """What a client gets when Consul answers so."""
    world = World(repairs=repairs)
    world.ask(a_query(name, kind, **(query or {})))
    answer = world.answer(world.consul[0], *records, **reply)
    assert answer is not None
    return parsed(answer)


def test_nobody_may_keep_an_answer():
    message = through("web.service.consul", "A", "web.service.consul. 30 A 10.0.0.1")

    assert message.answer[0].ttl == 0


def test_the_ttl_is_kept_where_that_is_wanted():
    message = through("web.service.consul", "A", "web.service.consul. 30 A 10.0.0.1", repairs=Repairs(ttl="keep"))

    assert message.answer[0].ttl == 30


@pytest.mark.parametrize("name", ["service.consul", "node.consul", "service.dc1.consul", "query.dc1.dc.consul"])
def test_names_between_others_exist(name):
    assert through(name, "A", rcode=3, authority=(SOA,)).rcode() == 0
    assert through(name, "A", rcode=3, authority=(SOA,), repairs=Repairs(nodata=False)).rcode() == 3


@pytest.mark.parametrize("name", ["web.service.consul", "consulx.consul", "a.b.service.consul"])
def test_names_that_do_not_exist_still_do_not(name):
    assert through(name, "A", rcode=3, authority=(SOA,)).rcode() == 3


@pytest.mark.parametrize(
    "authority",
    [(), (SOA.replace(" 0 SOA", " 5 SOA")[:-1] + "60",), ("other. 0 SOA ns.other. root.other. 1 2 3 4 0",)],
    ids=["none", "a minimum above 0", "of another zone"],
)
def test_a_negative_answer_has_a_soa_that_fits_and_lets_nobody_keep_it(authority):
    message = through("web.service.consul", "AAAA", authority=authority)

    soa = message.authority[0]
    assert (soa.name.to_text(), soa.ttl, soa[0].minimum) == ("consul.", 0, 0)


def test_a_soa_that_fits_stays_as_it_is():
    assert through("web.service.consul", "AAAA", authority=(SOA,)).authority[0][0].mname.to_text() == "ns.consul."


def test_many_instances_come_whole_to_those_who_take_them():
    records = [f"web.service.consul. 0 A 10.0.0.{number}" for number in range(50)]

    message = through("web.service.consul", "A", *records, query={"use_edns": 0, "payload": 1232})

    assert len(message.answer[0]) == 50


def test_addresses_are_cut_to_what_the_client_takes_without_a_word():
    records = [f"web.service.consul. 0 A 10.0.0.{number}" for number in range(50)]

    message = through("web.service.consul", "A", *records)

    assert 20 < len(message.answer[0]) < 50
    assert not message.flags & flags.TC


def test_the_word_is_said_where_that_is_wanted_and_for_other_types():
    addresses = [f"web.service.consul. 0 A 10.0.0.{number}" for number in range(50)]
    services = [f"web.service.consul. 0 SRV 1 1 {number} node{number}.node.dc1.consul." for number in range(50)]

    assert through("web.service.consul", "A", *addresses, repairs=Repairs(truncate=True)).flags & flags.TC
    assert through("web.service.consul", "SRV", *services).flags & flags.TC


def test_a_lower_case_echo_is_taken_for_the_answer_it_is():
    world = World()
    world.ask(a_query("WEB.service.consul"))
    asked = world.consul[0].asked[-1]

    answer = world.deliver(world.consul[0], a_reply(asked.lower(), "web.service.consul. 0 A 10.0.0.1"))

    assert answer is not None
    assert b"\3WEB\7service" in answer
    assert addresses_in(answer) == ["10.0.0.1"]


def test_repairs_are_counted():
    world = World()
    world.ask(a_query("service.consul"))
    world.answer(world.consul[0], rcode=3)

    assert world.tables.repairers["consul"].counts == {"nodata": 1, "soa": 1}
