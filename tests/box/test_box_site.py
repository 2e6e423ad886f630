"""Which names lead where: a service's own, those of its tags, and those that tags ask for."""

import re

import pytest
from cargo import TEXT, a_check, an_instance, services
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.box.site import Names, Server, Site, site

NAMES = Names()
ONE = {"id": "one", "address": "10.0.0.5"}
TWO = {"id": "two", "address": "10.0.0.6"}


def of(*instances, names=NAMES) -> Site:
    return site(services(*instances), names)


def places(found: Site) -> dict[str, list[str]]:
    """Where each route leads: the places of its backend's servers."""
    return {
        route: sorted(server.place for server in found.backends[name].servers.values())
        for route, name in found.routes.items()
    }


def test_a_service_opens_by_its_name() -> None:
    found = of(an_instance(**ONE), an_instance(**TWO))

    assert found.routes == {"web.service.consul/": "web.service"}
    assert places(found) == {"web.service.consul/": ["10.0.0.5:8000", "10.0.0.6:8000"]}
    assert found.warnings == ()


def test_a_service_opens_under_each_suffix() -> None:
    names = Names("consul", "dc1", ("Box1.example.com.", "", "box1.example.com"))

    assert names.suffixes == ("service.consul", "service.dc1.consul", "box1.example.com")
    assert of(an_instance(), names=names).routes == {
        "web.service.consul/": "web.service",
        "web.service.dc1.consul/": "web.service",
        "web.box1.example.com/": "web.service",
    }


@pytest.mark.parametrize(
    ("said", "opens"),
    [
        ({}, True),
        ({"port": 80}, True),
        ({"port": 31234}, False),
        ({"port": 31234, "tags": ["http"]}, True),
        ({"port": 31234, "tags": ["urlprefix-/shop"]}, True),
        ({"port": 31234, "tags": ["paas-shop.example.com"]}, True),
        ({"port": 31234, "meta": {"container-port": "8080"}}, True),
        ({"port": 31234, "meta": {"container-port": "5432"}}, False),
        ({"tags": ["balancer=off"]}, False),
        ({"tags": ["http", "balancer=off", "urlprefix-/shop"]}, False),
        ({"tags": ["http", "udp"]}, False),
    ],
)
def test_what_speaks_http_is_balanced_unless_it_opts_out(said, opens) -> None:
    found = of(an_instance(**said))

    assert ("web.service.consul/" in found.routes) == opens
    assert bool(found.backends) == opens


def test_the_ports_of_http_are_the_host_s_to_say() -> None:
    assert of(an_instance(port=8000), an_instance("db", port=5432), names=Names(ports=(5432,))).routes == {
        "db.service.consul/": "db.service"
    }


def test_an_instance_that_opts_out_leaves_the_others_in() -> None:
    assert places(of(an_instance(**ONE), an_instance(**TWO, tags=["balancer=off"]))) == {
        "web.service.consul/": ["10.0.0.5:8000"]
    }


@pytest.mark.parametrize(
    "checks",
    [[a_check("critical")], [a_check("passing"), a_check("critical", "Service Maintenance Mode", "deploying")]],
    ids=["failing", "in maintenance"],
)
def test_an_instance_that_can_not_be_used_is_nowhere_and_its_name_stays(checks) -> None:
    assert places(of(an_instance(**ONE), an_instance(**TWO, checks=checks))) == {
        "web.service.consul/": ["10.0.0.5:8000"]
    }
    assert places(of(an_instance(**TWO, checks=checks))) == {"web.service.consul/": []}


def test_a_server_has_its_place_and_weight_and_another_place_is_another_server() -> None:
    (server,) = of(an_instance(tags=["weight=7"])).backends["web.service"].servers.values()
    (moved,) = of(an_instance(tags=["weight=7"], port=8080)).backends["web.service"].servers.values()
    (heavier,) = of(an_instance(tags=["weight=8"])).backends["web.service"].servers.values()
    (elsewhere,) = of(an_instance(tags=["weight=7"], node="box2")).backends["web.service"].servers.values()

    assert server == Server(server.name, "10.0.0.5", 8000, 7)
    assert re.fullmatch("i-[0-9a-f]{12}", server.name)
    assert len({server.name, moved.name, elsewhere.name}) == 3
    assert heavier == Server(server.name, "10.0.0.5", 8000, 8)


def test_a_tag_of_some_instances_opens_these_alone() -> None:
    found = of(
        an_instance("python1", **ONE, tags=["http", "V1"]),
        an_instance("python1", **TWO, tags=["http", "v2"]),
    )

    assert places(found) == {
        "python1.service.consul/": ["10.0.0.5:8000", "10.0.0.6:8000"],
        "http.python1.service.consul/": ["10.0.0.5:8000", "10.0.0.6:8000"],
        "v1.python1.service.consul/": ["10.0.0.5:8000"],
        "v2.python1.service.consul/": ["10.0.0.6:8000"],
    }
    assert set(found.backends) == {"python1.service", "v1.python1.service", "v2.python1.service"}


@pytest.mark.parametrize("tag", ["a.b", "a b", "weight=3", "-x", "x-", "{{x}}", "${X}", "x;", "x" * 64, "käse"])
def test_a_tag_that_is_no_label_opens_nothing(tag) -> None:
    assert of(an_instance(tags=[tag])).routes == {"web.service.consul/": "web.service"}


def test_of_very_many_tags_the_first_twenty_open() -> None:
    found = of(an_instance(tags=[f"t{at:02}" for at in range(99)]))

    assert sorted(found.routes) == sorted(
        ["web.service.consul/", *(f"t{at:02}.web.service.consul/" for at in range(20))]
    )


@pytest.mark.parametrize(
    ("tag", "route"),
    [
        ("urlprefix-www.example.com/api", "www.example.com/api"),
        ("urlprefix-WWW.Example.com/Api", "www.example.com/Api"),
        ("urlprefix-www.example.com", "www.example.com/"),
        ("urlprefix-www.example.com/", "www.example.com/"),
        ("urlprefix-www.example.com:80/api", "www.example.com/api"),
        ("urlprefix-/api", "*/api"),
        ("paas-shop.example.com", "shop.example.com/"),
        ("urlprefix-www.example.com/api proto=https", "www.example.com/api"),
        ("urlprefix-www.example.com/~a/%20+b=c:d@e", "www.example.com/~a/%20+b=c:d@e"),
    ],
)
def test_a_tag_opens_the_name_it_asks_for(tag, route) -> None:
    found = of(an_instance(tags=[tag]))

    assert places(found) == {"web.service.consul/": ["10.0.0.5:8000"], route: ["10.0.0.5:8000"]}
    assert found.backends[found.routes[route]].strip == ""
    assert found.warnings == ()


def test_of_very_many_tags_that_ask_for_names_the_first_hundred_open() -> None:
    found = of(an_instance(tags=[f"urlprefix-/{number}" for number in range(150)]))

    assert sum(route.startswith("*/") for route in found.routes) == 100
    assert found.warnings == ("web-1: 150 tags with names: those after 100 are left out",)


def test_paths_of_any_host_are_not_the_front_page_s() -> None:
    found = of(an_instance(tags=["urlprefix-/services.json"]))

    assert found.map["*/services.json"] not in {"panteras", "web.service"}
    assert {found.map[f"panteras.{end}/"] for end in NAMES.suffixes} == {"panteras"}


def test_of_two_ways_to_strip_one_path_the_first_counts_and_the_other_is_told() -> None:
    ways = ["urlprefix-/api strip=/api", "urlprefix-/api"]
    found = of(*(an_instance(tags=[tag], id=f"web-{number}") for number, tag in enumerate(ways)))

    assert found.backends[found.routes["*/api"]].strip == ""
    assert found.warnings == ("web-0: tag for '*/api': left out: that name is taken",)


@pytest.mark.parametrize(("said", "strip"), [("/api", "/api"), ("/api/", "/api"), ("/", ""), ("", "")])
def test_a_tag_may_strip_the_beginning_of_the_path(said, strip) -> None:
    found = of(an_instance(tags=[f"urlprefix-/api strip={said}"]))

    assert found.backends[found.routes["*/api"]].strip == strip
    assert found.backends["web.service"].strip == ""


def test_services_that_ask_for_one_name_share_it() -> None:
    found = of(
        an_instance("old", **ONE, tags=["urlprefix-www.example.com/"]),
        an_instance("new", **TWO, tags=["urlprefix-www.example.com/"]),
    )

    assert places(found) == {
        "old.service.consul/": ["10.0.0.5:8000"],
        "new.service.consul/": ["10.0.0.6:8000"],
        "www.example.com/": ["10.0.0.5:8000", "10.0.0.6:8000"],
    }


def test_a_service_s_own_name_is_nobody_else_s() -> None:
    found = of(
        an_instance("a", **TWO, tags=["urlprefix-web.service.consul/"]),
        an_instance("web", **ONE),
        an_instance("z", **TWO, tags=["paas-web.service.consul"]),
    )

    assert places(found)["web.service.consul/"] == ["10.0.0.5:8000"]
    assert found.warnings == ("two: tag for 'web.service.consul/': left out: that name is taken",)


def test_the_names_of_the_gateway_and_of_consul_are_no_services() -> None:
    assert of(an_instance("panteras"), an_instance("Panteras"), an_instance("consul")) == Site({}, {})


def test_names_are_opened_in_lower_case() -> None:
    assert of(an_instance("Web")).routes == {"web.service.consul/": "web.service"}


@pytest.mark.parametrize(
    "name", ["a.b", "a b", "a;b", "a\nb", "-a", "x" * 64, "käse", "{{x}}", "${x}", "'", '"', "*", ""]
)
def test_a_service_that_dns_can_not_say_is_left_out_and_told(name) -> None:
    assert of(an_instance(name)) == Site(
        {}, {}, (f"service {name[:80]!r}: not balanced: expected letters, digits and -",)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "*/",
        "-x.example.com/",
        "a..b/",
        "a;b/",
        "www.example.com/a;b",
        "www.example.com/'",
        'www.example.com/"',
        "www.example.com/\\",
        "www.example.com/#",
        "www.example.com/käse",
        "{{ 7*7 }}/",
        "${HOME}/",
        "/api strip=api",
        "/api strip=/a(b)*",
        "/api strip=/a$",
        "/api strip='/a'",
        "/" + "x" * 512,
        "x" * 254 + "/",
    ],
)
def test_a_tag_that_asks_for_no_name_is_left_out_and_told(text) -> None:
    found = of(an_instance(tags=[f"urlprefix-{text}"]))

    assert found.routes == {"web.service.consul/": "web.service"}
    assert found.warnings == (f"web-1: tag {text[:80]!r}: left out: expected HOST/PATH, like www.example.com/api",)


WORDS = st.sampled_from(["", "/", ";", "\n", "'", '"', " ", "strip=", "a.b", "*", "#", "\\", "%", "{{", "$(", "`"])
ANYTHING = st.lists(WORDS | TEXT, max_size=8).map("".join)


@given(ANYTHING, ANYTHING, st.sampled_from(["urlprefix-", "paas-", ""]))
def test_whatever_a_tag_says_a_route_has_only_what_a_line_of_haproxy_can_hold(text, other, prefix) -> None:
    found = of(an_instance(**ONE, tags=["http", f"{prefix}{text}", f"{prefix}/x strip=/{other}"]), an_instance(other))

    assert all(re.fullmatch(r"(\*|[a-z0-9_.-]+)/[A-Za-z0-9._~%+=:@/-]*", route) for route in found.routes)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in found.backends)
    assert all(re.fullmatch(r"(/[A-Za-z0-9._~/-]*)?", one.strip) for one in found.backends.values())
    assert set(found.routes.values()) <= set(found.backends)


@pytest.mark.parametrize("tag", ["urlprefix-panteras.service.consul/", "paas-box1.example.com/", "urlprefix-box1/x"])
def test_the_front_page_s_own_names_are_nobody_else_s(tag: str) -> None:
    names = Names("consul", "dc1", ("box1.example.com", "box1"))
    made = site(services(an_instance(tags=["http", tag])), names)

    taken = tag.partition("-")[2].partition("/")[0]
    assert not [route for route in made.routes if route.startswith(f"{taken}/")]
    assert len(made.warnings) == 1
