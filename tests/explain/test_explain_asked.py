"""What a Consul name asks for, form by form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.explain.asked import Asked, asked, searched


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web.service.consul", Asked("service", "web")),
        ("WEB.Service.Consul.", Asked("service", "web")),
        ("v1.web.service.consul", Asked("service", "web", "v1")),
        ("a.b.web.service.consul", Asked("service", "web", "a.b")),
        ("web.service.dc2.consul", Asked("service", "web", "", "dc2")),
        ("web.service.dc2.dc.consul", Asked("service", "web", "", "dc2")),
        ("web.service.east.peer.consul", Asked("service", "web", elsewhere=True)),
        ("v1.web.service.east.peer.dc2.dc.consul", Asked("service", "web", "v1", "dc2", True)),
        ("_web._tcp.consul", Asked("service", "web")),
        ("_web._tcp.service.consul", Asked("service", "web")),
        ("_web._v1.service.dc2.consul", Asked("service", "web", "v1", "dc2")),
        ("_web._tcp.dc2.consul", Asked("service", "web", "", "dc2")),
        ("_web._tcp.query.consul", Asked("query", "web")),
        ("box1.node.consul", Asked("node", "box1")),
        ("box1.example.node.dc2.consul", Asked("node", "box1.example", "", "dc2")),
        ("near.query.consul", Asked("query", "near")),
        ("web.connect.consul", Asked("connect", "web")),
        ("0a000005.addr.dc1.consul", Asked("addr", "0a000005", "", "dc1")),
        ("service.consul", Asked("service")),
        ("service.dc2.consul", Asked("service", datacenter="dc2")),
        ("consul", Asked("domain")),
        ("dc2.consul", Asked("", "dc2")),
        ("web.consul", Asked("", "web")),
        ("web.servce.consul", Asked("", "web.servce")),
        ("_web._tcp.nothing.at.all.consul", Asked("", "_web._tcp.nothing.at.all")),
    ],
)
def test_each_form(name, expected) -> None:
    assert asked(name) == expected


@pytest.mark.parametrize("name", ["example.com", "xconsul", "web.service.consul.example.com", ".", ""])
def test_other_names_are_none(name) -> None:
    assert asked(name) is None


def test_another_domain() -> None:
    assert asked("web.service.corp.example", "corp.example.") == Asked("service", "web")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("web.service.consul.corp.example", "corp.example"),
        ("web.service.dc1.consul.corp.example.", "corp.example"),
        ("web.service.consul", ""),
        ("consul.corp.example", ""),
        ("web.consul.corp.example", ""),
    ],
)
def test_a_search_suffix_is_found_behind_a_form(name, suffix) -> None:
    assert searched(name) == suffix


@given(
    st.lists(st.sampled_from(["_a", "_tcp", "web", "service", "node", "query", "dc", "dc1", "peer", "x"]), max_size=7)
)
def test_any_labels_are_read(labels) -> None:
    found = asked(".".join([*labels, "consul"]))

    assert found is not None
    assert found.form in ("", "domain", "service", "node", "query", "connect", "ingress", "virtual", "addr")
