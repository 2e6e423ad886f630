"""The pages of the manual: their commands as they stand there, on a docker host of the lab."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import addresses, base_image, compose, dig
from lab.consul import Consul
from lab.docker import Docker
from lab.gateway import Gateway
from lab.instance import PORT, Instance
from lab.manual import ROOT, commands
from lab.namespace import Namespace
from lab.patience import eventually
from lab.resolver import Resolver
from lab.shell import Shell
from lab.vpn import OPEN

NAME = "python1.service.consul"
FIRST, SECOND = addresses.PYTHON1
SAID = {
    "10.0.0.5": addresses.HOST,
    "10.8.0.7": addresses.LAPTOP,
    "gateway.example.com": addresses.VISITED_HOST,
    "debian:stable": base_image.NAME,
}


@pytest.fixture(scope="module")
def shell(_engine: Docker, scratch: Path) -> Iterator[Shell]:
    """The docker host's shell, with the gateway installed as the first pages say: in the machine's network, which has packages."""
    directory = scratch / "manual"
    directory.mkdir()
    made = Shell(directory, _engine, SAID)
    try:
        venv, pip, *_ = commands("docs/getting-started.md", "On the host")
        _install(made, venv, pip)
        venv, pip, *_ = commands("README.md", "The real thing")
        _install(made, venv, pip)
        yield made
    finally:
        made.close()


def _install(shell: Shell, *lines: str) -> None:
    for line in lines:
        shell.run(line)


@pytest.fixture
def registered(host: Namespace, consul: Consul, scratch: Path) -> Iterator[None]:
    """python1 with two instances, at the port that a URL without one means."""
    instances = [Instance(host, address, scratch, port=80) for address in addresses.PYTHON1]
    consul.register("python1", FIRST, SECOND)
    yield
    for instance in instances:
        instance.stop()


@pytest.fixture
def asks_gateway(shell: Shell, docker: Docker, gateway: Gateway, registered: None) -> Iterator[Shell]:
    """The same host, which asks its own gateway; containers do."""
    shell.put("/etc/resolv.conf", f"nameserver {addresses.DOCKER0}\n")
    yield shell


@pytest.fixture
def identities(shell: Shell, host: Namespace, docker: Docker) -> Iterator[Shell]:
    """A docker host whose doors nobody was let in through, yet."""
    init, grant, kit = commands("README.md", "From a laptop that only reaches an SSH port")
    for line in (init, grant, kit):
        shell.run(line, host)
    yield shell
    shell.run("rm -rf /var/lib/panteras *-laptop *-phone", host)


@pytest.fixture
def broken(consul: Consul) -> None:
    """A service whose only instance is in maintenance."""
    consul.register("web", FIRST)
    (key,) = [key for key, one in consul.known().items() if one["Service"] == "web"]
    consul.put(f"/v1/agent/service/maintenance/{key}?enable=true&reason=upgrade")


def answers(host: Namespace, server: str = "127.0.0.1") -> bool:
    return dig.ask(host, server, NAME).addresses == set(addresses.PYTHON1)


def test_the_first_page_serves_from_a_virtual_environment_and_from_a_container(
    shell: Shell,
    host: Namespace,
    docker: Docker,
    gateway_image: str,
    resolver: Resolver,
    registered: None,
    scratch: Path,
) -> None:
    _, _, serve, build, run = commands("README.md", "The real thing")
    server = shell.start(serve, host, scratch / "manual-serve.log", "ready: ")
    assert answers(host) and answers(host, addresses.HOST)
    assert server.stop() == 0

    assert build == "docker build -f Dockerfile.dns -t panteras-dns ."
    docker.run("tag", gateway_image, "panteras-dns")  # built by that command from the repository
    shell.run(run, host)
    eventually(lambda: "ready: " in docker.attempt("logs", "panteras-dns"), "a gateway in a container")
    assert answers(host)


def test_getting_started(
    shell: Shell, host: Namespace, docker: Docker, resolver: Resolver, registered: None, scratch: Path
) -> None:
    _, _, serve, asked, query = commands("docs/getting-started.md", "On the host")
    (completion,) = commands("docs/getting-started.md", "Completion")
    server = shell.start(serve, host, scratch / "manual-serve.log", "ready: ")
    told = [shell.run(asked, host), shell.run(query, host)]
    server.stop()
    shell.run(completion)

    assert all(FIRST in text and SECOND in text for text in told)
    assert "route consul, answered by 127.0.0.1:8600" in told[1]
    assert "complete" in shell.run("cat ~/.panteras-complete.bash")


@pytest.fixture
def newcomer() -> Iterator[Namespace]:
    """A machine with nothing on it, and none of its ports taken."""
    made = Namespace("newcomer")
    yield made
    made.delete()


def test_five_minutes(newcomer: Namespace, tmp_path: Path) -> None:
    page = "docs/five-minutes.md"
    (demo,) = commands(page, "Start it")
    address, ports = commands(page, "Ask for a service")
    (query,) = commands(page, "See who answered")
    suffixed, explain = commands(page, "Ask for something that is not there")
    log = tmp_path / "demo"
    with log.open("wb") as out:
        words = [*newcomer.prefix, *shlex.split(demo)]
        process = subprocess.Popen(words, cwd=ROOT, stdout=out, stderr=out, process_group=0)
    try:
        eventually(lambda: "stop with Ctrl-C" in log.read_text(), "the demo", within=60)
        told = [_locally(newcomer, line) for line in (address, ports, query, suffixed)]
        reason = _locally(newcomer, explain, status=1)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)

    assert re.search(r"\t0\tIN\tA\t10\.0\.1\.5", told[0]) and "31001" in told[1] and "answered by here" in told[2]
    assert "EDE: 15" in told[3] and "PAN104" in told[3] and "FAIL PAN104" in reason


def _locally(machine: Namespace, line: str, status: int = 0) -> str:
    words = [*machine.prefix, "sh", "-c", line]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_a_docker_host(asks_gateway: Shell, host: Namespace) -> None:
    page = "docs/docker-host.md"
    check, rehearse = commands(page, "Write down what it should do")
    query, getent, doctor = commands(page, "See that all is well")
    (toml,) = re.findall(r"^```toml\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    asks_gateway.put("/etc/panteras/panteras.toml", toml)
    routes = asks_gateway.run(check, host)
    assert answers(host)
    rehearsed = asks_gateway.run(rehearse, host)
    asks_gateway.run("rm /etc/panteras/panteras.toml")

    assert "10.0.0.53" in routes and routes.endswith("ok\n")
    assert rehearsed == "1 question, 0 answered otherwise\n"
    assert "answered by 127.0.0.1:8600" in asks_gateway.run(query, host)
    assert asks_gateway.run(getent, host).split()[0] in addresses.PYTHON1
    assert "ok   port 53" in asks_gateway.run(doctor, host)


def test_containers(asks_gateway: Shell, host: Namespace) -> None:
    page = "docs/containers.md"
    (one,) = commands(page, "Try it with one")
    (doctor,) = commands(page, "All containers of a host")
    (explain,) = commands(page, "What is in the way, perhaps")

    assert asks_gateway.run(one, host).split()[0] in addresses.PYTHON1
    assert "FAIL" not in asks_gateway.run(doctor, host)
    assert FIRST in asks_gateway.run(explain, host)


def test_a_laptop(asks_gateway: Shell, laptop: Namespace) -> None:
    asked, getent, curl = commands("docs/laptop.md", "See that it works")
    asks_gateway.put("/etc/resolv.conf", f"nameserver {addresses.HOST}\n")

    assert set(asks_gateway.run(asked, laptop).split()) == set(addresses.PYTHON1)
    assert asks_gateway.run(getent, laptop).split()[0] in addresses.PYTHON1
    assert asks_gateway.run(curl, laptop).startswith("python1 at ")


def test_datacenters(asks_gateway: Shell, consul: Consul, host: Namespace) -> None:
    page = "docs/datacenters.md"
    members, asked = commands(page, "Join them")
    (explain,) = commands(page, "When one is away")
    consul.register("web", FIRST)

    assert "box.dc1" in asks_gateway.run(members, host)
    assert asks_gateway.run(asked, host) == f"{FIRST}\n"
    assert "FAIL PAN205" in asks_gateway.run(explain, host, status=1)


def test_an_upgrade(
    shell: Shell, host: Namespace, docker: Docker, resolver: Resolver, registered: None, scratch: Path
) -> None:
    page = "docs/upgrade.md"
    version, check, doctor = commands(page, "Before")
    pip, again = commands(page, "In a virtual environment")
    (serve,) = commands(page, "Without losing a question")
    (toml,) = re.findall(r"^```toml\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    shell.put("/etc/panteras/panteras.toml", toml)
    shell.put("/etc/resolv.conf", f"nameserver {addresses.RESOLVER}\n")
    try:
        first = shell.start(serve, host, scratch / "manual-first.log", "ready: ")
        shell.put("/etc/resolv.conf", f"nameserver {addresses.DOCKER0}\n")
        assert "version" in shell.run(version, host) and shell.run(check, host).endswith("ok\n")
        shell.run(doctor, host)
        shell.run(pip)
        assert shell.run(again, host).endswith("ok\n")
        second = shell.start(serve, host, scratch / "manual-second.log", "ready: ")
        assert first.wait(within=10) == 0
        assert answers(host)
        assert second.stop() == 0
    finally:
        shell.run("rm /etc/panteras/panteras.toml")


def test_a_backup(identities: Shell, host: Namespace) -> None:
    page = "docs/backup.md"
    make, public = commands(page, "Once")
    (save,) = commands(page, "Each time somebody was let in or shut out")
    restore = commands(page, "Bring it back")
    (look,) = commands(page, "See that a backup is good")
    before = identities.run("cd /var/lib/panteras && find access -printf '%p %m %U %y\\n' | sort")
    for line in (make, public, save):
        identities.run(line, host)
    assert "access/index.db\n" in identities.run(look)
    assert b"SQLite" not in (identities.home / "access.tar.age").read_bytes()
    identities.run("rm -r /var/lib/panteras")
    told = [identities.run(line, host) for line in restore]

    assert "alice" in told[3]
    assert identities.run("cd /var/lib/panteras && find access -printf '%p %m %U %y\\n' | sort") == before


def test_troubleshooting(asks_gateway: Shell, identities: Shell, host: Namespace, broken: None) -> None:
    page = "docs/troubleshooting.md"
    explain, doctor = commands(page, "")
    compared = commands(page, "A name leads to an instance that is gone")
    (query,) = commands(page, "It is slow")
    who, ends = commands(page, "Somebody can't get in")
    asks_gateway.run("rm -rf alice-laptop")

    assert "FAIL PAN201" in asks_gateway.run(explain, host, status=1)
    assert "PAN532" in asks_gateway.run(doctor, host)  # the doors have a state, and nobody opened them
    for line in compared:
        assert set(re.findall(r"^10\.77\.9\.\d+", asks_gateway.run(line, host), re.MULTILINE)) == set(addresses.PYTHON1)
    assert "answered by 127.0.0.1:8600" in asks_gateway.run(query, host)
    assert "alice" in asks_gateway.run(who, host)
    asks_gateway.run(ends, host)


def test_what_is_going_on(asks_gateway: Shell, identities: Shell, host: Namespace, broken: None, scratch: Path) -> None:
    page = "docs/monitoring.md"
    once, as_json, replay = commands(page, "In a terminal")
    (tell,) = commands(page, "Who is connected")
    (ready,) = commands(page, "Paths")
    eventually(lambda: asks_gateway.run(f"{ready} --silent --fail; true", host), "an admin that is ready")
    asks_gateway.run("dig @127.0.0.1 web.service.consul", host)
    teller = identities.start(tell, host, scratch / "manual-tell.log", "")
    try:
        eventually(lambda: identities.run("cat /run/panteras/people.json; true"), "a file with people")
    finally:
        teller.stop()

    for line in (once, as_json):
        assert "web" in asks_gateway.run(f"{line} || test $? = 1", host)  # 1: something is wrong
    # Where nothing of that time is kept it says so, with status 3.
    asks_gateway.run(f"{replay} || [ $? = 1 -o $? = 3 ]", host)


def test_who_keeps_answers(asks_gateway: Shell, consul: Consul, host: Namespace) -> None:
    asked, getent = commands("docs/client-caches.md", "Who it is")
    assert re.search(rf"\t0\tIN\tA\t{FIRST}\n", asks_gateway.run(asked, host))
    assert FIRST in asks_gateway.run(getent, host)
    consul.deregister("python1", FIRST)

    for line in (asked, getent):
        told = asks_gateway.run(line, host)
        assert SECOND in told and FIRST not in told


def test_reasons(asks_gateway: Shell, host: Namespace, broken: None) -> None:
    page = "docs/reasons.md"
    plain, of_type, as_json, from_there = commands(page, "")
    all_of_it, strict, quick = commands(page, "This host")
    for line in (plain, of_type, as_json, from_there):
        assert "PAN201" in asks_gateway.run(line, host, status=1)

    assert asks_gateway.run(all_of_it, host)
    assert asks_gateway.run(strict.replace(" --strict", ""), host).startswith("{")
    assert asks_gateway.run(quick, host)


def test_something_is_wrong(asks_gateway: Shell, host: Namespace, broken: None) -> None:
    (explain,) = commands("README.md", "When something is wrong")

    assert "FAIL PAN201" in asks_gateway.run(explain, host, status=1)


def test_people_come_in(identities: Shell, host: Namespace) -> None:
    grant, kit = commands("README.md", "From a laptop or a phone on a VPN")
    for line in (grant, kit):
        identities.run(line, host)

    assert "sshuttle.conf" in identities.run("ls alice-laptop")
    assert "alice-phone.ovpn" in identities.run("ls alice-phone")


def test_a_vpn_without_docker(identities: Shell, gateway: Gateway, host: Namespace, scratch: Path) -> None:
    _apt, check, door = commands("openvpn/README.md", "On a host without docker")
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    rules = identities.run(check, host, status=1).strip().rpartition("; ")[2]  # docker is here, and its firewall
    identities.run(rules, host)
    try:
        identities.run(check, host)
        opened = identities.start(door, host, scratch / "manual-vpn.log", OPEN)
        assert opened.stop() == 0
    finally:
        identities.run(rules.replace(" -I ", " -D "), host)


def test_the_registrator(
    shell: Shell, host: Namespace, consul: Consul, docker: Docker, example_image: str, scratch: Path
) -> None:
    plain, tagged, listed, clear = commands("docs/registrator.md", "")
    docker.run("run", "--detach", "--publish", "8000", "--env", "SERVICE_NAME=web", example_image)
    first = shell.start(plain, host, scratch / "manual-registrator.log", " ready: ")
    consul.wait_for_passing("web", "127.0.0.1")
    told = shell.run(listed, host)
    first.stop()
    shell.run(clear, host)
    assert "web" in told and not consul.known()

    second = shell.start(tagged, host, scratch / "manual-registrator.log", " ready: ")
    consul.wait_for_passing("web", addresses.HOST)
    second.stop()
    assert [one["Tags"] for one in consul.known().values()] == [["blue"]]
    shell.run(clear, host)


def test_the_balancer(
    shell: Shell, host: Namespace, laptop: Namespace, consul: Consul, python1: list[Instance], scratch: Path
) -> None:
    plain, named, printed = commands("docs/balancer.md", "")
    for address in addresses.PYTHON1:
        definition = {"ID": f"web@{address}", "Name": "web", "Address": address, "Port": PORT, "Tags": ["http"]}
        consul.put("/v1/agent/service/register", definition)
    for line, name in ((plain, "web.service.consul"), (named, "web.apps.example.com")):
        running = shell.start(line, host, scratch / "manual-balancer.log", " ready: ")
        url = ("curl", "--silent", "--header", f"Host: {name}", f"http://{addresses.HOST}/")
        try:
            eventually(lambda url=url: laptop.run(*url).startswith("python1 at "), name)  # type: ignore[misc]
        finally:
            running.stop()
    shutil.copy(ROOT / "panteras_dns/box/templates/haproxy.cfg.j2", shell.home)

    told = shell.run(printed, host)
    assert told.startswith("# Written by `panteras balancer`") and "web" in told


def test_many_machines(shell: Shell) -> None:
    master, worker, _up = commands("docs/box.md", "Many machines")
    shell.run("mkdir many")
    told = {}
    for line in (master, worker):
        shell.run(f"cd many && {line}")
        told[line] = shell.run("cd many && docker compose config && rm compose.yaml")

    assert "-server" in told[master] and "-server" not in told[worker]
    assert f"-retry-join={addresses.HOST}" in told[worker]


@pytest.fixture
def empty_host(_engine: Docker, host: Namespace) -> Iterator[Namespace]:
    """A docker host with nothing on it but the engine, which is there meanwhile."""
    made = Namespace("manual")
    made.add_address(f"{addresses.HOST}/24")
    _engine.move(made.path)
    try:
        yield made
    finally:
        _engine.move(host.path)
        made.delete()


def test_the_box(
    shell: Shell, _engine: Docker, gateway_image: str, door_image: str, vpn_image: str, box_image: str, example_image: str,
    empty_host: Namespace, scratch: Path,
) -> None:  # fmt: skip
    export, up, down, init, grant, kit, with_ssh, all_down = commands("docs/box.md", "")
    for image, name in ((gateway_image, "dns"), (door_image, "sshd"), (vpn_image, "openvpn")):
        _engine.run("tag", image, f"panteras-{name}")
    if not _engine.attempt("images", "--quiet", compose.CONSUL_IMAGE):
        compose.consul_image(_engine, scratch)
    directory = scratch / "manual-box"
    box = compose.Compose(_engine, addresses.HOST, directory)
    shutil.copy(directory / "compose.yaml", shell.home)

    def run(line: str) -> None:
        print(shell.run(f"{export} && {line}", empty_host))

    try:
        run(up)
        asked = f"dig @{addresses.HOST} +tries=1 +time=1 +short {NAME} SRV | grep -c addr; true"
        eventually(lambda: shell.run(asked, empty_host) == "2\n", "two instances", within=60, every=0.5)
        run(down)
        for line in (init, grant, kit, with_ssh):
            run(line)
        assert (box.kits / "alice-laptop" / "sshuttle.conf").exists()
        eventually(lambda: "the SSH door is open" in box.run("logs", "sshd"), "an open door", within=60, every=1)
        run(all_down)
        assert not _engine.run("ps", "--quiet")
    finally:
        box.down()
