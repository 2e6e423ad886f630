"""Consul's API, and whatever answers in its place: a value of the kind that was asked for, or `Unreachable`."""

import contextlib
import json

import pytest
from builders import a_consul, succeeded
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.consul import Consul, Refused
from panteras_dns.rest import Answer, Unreachable

ASKED = {
    "leader": ("/v1/status/leader", lambda consul: consul.leader()),
    "names": ("/v1/catalog/services", lambda consul: consul.names("service")),
    "nodes": ("/v1/catalog/nodes", lambda consul: consul.names("node")),
    "itself": ("/v1/agent/self", lambda consul: consul.address()),
    "services": ("/v1/agent/services", lambda consul: consul.services()),
    "checks": ("/v1/agent/checks", lambda consul: consul.checks()),
    "instances": ("/v1/health/service/web", lambda consul: consul.instances("web")),
    "datacenters": ("/v1/catalog/datacenters", lambda consul: consul.datacenters()),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["Member", "Node", "web"]), inner),
)


def asked(what: str, value: object) -> object:
    path, ask = ASKED[what]
    return succeeded(ask(a_consul({path: value})))


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("leader", "<html>Welcome</html>"),
        ("leader", None),
        ("names", {"web": 5}),
        ("names", {"web": "tag"}),
        ("names", "<html>Welcome</html>"),
        ("nodes", {}),
        ("itself", {"Member": [1]}),
        ("services", {"web": 5}),
        ("checks", {"web": "5"}),
        ("instances", {}),
        ("datacenters", "dc1"),
    ],
)
def test_what_is_not_consul_s_is_said_to_be_so(what, value):
    with pytest.raises(Unreachable, match=f"{ASKED[what][0]}: not what Consul would say"):
        asked(what, value)


@pytest.mark.parametrize(
    ("what", "value", "found"),
    [
        ("leader", "", ""),
        ("leader", "10.0.0.5:8300", "10.0.0.5:8300"),
        ("leader", "[fd00::5]:8300", "[fd00::5]:8300"),
        ("names", {"web": ["a"], "consul": None}, ({"web": ["a"], "consul": []}, False)),
        ("names", None, ({}, False)),
        ("nodes", [{"Node": "one"}], ({"one": []}, False)),
        ("itself", {"Member": {"Addr": "10.0.0.5"}}, "10.0.0.5"),
        ("itself", {}, ""),
    ],
)
def test_what_is_consul_s_is_told(what, value, found):
    assert asked(what, value) == found


@given(st.sampled_from(sorted(ASKED)), JSON)
def test_any_answer_is_understood_or_unreachable(what, value):
    with contextlib.suppress(Unreachable):
        asked(what, json.loads(json.dumps(value)))


@given(JSON, JSON)
def test_any_health_is_understood_or_unreachable(names, checks):
    consul = a_consul({"/v1/catalog/services": names, "/v1/health/state/any": checks})
    with contextlib.suppress(Unreachable):
        succeeded(consul.health())


def test_another_answer_than_yes_is_refused():
    consul: Consul = a_consul({"/v1/status/leader": Answer(500, {}, "No cluster leader")})

    with pytest.raises(Refused, match="500 No cluster leader"):
        succeeded(consul.leader())
