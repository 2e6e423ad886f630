"""The query log on a real docker host: whose container asked, as the engine tells an account that may ask it."""

import json
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from lab import addresses, base_image
from lab.consul import Consul
from lab.dig import ask
from lab.docker import Docker
from lab.manual import ROOT, commands
from lab.namespace import Namespace, command
from lab.patience import eventually
from lab.process import Process
from lab.resolver import Resolver
from lab.shell import Shell

NAME = "python1.service.consul"
PAGE = "docs/monitoring.md"
SUBNET, TAKEN_TWICE = "10.78.0.0/24", "10.78.0.9"
BRIDGE = addresses.DOCKER0


class Host:
    """A docker host with the account, the directory and the configuration of the manual; all queries are written."""

    def __init__(self, shell: Shell, network: Namespace, directory: Path) -> None:
        self._shell, self._network, self._log = shell, network, directory / "gateway.log"
        self._gateway: Process | None = None
        self._seen = 0
        self.file = directory / "own/var/log/panteras/queries.log"

    def configure(self, **said: str) -> None:
        """*said*: what is not as in the manual."""
        (text,) = re.findall(r"^```toml\n(\[querylog\].*?)^```", (ROOT / PAGE).read_text(), re.DOTALL | re.MULTILINE)
        for key, value in {"sample": "1", **said}.items():
            text = re.sub(rf"^{key} = .*\n|\Z", f"{key} = {value}\n", text, count=1, flags=re.MULTILINE)
        self._shell.put("/etc/panteras/panteras.toml", text)

    def serve(self, account: str = "panteras", start: str = "panteras serve", **said: str) -> Process:
        self._seen = 0
        self.configure(**said)
        self._shell.run(f"chown {account} /var/log/panteras")
        words = f"{start} --user {account}"
        self._gateway = self._shell.start(words, self._network, self._log, "ready: ")
        return self._gateway

    def stop(self) -> None:
        if self._gateway:
            self._gateway.stop()

    @property
    def told(self) -> str:
        return self._gateway.output + self._gateway.errors if self._gateway else ""

    def entries(self, client: str) -> Sequence[Mapping[str, Any]]:
        return [one for one in map(json.loads, self._lines()[self._seen :]) if one["client"] == client]

    def forget(self) -> None:
        """Of entries that are there already nothing is told any more."""
        self._seen = len(self._lines())

    def _lines(self) -> Sequence[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def names(self, client: str) -> set[str | None]:
        return {one.get("container") for one in self.entries(client)}


@pytest.fixture(scope="module")
def installed(host: Namespace, _engine: Docker, scratch: Path) -> Iterator[Host]:
    directory = scratch / "logged"
    directory.mkdir()
    shell = Shell(directory, _engine)
    try:
        venv, pip, *_ = commands("README.md", "The real thing")
        for line in (venv, pip, *commands(PAGE, "The query log")):
            shell.run(line)
        shell.put("/etc/resolv.conf", f"nameserver {addresses.RESOLVER}\n")
        yield Host(shell, host, directory)
    finally:
        shell.close()


@pytest.fixture
def logged(installed: Host, docker: Docker, consul: Consul, resolver: Resolver) -> Iterator[Host]:
    """python1 is registered."""
    consul.register("python1", *addresses.PYTHON1)
    yield installed
    installed.stop()
    installed.file.unlink(missing_ok=True)
    print(installed.told)
    assert "Traceback" not in installed.told


@pytest.fixture
def network(docker: Docker) -> Iterator[str]:
    """A network of its own for containers, as `docker compose` makes one."""
    docker.run("network", "create", "--subnet", SUBNET, "panteras-log")
    yield "panteras-log"
    docker.remove_containers()
    docker.run("network", "rm", "panteras-log")


def start(docker: Docker, name: str, *options: str) -> str:
    """A container that does nothing by itself; its address."""
    docker.run("run", "--detach", "--name", name, "--dns", BRIDGE, *options, base_image.NAME, "sleep", "600")
    return docker.run("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)


def resolves(docker: Docker, container: str) -> bool:
    return docker.run("exec", container, "getent", "ahostsv4", NAME).split()[0] in addresses.PYTHON1


def named(logged: Host, docker: Docker, container: str, client: str) -> None:
    """Wait until what it asks is written with its name: sooner than the engine is looked at without a reason."""
    eventually(lambda: resolves(docker, container) and container in logged.names(client), container, within=8)
    assert logged.names(client) <= {container, None}


def test_lines_name_the_container_that_asked_and_nobody_else(
    logged: Host, docker: Docker, network: str, laptop: Namespace
) -> None:
    logged.serve(truncate="false")
    bridged, composed = start(docker, "web-1"), start(docker, "web-2", "--network", network, "--ip", TAKEN_TWICE)

    named(logged, docker, "web-1", bridged)
    named(logged, docker, "web-2", composed)
    ask(laptop, addresses.HOST, NAME)
    (line,) = eventually(lambda: logged.entries(addresses.LAPTOP), "the laptop's line")
    assert "container" not in line
    assert (line["name"], line["rcode"], set(line["answers"])) == (NAME, "NOERROR", set(addresses.PYTHON1))

    docker.run("rm", "--force", "web-2")
    assert start(docker, "web-3", "--network", network, "--ip", TAKEN_TWICE) == composed
    logged.forget()
    named(logged, docker, "web-3", composed)


@pytest.mark.parametrize(
    ("start", "capabilities"),
    [
        ("panteras serve", 1 << 10),  # the right to bind port 53
        ("setpriv --bounding-set -net_bind_service panteras serve --listen 127.0.0.1:5453", 0),
    ],
)
def test_only_the_process_of_the_log_may_ask_the_engine(logged: Host, start: str, capabilities: int) -> None:
    rights = sorted(_rights(pid) for pid in logged.serve(start=start).children())

    assert [bool(groups) for groups, _ in rights] == [False, False, True]
    assert {kept for _, kept in rights} == {capabilities}


def _rights(pid: int) -> tuple[tuple[int, ...], int]:
    """The groups of a process beside its own, and its capabilities."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    own = int(told["Gid"].split()[0])
    return tuple(one for one in map(int, told["Groups"].split()) if one != own), int(told["CapPrm"], 16)


def test_as_in_the_manual_addresses_are_hidden_and_a_reload_loses_no_name(
    logged: Host, docker: Docker, laptop: Namespace
) -> None:
    gateway = logged.serve()
    client = start(docker, "web-1")
    named(logged, docker, "web-1", "172.17.0.0")
    ask(laptop, addresses.HOST, NAME)
    eventually(lambda: logged.entries("10.77.1.0"), "the laptop's network")
    assert not logged.entries(addresses.LAPTOP) and not logged.entries(client)

    logged.configure(truncate="false")
    gateway.signal(signal.SIGHUP)
    eventually(lambda: ask(laptop, addresses.HOST, NAME) and logged.entries(addresses.LAPTOP), "whole addresses")
    assert resolves(docker, "web-1")
    eventually(lambda: logged.entries(client), "a line")
    assert logged.names(client) == {"web-1"}


def test_dnstap_is_read_back_by_kdig(logged: Host, docker: Docker) -> None:
    logged.serve(format='"dnstap"', truncate="false")
    client = start(docker, "web-1")
    assert resolves(docker, "web-1")

    logged.stop()
    told = command("kdig", "-G", str(logged.file))

    assert f"{NAME}." in told and client in told
    assert all(re.search(rf"IN\s+A\s+{address}", told) for address in addresses.PYTHON1)


def test_an_engine_that_goes_away_costs_no_answer_and_no_line(logged: Host, docker: Docker) -> None:
    gateway = logged.serve(truncate="false")
    client = start(docker, "web-1")
    named(logged, docker, "web-1", client)
    prefix = ("nsenter", f"--net=/proc/{docker.run('inspect', '--format', '{{.State.Pid}}', 'web-1')}/ns/net", "--")

    docker.crash()
    try:
        eventually(lambda: "no names of containers" in gateway.errors, "a word about it", within=15)
        logged.forget()
        answers = command(*prefix, "dig", "+short", f"@{BRIDGE}", NAME).split()
        eventually(lambda: logged.entries(client), "a line")
    finally:
        docker.recover()

    assert set(answers) == set(addresses.PYTHON1)
    assert logged.names(client) == {"web-1"}, "as it was known last"
    client = start(docker, "web-2")
    eventually(lambda: resolves(docker, "web-2") and "web-2" in logged.names(client), "a new name", within=15)


def test_an_account_that_may_not_ask_the_engine_is_told_so_and_lines_go_on(logged: Host, docker: Docker) -> None:
    gateway = logged.serve("nobody", truncate="false")
    client = start(docker, "web-1")
    assert resolves(docker, "web-1")

    told = "no names of containers for nobody: unix:///run/docker.sock: Permission denied"
    eventually(lambda: told in gateway.errors, told)
    eventually(lambda: logged.entries(client), "a line")
    assert logged.names(client) == {None}
