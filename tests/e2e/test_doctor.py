"""`panteras doctor`: hosts that are broken on purpose, named, and healed by the commands that it prints."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import addresses
from lab.consul import Consul
from lab.docker import Docker
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.namespace import Namespace
from lab.process import Process
from lab.resolver import Resolver

CONFIG = """\
[[route]]
domains = ["."]
servers = ["198.51.100.53"]
"""


class Told:
    def __init__(self, host: Namespace, *words: str, config: Path | None = None) -> None:
        command = [*host.prefix, *panteras("doctor", *words, *(("--config", str(config)) if config else ()))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        self.status, self.text = done.returncode, done.stdout
        shown = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=False)
        self.json = shown.stdout

    @property
    def problems(self) -> list[str]:
        return re.findall(r"^FAIL (PAN\d+)", self.text, re.MULTILINE)

    @property
    def warnings(self) -> list[str]:
        return re.findall(r"^warn (PAN\d+)", self.text, re.MULTILINE)

    def fix(self, code: str) -> list[str]:
        """The commands of a finding, as the JSON has them."""
        checks = json.loads(self.json)["checks"]
        return next(found["fix"] for one in checks for found in one["findings"] if found["code"] == code)  # type: ignore[no-any-return]


def heal(host: Namespace, commands: list[str]) -> None:
    assert commands
    for line in commands:
        host.run("sh", "-c", line)


@pytest.fixture
def config(scratch: Path) -> Path:
    """A gateway that has upstream servers of its own: without them resolv.conf must stay."""
    file = scratch / "doctor.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def own(host: Namespace, docker: Docker, gateway: Gateway) -> Iterator[Namespace]:
    """The docker host, which asks its own gateway, as its containers do."""
    host.use_resolvers(addresses.DOCKER0)
    yield host
    host.use_resolvers(addresses.RESOLVER)


def test_a_host_where_all_is_well(own: Namespace) -> None:
    told = Told(own)

    assert told.problems == [], told.text
    assert told.status == 0
    assert "ok   port 53" in told.text and "ok   Consul" in told.text


def test_a_second_nameserver_is_named_and_taken_out(own: Namespace, config: Path) -> None:
    own.use_resolvers(addresses.DOCKER0, addresses.RESOLVER)
    assert Told(own).fix("PAN502") == [], "the gateway would lose its upstream servers"
    told = Told(own, config=config)
    heal(own, told.fix("PAN502"))

    assert told.problems == ["PAN502", "PAN510"] and told.status == 1  # containers get both as well
    assert f"/etc/resolv.conf names {addresses.RESOLVER} beside the gateway" in told.text
    assert Told(own).problems == []


def test_another_nameserver_is_named_and_replaced(own: Namespace, resolver: Resolver, config: Path) -> None:
    own.use_resolvers(addresses.RESOLVER)
    told = Told(own, config=config)
    heal(own, told.fix("PAN102"))

    assert told.problems[0] == "PAN102"
    assert "PAN102" not in Told(own).problems


def test_who_holds_port_53_is_named(host: Namespace, resolver: Resolver, scratch: Path) -> None:
    words = (
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
    )
    holder = Process([*words, "--pid-file", f"--server={addresses.RESOLVER}"], scratch / "holder.log", host)
    try:
        holder.wait_until(lambda: "127.0.0.1:53 " in host.run("ss", "-Hlun"), "a holder of the port")
        told = Told(host)
    finally:
        holder.stop()

    assert f"FAIL PAN501 port 53 is held by dnsmasq (pid {holder.pid}" in told.text


def test_nobody_at_port_53(host: Namespace) -> None:
    assert "PAN101" in Told(host, "--quick").problems


def test_consul_is_away(own: Namespace, consul: Consul) -> None:
    consul.stop()
    try:
        told = Told(own)
        quick = Told(own, "--quick")
    finally:
        consul.start()

    assert told.problems == quick.problems == ["PAN301"]
    assert "PAN520" in told.warnings


def test_services_that_dns_can_not_say(own: Namespace, consul: Consul) -> None:
    consul.register("my_odd_service", addresses.PYTHON1[0])
    told = Told(own)

    assert told.warnings.count("PAN521") == 1 and "'my_odd_service'" in told.text
    assert told.status == 0 and Told(own, "--strict").status == 1


def test_a_firewall_between_containers_and_the_gateway(own: Namespace) -> None:
    own.run("iptables", "-A", "INPUT", "-i", "docker0", "-j", "DROP")
    own.run("iptables", "-P", "INPUT", "DROP")
    own.run("iptables", "-I", "INPUT", "-i", "lo", "-j", "ACCEPT")
    try:
        told = Told(own)
        heal(own, told.fix("PAN511"))
        again = Told(own)
    finally:
        for line in (*told.fix("PAN511"), "iptables -I INPUT -i lo -j ACCEPT", "iptables -A INPUT -i docker0 -j DROP"):
            own.run("sh", "-c", line.replace(" -I ", " -D ").replace(" -A ", " -D "))
        own.run("iptables", "-P", "INPUT", "ACCEPT")

    assert "PAN511" in told.problems
    assert "PAN511" not in again.problems


def test_containers_that_ask_strangers(own: Namespace) -> None:
    own.use_resolvers("127.0.0.1")
    told = Told(own)

    assert told.problems == ["PAN510"], told.text
    assert "172.17.0.1" in told.text and told.fix("PAN510")[-1] == "systemctl restart docker"


@pytest.fixture
def engine(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Docker as the doctor finds it."""
    monkeypatch.setenv("DOCKER_HOST", docker.place)
    return docker


def test_a_container_that_reaches_the_gateway(own: Namespace, engine: Docker, gateway_image: str) -> None:
    engine.run("network", "create", "apart")
    try:
        engine.run("run", "--detach", "--dns", addresses.DOCKER0, "--entrypoint", "sleep", gateway_image, "60")
        words = ("--network", "apart", "--dns", addresses.DOCKER0, "--entrypoint", "sleep")
        engine.run("run", "--detach", *words, gateway_image, "60")
        told = Told(own)
    finally:
        for one in engine.run("ps", "--quiet").split():
            engine.run("rm", "--force", one)
        engine.run("network", "rm", "apart")

    assert "PAN513" not in told.text
    assert "ok   a look-up in containers" in told.text


def test_containers_that_reach_nobody_or_somebody_else(own: Namespace, engine: Docker, gateway_image: str) -> None:
    lost, elsewhere = "192.0.2.1", addresses.RESOLVER
    engine.run("network", "create", "apart")
    try:
        engine.run("run", "--detach", "--name", "lost", "--dns", lost, "--entrypoint", "sleep", gateway_image, "60")
        words = ("--network", "apart", "--dns", elsewhere, "--entrypoint", "sleep")
        engine.run("run", "--detach", "--name", "elsewhere", *words, gateway_image, "60")
        told = Told(own)
    finally:
        engine.run("rm", "--force", "lost", "elsewhere")
        engine.run("network", "rm", "apart")

    assert f"FAIL PAN513 the container lost gets no answer from {lost}, in the network " in told.text
    assert "PAN513 the container elsewhere " in told.text


def test_questions_that_the_kernel_dropped(own: Namespace, gateway: Gateway, laptop: Namespace) -> None:
    before = Told(own)
    for child in gateway.children():
        os.kill(child, signal.SIGSTOP)
    flood = "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\nfor _ in range(40000): s.sendto(b'x' * 500, ('{}', 53))"
    try:
        laptop.run("python3", "-c", flood.format(addresses.HOST))
    finally:
        for child in gateway.children():
            os.kill(child, signal.SIGCONT)
    told = Told(own)

    assert "PAN542" not in before.warnings
    assert "PAN542" in told.warnings, told.text


def test_json(own: Namespace) -> None:
    told = json.loads(Told(own).json)

    assert told["version"] == 1 and told["fine"] is True
    assert {"port 53", "Consul", "clock"} <= {one["check"] for one in told["checks"]}
