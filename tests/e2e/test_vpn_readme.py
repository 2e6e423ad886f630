"""The README of openvpn/: from nothing to a page, with the commands as they stand there."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from lab import addresses
from lab.consul import Consul
from lab.docker import Docker
from lab.door import attempt
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.instance import Instance
from lab.manual import commands
from lab.namespace import Namespace
from lab.patience import eventually
from lab.process import Process
from lab.vpn import OPEN

from panteras_dns.access.vpn import settings

STATE = "/var/lib/panteras/access"  # on the pages; a directory of the test's own in its place


@pytest.fixture
def page(host: Namespace, docker: Docker, gateway: Gateway, consul: Consul, scratch: Path) -> Iterator[Instance]:
    """python1, on an address that containers and the VPN reach: at port 80, as a browser asks for it."""
    instance = Instance(host, addresses.DOCKER0, scratch, port=80)
    consul.register("python1", addresses.DOCKER0, port=80)
    yield instance
    instance.stop()


def test_the_first_page_comes_with_the_commands_of_the_readme(
    host: Namespace, docker: Docker, vpn_image: str, page: Instance, roamer: Namespace, scratch: Path
) -> None:
    state, home = scratch / "readme-vpn", scratch / "readme-home"
    home.mkdir()
    pip, init, build, run, grant, kit, connect, dig, curl = commands("openvpn/README.md", "From nothing to a page")
    assert pip == "pip install '.[access]'"
    assert build == "docker build -f openvpn/Dockerfile -t panteras-openvpn ."
    docker.run("tag", vpn_image, "panteras-openvpn")  # built by that command from the repository

    _access(host, init, state, home)
    container = docker.run(*shlex.split(run.replace(f"-v {STATE}/", f"-v {state}/"))[1:])
    eventually(lambda: OPEN in docker.attempt("logs", container), "an open VPN door", within=15)
    _access(host, grant, state, home)
    _access(host, kit.replace("gateway.example.com", addresses.ROAMED_HOST), state, home)
    words = shlex.split(connect.removeprefix("sudo "))
    shell = f"cd {home}/alice-laptop && exec {shlex.join(words)}"
    client = Process(["sh", "-c", shell], scratch / "readme-client.log", roamer)
    try:
        client.wait_until(lambda: "Initialization Sequence Completed" in client.output, "connected", within=20)
        chosen = settings.read((state / "vpn/vpn.toml").read_bytes(), "vpn.toml")
        roamer.use_resolvers(chosen.transports[0].address)  # what a client does with the DNS that it is pushed
        me, shown = roamer.run(*shlex.split(dig)), attempt(roamer, home, *shlex.split(curl)).stdout
    finally:
        client.stop()
        print(docker.attempt("logs", container), client.output)

    assert "identity=alice device=laptop door=vpn" in me
    assert shown == f"python1 at {addresses.DOCKER0}\n"


def _access(host: Namespace, line: str, state: Path, home: Path) -> None:
    words: Sequence[str] = shlex.split(line)
    assert words[:2] == ["sudo", "panteras"]
    done = attempt(host, home, *panteras(*words[2:], "--state", str(state)))
    assert done.returncode == 0, done.stderr
