"""The image of Dockerfile.dns: small, with few rights, and it knows whether it is well."""

import pytest
from lab import addresses, dig
from lab.consul import Consul
from lab.docker import Docker
from lab.namespace import Namespace
from lab.patience import eventually
from lab.resolver import WWW_ADDRESS, Resolver

NAME = "python1.service.consul"
LARGEST = 200_000_000  # bytes
RIGHTS = ("--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "SETUID", "--cap-add", "SETGID")


@pytest.fixture
def container(docker: Docker, gateway_image: str, consul: Consul, resolver: Resolver) -> str:
    """A gateway that runs as the manual says, but that looks at its own health more often."""
    consul.register("python1", *addresses.PYTHON1)
    return docker.run(
        *("run", "--detach", "--network", "host", *RIGHTS, "--dns", addresses.RESOLVER),
        *("--health-interval", "1s", "--health-start-period", "0s", gateway_image),
    )


def test_the_image_is_small(docker: Docker, gateway_image: str) -> None:
    assert int(docker.run("image", "inspect", "--format", "{{.Size}}", gateway_image)) < LARGEST


def test_the_container_answers_with_few_rights_and_gets_healthy(
    host: Namespace, docker: Docker, container: str
) -> None:
    try:
        eventually(lambda: _inspect(docker, container, "{{.State.Health.Status}}") == "healthy", "healthy", within=30)
        service = dig.ask(host, "127.0.0.1", NAME)
        outside = dig.ask(host, "127.0.0.1", "www.example")
    finally:
        told = docker.attempt("logs", container)
        print(told)

    assert service.addresses == set(addresses.PYTHON1)
    assert outside.addresses == {WWW_ADDRESS}
    assert "Traceback" not in told


def test_the_container_does_not_stay_root(docker: Docker, container: str) -> None:
    eventually(lambda: "\nready" in f"\n{docker.attempt('logs', container)}", "ready")

    owners = docker.run("top", container, "-eo", "user,pid,comm").splitlines()[1:]

    assert owners
    assert not [line for line in owners if line.split()[0] in ("root", "0")]


def test_the_container_stops_in_time(docker: Docker, container: str) -> None:
    """Docker kills what has not ended by itself, with status 137."""
    eventually(lambda: "\nready" in f"\n{docker.attempt('logs', container)}", "ready")

    docker.run("stop", "--time", "2", container)

    assert _inspect(docker, container, "{{.State.ExitCode}}") == "0"


def _inspect(docker: Docker, container: str, template: str) -> str:
    return docker.run("inspect", "--format", template, container)
