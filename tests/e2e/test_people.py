"""Who is connected, from the doors to the dashboard: by the command of the manual, and nothing else gets there."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import addresses
from lab.browser import Hands, shows, text, visit
from lab.consul import Consul
from lab.docker import Docker
from lab.door import Door, Tunnel
from lab.manual import commands
from lab.namespace import Namespace, command
from lab.patience import eventually
from lab.process import Process
from lab.resolver import Resolver
from lab.shell import Shell
from lab.vpn import OPEN, Client, Container

PAGE = "http://127.0.0.1:9153/"
LIST, ENDS = "#people .list", "#ending"
FILE = "/run/panteras/people.json"


class Doors:
    """A docker host with both doors open, and a gateway as it comes; its state is where the manual has it."""

    def __init__(self, shell: Shell, directory: Path, host: Namespace, docker: Docker, images: tuple[str, str]) -> None:
        self._shell, self._host = shell, host
        place = directory / "own/var/lib/panteras"
        place.mkdir(mode=0o755)
        self.ssh = Door(host, docker, images[0], place)
        self.vpn = Container(self.ssh, docker, images[1])
        self._log = directory / "gateway.log"
        self.gateway = shell.start("panteras serve", host, self._log, "ready: ")

    def open(self) -> None:
        self.ssh.create()
        self.vpn.create()
        eventually(lambda: "the SSH door is open" in self.ssh.logs() and OPEN in self.vpn.logs(), "open doors", 30)

    def run(self, line: str) -> str:
        return self._shell.run(line, self._host)

    def status(self) -> Any:
        return json.loads(self.run(f"curl --silent --fail {PAGE}status"))

    def tell(self) -> Process:
        (line,) = commands("docs/monitoring.md", "Who is connected")
        return self._shell.start(line, self._host, self._log.with_name("tell.log"), "")

    def readable(self, paths: Iterable[Path]) -> set[str]:
        """Those that the admin's process could open."""
        workers = {one["pid"] for one in self.status()["gateway"]["workers"]}
        (admin,) = {one.pid for one in psutil.Process(self.gateway.pid).children()} - workers
        owner = psutil.Process(admin)
        words = ["setpriv", f"--reuid={owner.uids().effective}", f"--regid={owner.gids().effective}", "--clear-groups"]
        assert owner.uids().effective
        script = 'for path; do if [ -r "$path" ]; then echo "$path"; fi; done'
        done = command(*words, "sh", "-c", script, "sh", *map(str, paths))
        return set(done.splitlines())

    def profile(self, who: str, device: str) -> Path:
        """The file for the VPN of a person who is let in."""
        out = self.ssh.state.with_name(f"{who}-kit")
        self.ssh.access("grant", who, "--device", device, "--door", "vpn", "--days", "90")
        self.ssh.access("kit", f"{who}/{device}", "--gateway", addresses.ROAMED_HOST, "--out", str(out))
        return out / f"{who}-{device}.ovpn"


@pytest.fixture(scope="module")
def doors(
    door_image: str,
    vpn_image: str,
    host: Namespace,
    _engine: Docker,
    _consul: Consul,
    _resolver: Resolver,
    scratch: Path,
) -> Iterator[Doors]:
    directory = scratch / "people"
    directory.mkdir()
    shell = Shell(directory, _engine)
    try:
        venv, pip, *_ = commands("README.md", "The real thing")
        for line in (venv, pip):
            shell.run(line)
        shell.put("/etc/resolv.conf", f"nameserver {addresses.RESOLVER}\n")
        made = Doors(shell, directory, host, _engine, (door_image, vpn_image))
        made.open()
        yield made
        made.gateway.stop()
        assert "Traceback" not in made.gateway.output + made.gateway.errors
    finally:
        _engine.remove_containers()
        shell.close()


@pytest.fixture(scope="module")
def alice(doors: Doors) -> Path:
    """The kit for SSH of somebody whose certificate ends in five days."""
    return doors.ssh.kit("alice", "--days", "5")


@pytest.fixture
def page(doors: Doors, host: Namespace) -> Iterator[Hands]:
    yield from visit(host, PAGE)


@pytest.fixture
def tunnel(alice: Path, visitor: Namespace) -> Iterator[Tunnel]:
    opened = Tunnel(visitor, alice)
    yield opened
    opened.stop()


@pytest.fixture
def client(doors: Doors, roamer: Namespace) -> Iterator[Client]:
    """Bob, over the VPN."""
    opened = Client(roamer, doors.profile("bob", "phone"))
    yield opened.connect()
    opened.stop()


@pytest.fixture
def teller(doors: Doors) -> Iterator[Process]:
    """What the manual has who runs the doors start."""
    doors.run(f"rm -f {FILE}")
    running = doors.tell()
    yield running
    running.stop()
    assert "Traceback" not in running.output + running.errors


def test_people_come_and_go_on_the_dashboard(
    doors: Doors, page: Hands, teller: Process, tunnel: Tunnel, client: Client, _engine: Docker
) -> None:
    shows(page, LIST, "alice/default ssh")
    shows(page, LIST, "bob/phone vpn")
    shows(page, "#people-count", "2")
    assert text(page, ENDS).startswith("alice/default (ssh) ") and text(page, ENDS).endswith(", 4 d")
    status, top = doors.status(), doors.run("panteras top --once")
    assert {(one["id"], one["door"]) for one in status["people"]["list"]} == {
        ("alice/default", "ssh"),
        ("bob/phone", "vpn"),
    }
    assert [one["what"] for one in status["ending"]["list"]] == ["alice/default (ssh)"]
    assert "PEOPLE   2 connected" in top and "alice/default (ssh) ends" in top

    _engine.run("pause", doors.vpn.id)
    shows(page, LIST, "vpn-run")  # the door that does not tell
    shows(page, LIST, "alice/default ssh")
    _engine.run("unpause", doors.vpn.id)
    shows(page, LIST, "bob/phone vpn")

    tunnel.stop()
    doors.ssh.access("revoke", "bob")
    shows(page, LIST, "Nobody is connected through a door.")
    assert page.complaints() == []


def test_what_was_told_long_ago_is_not_shown_as_if_it_were_now(
    doors: Doors, teller: Process, tunnel: Tunnel, page: Hands
) -> None:
    shows(page, LIST, "alice/default ssh")

    teller.stop()
    doors.run("faketime -f -10m panteras access tell")

    shows(page, LIST, f"{FILE} was last written 60")
    assert text(page, "#people-count") == text(page, ENDS) == "-"
    assert doors.status()["people"]["list"] == []


def test_who_shows_it_reads_nothing_else_of_the_doors(doors: Doors, teller: Process, tunnel: Tunnel) -> None:
    eventually(lambda: '"sessions": [{' in doors.run(f"cat {FILE} || true"), "somebody connected", within=20)
    told = json.loads(doors.run(f"cat {FILE}"))
    paths = list(doors.ssh.state.rglob("*"))

    assert {key for one in told["sessions"] for key in one} == {"id", "door", "since"}
    assert {key for one in told["ending"] for key in one} == {"what", "not_after"}
    assert len([path for path in paths if path.is_file()]) > 10
    shut = doors.ssh.state / "vpn/revoked"  # OpenVPN looks there without root, for files by their names
    assert doors.readable(paths) <= {str(shut), *map(str, shut.iterdir())}
    assert not any(path.read_bytes() for path in shut.iterdir())
