"""Clients on the host and on a laptop get the names, whatever they ask with and on whichever address."""

import sys

import pytest
from lab import addresses, dig
from lab.consul import Consul
from lab.gateway import Gateway, command
from lab.instance import PORT, Instance
from lab.namespace import Namespace
from lab.resolver import WWW_ADDRESS

NAME = "python1.service.consul"
FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode(), end='')"


@pytest.fixture(autouse=True)
def _registered(consul: Consul, gateway: Gateway) -> None:
    consul.register("python1", *addresses.PYTHON1, port=PORT)


def test_glibc_finds_the_service_from_a_laptop_that_names_the_host_as_nameserver(laptop: Namespace) -> None:
    found = laptop.run("getent", "ahostsv4", NAME)
    hosts = laptop.run("getent", "hosts", NAME)

    assert {line.split()[0] for line in found.splitlines()} == set(addresses.PYTHON1)
    assert {line.split()[0] for line in hosts.splitlines()} == set(addresses.PYTHON1)


def test_a_laptop_opens_the_service_by_its_name(laptop: Namespace, python1: list[Instance]) -> None:
    page = laptop.run(sys.executable, "-c", FETCH, f"http://{NAME}:{PORT}/")

    assert page in {f"python1 at {instance.address}\n" for instance in python1}


def test_a_laptop_still_finds_the_internet(laptop: Namespace) -> None:
    assert laptop.run("getent", "ahostsv4", "www.example").split()[0] == WWW_ADDRESS


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("tool", ["dig", "kdig"])
@pytest.mark.parametrize("server", [addresses.HOST, addresses.HOST_6])
def test_dig_and_kdig_get_the_same_over_udp_and_tcp(laptop: Namespace, server: str, tool: str, transport: str) -> None:
    reply = dig.ask(laptop, server, NAME, "A", transport, tool=tool)

    assert (reply.status, reply.addresses) == ("NOERROR", set(addresses.PYTHON1))


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", addresses.HOST, addresses.HOST_6, addresses.HOST_OUTSIDE])
def test_every_address_of_the_host_answers(host: Namespace, server: str) -> None:
    assert dig.ask(host, server, NAME).addresses == set(addresses.PYTHON1)


def test_a_type_that_a_service_does_not_have_is_no_error(laptop: Namespace) -> None:
    """Some C libraries fail the whole lookup when the question for IPv6 fails."""
    reply = dig.ask(laptop, addresses.HOST, NAME, "AAAA")

    assert (reply.status, reply.answer) == ("NOERROR", ())


def test_the_query_command_asks_the_running_server(host: Namespace) -> None:
    told = host.run(*command("query", NAME))

    assert all(address in told for address in addresses.PYTHON1)
