import pytest

from panteras_dns.names import wire_name
from panteras_dns.routes import Route, Routes, datacenter
from panteras_dns.upstream import Group

CONSUL = Route("consul", Group([]), consul=True, cached=False)
UPSTREAM = Route(".", Group([]))
ROUTES = Routes({wire_name("consul"): CONSUL, wire_name("."): UPSTREAM})


def test_a_name_under_the_domain_goes_to_consul():
    assert ROUTES.match(wire_name("python1.service.consul")) is CONSUL
    assert ROUTES.match(wire_name("consul")) is CONSUL


def test_a_name_that_only_ends_in_the_letters_consul_goes_upstream():
    assert ROUTES.match(wire_name("notconsul")) is UPSTREAM
    assert ROUTES.match(b"\x08x\x06consul\0") is UPSTREAM


def test_the_longest_suffix_wins():
    special = Route("dc2.consul", Group([]), consul=True)
    routes = Routes({wire_name("consul"): CONSUL, wire_name("dc2.consul"): special})

    assert routes.match(wire_name("web.service.dc2.consul")) is special
    assert routes.match(wire_name("web.service.dc1.consul")) is CONSUL


def test_without_a_root_route_other_names_have_none():
    assert Routes({wire_name("consul"): CONSUL}).match(wire_name("example.com")) is None


def test_a_consul_name_with_a_search_suffix_is_fenced():
    fenced = [
        "x.service.consul.corp.example",
        "x.service.dc1.consul.lan",
        "n.node.consul.example.com",
        "_x._tcp.service.consul.a",
    ]

    assert [name for name in fenced if ROUTES.fenced(wire_name(name))] == fenced


def test_names_that_only_look_like_it_are_not_fenced():
    free = [
        "consul.io",
        "www.consul.io",
        "consul.service.example.com",
        "service.example.com",
        "notconsul.service.x",
        "x.service.consulx.y",
    ]

    assert [name for name in free if ROUTES.fenced(wire_name(name))] == []


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("web.service.dc2.consul", "dc2"),
        ("tag.web.service.dc2.consul", "dc2"),
        ("web.service.dc2.dc.consul", "dc2"),
        ("node1.node.dc2.consul", "dc2"),
        ("_web._tcp.dc2.consul", "dc2"),
        ("_web._tcp.service.dc2.consul", "dc2"),
        ("web.service.consul", None),
        ("_web._tcp.service.consul", None),
        ("_web._tcp.consul", None),
        ("service.consul", None),
        ("consul", None),
        ("a.b.consul", None),
    ],
)
def test_the_datacenter_of_a_name(name, place):
    expected = bytes([len(place)]) + place.encode() if place else None

    assert datacenter(wire_name(name), (wire_name("consul"),)) == expected
