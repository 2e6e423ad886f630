"""A record of Consul's catalogue as an instance: where it is, how it is, how much it takes."""

import pytest
from cargo import TEXT, a_check, a_record, an_instance
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.instance import Check, Instance, instance


def test_a_record_is_an_instance_with_its_checks() -> None:
    record = a_record(
        tags=["http"], meta={"container-port": "80"}, node="box2", checks=[a_check("passing", output=" HTTP 200\n")]
    )

    assert instance(record) == Instance(
        service="web",
        id="web-1",
        node="box2",
        address="10.0.0.5",
        port=8000,
        tags=("http",),
        meta={"container-port": "80"},
        status="passing",
        weight=1,
        checks=(Check("it answers", "passing", "HTTP 200"),),
    )


def test_an_instance_without_an_address_is_at_its_node() -> None:
    assert an_instance(address="").place == "10.0.0.1:8000"


def test_a_place_of_ipv6_has_brackets() -> None:
    assert an_instance(address="fd00::5").place == "[fd00::5]:8000"


@pytest.mark.parametrize(
    ("said", "status", "usable"),
    [
        ([], "passing", True),
        (["passing", "passing"], "passing", True),
        (["passing", "warning"], "warning", True),
        (["passing", "critical", "warning"], "critical", False),
        (["odd"], "passing", True),
    ],
)
def test_the_worst_check_counts_and_a_warning_is_no_failure(said, status, usable) -> None:
    found = an_instance(checks=map(a_check, said))

    assert (found.status, found.usable) == (status, usable)


def test_maintenance_is_a_critical_check() -> None:
    checks = [a_check("passing"), a_check("critical", "Service Maintenance Mode", "deploying")]

    assert not an_instance(checks=checks).usable


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("10.0.0.5", 0),
        ("10.0.0.5", 65536),
        ("10.0.0.5", -1),
        ("localhost", 80),
        ("10.0.0.5; x", 80),
        ("10.0.0.5\n", 80),
    ],
)
def test_what_is_no_address_and_port_can_not_be_used(address, port) -> None:
    assert not an_instance(address=address, port=port).usable


@pytest.mark.parametrize(
    ("said", "weight"),
    [
        ({}, 1),
        ({"weights": {"Passing": 10, "Warning": 2}}, 10),
        ({"weights": {"Passing": 10, "Warning": 2}, "checks": [a_check("warning")]}, 2),
        ({"weights": {"Passing": 1000, "Warning": 1}}, 256),
        ({"weights": {"Passing": -1, "Warning": 1}}, 0),
        ({"weights": {}}, 1),
        ({"weights": None}, 1),
        ({"tags": ["http", "weight=7"]}, 7),
        ({"tags": ["weight=0"]}, 0),
        ({"tags": ["weight=99999"]}, 256),
        ({"tags": ["weight=999999"]}, 1),
        ({"tags": ["weight=-1"]}, 1),
        ({"tags": ["weight=ten"]}, 1),
        ({"tags": ["weight="], "meta": {"weight": "5"}}, 5),
        ({"meta": {"weight": "5"}}, 5),
        ({"tags": ["weight=3"], "meta": {"weight": "5"}}, 3),
        ({"tags": ["weight=3"], "weights": {"Passing": 10, "Warning": 2}}, 3),
    ],
)
def test_a_weight_is_a_tag_s_or_else_meta_s_or_else_consul_s(said, weight) -> None:
    assert an_instance(**said).weight == weight


@pytest.mark.parametrize(("told", "port"), [("8000", 8000), ("", 0), ("-1", 0), ("http", 0)])
def test_the_port_inside_the_container_is_in_meta(told, port) -> None:
    assert an_instance(meta={"container-port": told}).container_port == port


@pytest.mark.parametrize("kind", ["connect-proxy", "mesh-gateway", "ingress-gateway"])
def test_the_proxies_of_a_mesh_are_no_instances(kind) -> None:
    assert instance(a_record(kind=kind)) is None


@pytest.mark.parametrize(
    "record",
    [{}, [], None, "web", {"Node": {}, "Service": {}}, {"Node": None, "Service": None}, a_record(port="http")],  # type: ignore[arg-type]
)
def test_what_is_no_record_is_no_instance(record) -> None:
    assert instance(record) is None


def test_a_record_may_leave_out_tags_meta_weights_and_checks() -> None:
    record = {"Node": {"Node": "box1", "Address": "10.0.0.1"}, "Service": {"Service": "web", "ID": "w", "Port": 80}}

    assert instance(record) == Instance("web", "w", "box1", "10.0.0.1", 80, (), {}, "passing", 1, ())


@given(TEXT, st.lists(TEXT | TEXT.map("weight=".__add__), max_size=4), st.dictionaries(TEXT, TEXT, max_size=3), TEXT)
def test_any_text_of_a_service_is_an_instance(name, tags, meta, status) -> None:
    found = instance(a_record(name, tags=tags, meta=meta, checks=[a_check(status, status, status)]))

    assert found is not None
    assert (found.service, found.tags, found.meta) == (name, tuple(tags), meta)
    assert 0 <= found.weight <= 256


@pytest.mark.parametrize("address", ["fe80::1%;disable frontend names;", "fe80::1%lo]:80\n    deny", "fe80::1%eth0"])
def test_an_address_with_a_scope_is_nobody_to_go_to(address: str) -> None:
    # Behind % Python takes any text, and Consul does, too: it would be a command of HAProxy's.
    assert not an_instance(address=address).usable


def test_digits_of_other_scripts_are_no_numbers() -> None:
    one = an_instance(tags=["weight=²"], meta={"container-port": "²"})

    assert (one.weight, one.container_port) == (1, 0)


def test_maintenance_has_its_reason_in_the_notes() -> None:
    said = {"Name": "Service Maintenance Mode", "Status": "critical", "Output": "", "Notes": "upgrade"}

    assert an_instance(checks=[{**said, "CheckID": "_service_maintenance:web-1"}]).checks == (
        Check("Service Maintenance Mode", "critical", "upgrade", "_service_maintenance:web-1"),
    )
