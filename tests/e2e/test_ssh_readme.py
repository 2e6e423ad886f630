"""sshd/README.md alone, from nothing to a page: its commands as they stand there, in their order.

Other than there: where the state is, the image's name, the address of the gateway, and the docker engine of the lab.
"""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import addresses
from lab.consul import Consul
from lab.docker import Docker
from lab.door import Tunnel, attempt
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.manual import commands
from lab.namespace import Namespace
from lab.patience import eventually
from lab.process import Process

CONTAINER = "172.17.9.9"  # where the service is: in the network of docker's bridge, which `init` finds by itself
STATE = "/var/lib/panteras/access"


@pytest.fixture
def python1(host: Namespace, consul: Consul, scratch: Path) -> Iterator[None]:
    """One instance, on the port that a URL without a port means."""
    pages = scratch / "page"
    pages.mkdir(exist_ok=True)
    (pages / "index.html").write_text("the page\n")
    host.add_address(f"{CONTAINER}/32")
    words = [sys.executable, "-m", "http.server", "80", "--bind", CONTAINER, "--directory", str(pages)]
    service = Process(words, scratch / "page.log", host)
    try:
        service.wait_until(lambda: f"{CONTAINER}:80 " in host.run("ss", "-Htln"), "listening")
        consul.register("python1", CONTAINER, port=80)
        yield
    finally:
        service.stop()
        host.remove_address(f"{CONTAINER}/32", "lo")


def test_from_nothing_to_a_page(
    host: Namespace, visitor: Namespace, docker: Docker, door_image: str, gateway: Gateway, python1: None, scratch: Path
) -> None:
    home = scratch / "newcomer"
    home.mkdir()

    def on_the_host(line: str) -> str:
        words = shlex.split(line.replace("gateway.example.com", addresses.VISITED_HOST))
        assert words[:3] == ["sudo", "panteras", "access"]
        command = shlex.join([*panteras(*words[2:]), "--state", str(home / "access")])
        return host.run("sh", "-c", f"cd {shlex.quote(str(home))} && {command}")

    install, init, build, run, grant, kit, connect, who, page = commands("sshd/README.md", "From nothing to a page")
    assert shlex.split(install) == ["pip", "install", ".[access]"]  # these tests run in what that makes
    assert shlex.split(build)[1:] == ["build", "-f", "sshd/Dockerfile", "-t", "panteras-sshd", "."]  # as door_image is
    on_the_host(init)
    words = [word.replace(f"{STATE}/", f"{home}/access/", 1) for word in shlex.split(run)[1:]]
    container = docker.run(*words[:-1], door_image)
    eventually(lambda: "the SSH door is open" in docker.attempt("logs", container), "an open door", within=15)
    on_the_host(grant)
    on_the_host(kit)
    laptop = home / "alice-laptop"
    program, file = shlex.split(connect)
    assert program == "sshuttle"
    tunnel = Tunnel(visitor, laptop, file=file.removeprefix("@"))
    try:
        told = attempt(visitor, laptop, *shlex.split(who))
        shown = attempt(visitor, laptop, *shlex.split(page))
    finally:
        tunnel.stop()
        print(docker.attempt("logs", container))

    assert "identity=alice device=laptop door=ssh" in told.stdout
    assert shown.stdout == "the page\n", shown.stderr
