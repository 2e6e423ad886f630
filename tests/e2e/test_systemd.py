"""examples/systemd: the units under a real systemd, the only one of a container with the host's network."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.consul import Consul
from lab.docker import Docker
from lab.machine import Machine, build
from lab.manual import commands
from lab.patience import eventually

PAGE = "examples/systemd/README.md"
ROOT = Path(__file__).parents[2]
UNITS = ("panteras-dns", "panteras-registrator", "panteras-balancer", "panteras-haproxy")
LINES = """\
RUN groupadd --non-unique --gid {group} docker
COPY units /etc/systemd/system
"""


@pytest.fixture(scope="module")
def systemd_image(_engine: Docker, box_image: str, scratch: Path) -> str:
    """A machine with systemd and what the README installs."""
    context = scratch / "systemd"
    units = context / "units"
    units.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(ROOT / f"examples/systemd/{unit}.service", units)
    group = Path(_engine.place.removeprefix("unix://")).stat().st_gid
    return build(_engine, "panteras-systemd", context, ["curl", "dnsutils"], LINES.format(group=group))


@pytest.fixture
def machine(docker: Docker, consul: Consul, systemd_image: str) -> Iterator[Machine]:
    made = Machine(docker, systemd_image)
    yield made
    told = made.attempt("journalctl", "--no-pager", "-o", "short-precise")
    print(told)
    consul.forget_all()


def test_the_units_of_the_readme(machine: Machine, docker: Docker, consul: Consul, example_image: str) -> None:
    *_, enable = commands(PAGE, "Start")
    _, run, dig, curl = commands(PAGE, "Expect")
    remove = commands(PAGE, "Remove")
    machine.run(*shlex.split(enable))
    eventually(lambda: machine.attempt("systemctl", "is-active", *UNITS) == "active\n" * 4, "four active units")

    docker.run(*shlex.split(run)[1:])
    eventually(lambda: machine.attempt(*shlex.split(dig)).count("\n") == 1, "an instance")
    page = eventually(lambda: machine.attempt(*shlex.split(curl), "--silent", "--fail"), "its page")
    assert page.startswith("python1 ")

    killed = ("panteras-balancer", "panteras-registrator")
    before = _pids(machine, *killed)
    machine.run("systemctl", "kill", "--signal=KILL", *killed)
    assert machine.attempt(*shlex.split(curl), "--silent", "--fail") == page, "nobody notices"
    eventually(lambda: not _pids(machine, *killed) & before, "others in their place", within=20)
    eventually(lambda: machine.attempt("systemctl", "is-active", *UNITS) == "active\n" * 4, "all are back")
    docker.run(*shlex.split(run.replace("python1", "python2"))[1:])
    other = curl.replace("python1", "python2")
    eventually(lambda: machine.attempt(*shlex.split(other), "--silent", "--fail"), "another page")

    exposure = {unit: _exposure(machine.run("systemd-analyze", "security", "--no-pager", unit)) for unit in UNITS}
    assert all(points < 4.5 for points in exposure.values()), exposure

    assert {one["Service"] for one in consul.known().values()} == {"python1", "python2", "panteras"}
    for line in remove:
        machine.run(*shlex.split(line))
    assert machine.attempt("systemctl", "is-active", *UNITS) == "inactive\n" * 4
    assert {one["Service"] for one in consul.known().values()} == {"panteras"}
    assert "panteras" not in machine.run("ls", "/etc/systemd/system", "/opt")


def _pids(machine: Machine, *units: str) -> set[str]:
    return set(machine.run("systemctl", "show", "--value", "--property", "MainPID", *units).split())


def _exposure(told: str) -> float:
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found, told
    return float(found.group(1))
