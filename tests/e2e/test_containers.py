"""Containers find the names through the gateway on the address of docker's bridge."""

import os
from collections.abc import Callable, Iterator

import pytest
from lab import addresses, base_image, dig
from lab.consul import Consul
from lab.docker import Docker
from lab.gateway import Gateway
from lab.instance import PORT
from lab.namespace import Namespace
from lab.patience import eventually
from lab.resolver import Resolver

NAME = "python1.service.consul"
EMBEDDED = "127.0.0.11"  # docker's own resolver, in containers on networks that a user made


@pytest.fixture
def bridge(host: Namespace, docker: Docker, consul: Consul) -> str:
    """The address of docker's default bridge on the host; python1 is registered."""
    consul.register("python1", *addresses.PYTHON1, port=PORT)
    return host.address_of("docker0")


@pytest.fixture
def on_bridge(bridge: str, resolver: Resolver, serve: Callable[..., Gateway]) -> str:
    """The same, with a gateway that serves this address and no other."""
    serve("--listen", f"{bridge}:53")
    return bridge


def test_a_container_on_the_default_bridge_finds_the_service(docker: Docker, on_bridge: str) -> None:
    found = docker.run("run", "--rm", "--dns", on_bridge, base_image.NAME, "getent", "hosts", NAME)

    assert {line.split()[0] for line in found.splitlines()} == set(addresses.PYTHON1)


def test_dig_in_the_network_of_a_container_gets_all_transports(docker: Docker, on_bridge: str) -> None:
    container = _InContainer(docker, docker.run("run", "--detach", base_image.NAME, "sleep", "60"))

    for transport in ("+notcp", "+tcp"):
        assert dig.ask(container, on_bridge, NAME, "A", transport).addresses == set(addresses.PYTHON1)


@pytest.fixture
def network(docker: Docker) -> Iterator[str]:
    """A network as `docker compose` makes one: a bridge and a subnet that were not there before."""
    name = f"panteras-e2e-{os.getpid()}"
    docker.run("network", "create", name)
    yield name
    docker.remove_containers()
    docker.run("network", "rm", name)


def test_a_container_on_a_network_made_a_moment_ago_is_not_refused(
    docker: Docker, on_bridge: str, network: str
) -> None:
    found = docker.run(
        *("run", "--rm", "--network", network, "--dns", on_bridge, base_image.NAME, "getent", "hosts", NAME)
    )

    assert {line.split()[0] for line in found.splitlines()} == set(addresses.PYTHON1)


def test_dockers_embedded_resolver_passes_all_types_on(docker: Docker, on_bridge: str, network: str) -> None:
    started = docker.run(*("run", "--detach", "--network", network, "--dns", on_bridge, base_image.NAME, "sleep", "60"))
    container = _InContainer(docker, started)
    eventually(lambda: dig.ask(container, EMBEDDED, NAME).status == "NOERROR", "an answer", within=5)

    assert dig.ask(container, EMBEDDED, NAME).addresses == set(addresses.PYTHON1)
    assert len(dig.ask(container, EMBEDDED, NAME, "SRV").of("SRV")) == len(addresses.PYTHON1)
    assert dig.ask(container, EMBEDDED, NAME, "AAAA").status == "NOERROR"


def test_the_gateway_as_it_comes_serves_the_bridge_too(docker: Docker, bridge: str, gateway: Gateway) -> None:
    found = docker.run("run", "--rm", "--dns", bridge, base_image.NAME, "getent", "hosts", NAME)

    assert {line.split()[0] for line in found.splitlines()} == set(addresses.PYTHON1)


class _InContainer:
    """A running container's network, seen with this machine's tools."""

    def __init__(self, docker: Docker, container: str) -> None:
        pid = docker.run("inspect", "--format", "{{.State.Pid}}", container)
        self.prefix = ("nsenter", f"--net=/proc/{pid}/ns/net", "--")
