"""A service with many instances comes back whole where there is room, and is cut honestly where not."""

import pytest
from lab import dig
from lab.consul import Consul
from lab.gateway import Gateway
from lab.namespace import Namespace

NAME = "crowd.service.consul"
ADDRESSES = [f"10.99.0.{number}" for number in range(1, 51)]  # nobody ever talks to them


@pytest.fixture(autouse=True)
def _registered(consul: Consul, gateway: Gateway) -> None:
    consul.register("crowd", *ADDRESSES)


@pytest.mark.parametrize("room", ["+tcp", "+bufsize=4096"])
@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_all_instances_are_in_the_answer_where_there_is_room(host: Namespace, tool: str, room: str) -> None:
    addresses = dig.ask(host, "127.0.0.1", NAME, "A", room, tool=tool)
    services = dig.ask(host, "127.0.0.1", NAME, "SRV", room, tool=tool)

    assert addresses.addresses == set(ADDRESSES)
    assert len(services.of("SRV")) == len(ADDRESSES)
    assert "tc" not in services.flags


@pytest.mark.parametrize("kind", ["A", "SRV"])
def test_a_client_without_edns_gets_as_many_as_fit_in_512_bytes(host: Namespace, kind: str) -> None:
    reply = dig.ask(host, "127.0.0.1", NAME, kind, "+noedns", "+ignore")

    assert reply.size <= 512
    assert len(reply.answer) > 3  # what Consul itself gives to such a client
    assert "OPT PSEUDOSECTION" not in reply.text


def test_a_client_is_told_that_there_are_more_ports_than_fit(host: Namespace) -> None:
    assert "tc" in dig.ask(host, "127.0.0.1", NAME, "SRV", "+noedns", "+ignore").flags


def test_a_client_that_was_told_gets_the_rest_by_itself(host: Namespace) -> None:
    reply = dig.ask(host, "127.0.0.1", NAME, "SRV", "+noedns")

    assert len(reply.of("SRV")) == len(ADDRESSES)


def test_no_answer_is_larger_than_its_client_can_take(host: Namespace) -> None:
    reply = dig.ask(host, "127.0.0.1", NAME, "SRV", "+bufsize=1232", "+ignore")

    assert reply.size <= 1232
