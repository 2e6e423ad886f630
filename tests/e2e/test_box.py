"""`docker compose up`, and people open pages by name: from a machine of the network, through SSH, over the VPN."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import compose
from lab.box import Crowd
from lab.browser import photograph, shown
from lab.compose import Compose
from lab.docker import Docker
from lab.door import PORT, Tunnel
from lab.manual import commands
from lab.namespace import Namespace, join
from lab.patience import eventually
from lab.vpn import Client

PUBLIC = "203.0.113.5"
IP, STAFF = "10.78.1.1", "10.78.1.2"
SSH_IP, SSH_LAPTOP = "10.78.2.1", "10.78.2.2"
VPN_IP, VPN_LAPTOP = "10.78.3.1", "10.78.3.2"
PAGE_1, PAGE_2 = "http://python1.service.consul/", "http://python2.service.consul/"
FRONT = "http://panteras.service.consul/"
ARTEFACTS = compose.ROOT / ".ci" / "artefacts"
IMAGES = {"panteras-dns": "gateway_image", "panteras-sshd": "door_image", "panteras-openvpn": "vpn_image"}


@pytest.fixture(scope="module")
def box_host() -> Iterator[Namespace]:
    """A docker host with nothing on it."""
    made = Namespace("box")
    made.add_address(f"{PUBLIC}/24")
    yield made
    made.delete()


def _laptop(role: str, host: Namespace, near: str, far: str) -> Namespace:
    made = Namespace(role)
    join(host, made, [f"{near}/24"], [f"{far}/24"])
    made.add_route("default", near)
    made.use_resolvers(near)
    return made


@pytest.fixture(scope="module")
def staff(box_host: Namespace) -> Iterator[Namespace]:
    """A machine of the same network: its way in is one line, `nameserver`."""
    made = _laptop("staff", box_host, IP, STAFF)
    yield made
    made.delete()


def _said() -> list[str]:
    return commands("README.md", "The whole box, with one command")


@pytest.fixture(scope="module")
def box(
    request: pytest.FixtureRequest,
    box_host: Namespace,
    staff: Namespace,
    host: Namespace,
    _engine: Docker,
    scratch: Path,
) -> Iterator[Compose]:
    """The box, started with one command; the engine of the lab is on this host meanwhile."""
    for name, fixture in IMAGES.items():
        _engine.run("tag", request.getfixturevalue(fixture), name)
    for fixture in ("box_image", "example_image"):
        request.getfixturevalue(fixture)
    compose.consul_image(_engine, scratch)
    _engine.move(box_host.path)
    # Docker takes its random ports from this range when it starts: what leaves the host must not take them.
    box_host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 32000")
    directory = scratch / "box"
    directory.mkdir()
    made = Compose(_engine, IP, directory)
    try:
        made.shell(_said()[0])
        yield made
        told = made.logs()
        print(told)
        assert "Traceback" not in told
    finally:
        made.down()
        _engine.move(host.path)


def fetched(laptop: Namespace, url: str) -> tuple[int, str]:
    """Status and text of a page, by its name, as this laptop finds it; 0 where nobody answers."""
    words = ["curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", url]
    text = subprocess.run([*laptop.prefix, *words], capture_output=True, text=True, timeout=30, check=False).stdout
    body, _, status = text.rpartition("\n")
    return int(status), body


def opens(laptop: Namespace, url: str, within: float = 30.0) -> str:
    return eventually(lambda: (found := fetched(laptop, url))[0] == 200 and found[1], url, within)  # type: ignore[return-value]


def instances(laptop: Namespace, url: str, count: int = 12) -> set[str]:
    return {fetched(laptop, url)[1].strip() for _ in range(count)}


def browse(laptop: Namespace, scratch: Path, way: str) -> None:
    """Both pages open by name in a browser, and both instances of each answer in turn."""
    profile = scratch / f"{way}-chromium"
    for page, name in ((PAGE_1, "python1"), (PAGE_2, "python2")):
        opens(laptop, page)
        eventually(lambda page=page: len(instances(laptop, page)) == 2, f"two instances of {name}")  # type: ignore[misc]
        assert f"<h1>{name}</h1>" in shown(laptop, page, profile)
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    photograph(laptop, PAGE_1, profile, ARTEFACTS / f"python1-{way}.png")
    assert (ARTEFACTS / f"python1-{way}.png").stat().st_size > 5000


def test_one_command_and_both_pages_open_with_both_of_their_instances(
    box: Compose, staff: Namespace, scratch: Path
) -> None:
    browse(staff, scratch, "nameserver")
    photograph(staff, FRONT, scratch / "nameserver-chromium", ARTEFACTS / "front-page.png")
    photograph(staff, FRONT, scratch / "nameserver-chromium", ARTEFACTS / "front-page-phone.png", "390,844")

    assert all((ARTEFACTS / f"front-page{kind}.png").stat().st_size > 5000 for kind in ("", "-phone"))


def test_the_commands_of_the_readme(box: Compose, staff: Namespace) -> None:
    _, dig, curl, scale = _said()
    opens(staff, PAGE_1)
    eventually(lambda: len(instances(staff, PAGE_1)) == 2, "two instances", within=30)
    places, page = (staff.run(*shlex.split(line.replace("10.0.0.5", IP))) for line in (dig, curl))
    box.shell(scale)
    eventually(lambda: len(instances(staff, PAGE_1, 20)) == 5, "five instances", within=30)
    box.up(scale={"python1": 2})
    eventually(lambda: len(instances(staff, PAGE_1)) == 2, "two instances", within=30)

    assert len(places.splitlines()) == 2
    assert page.startswith("python1 ")


def test_the_gateway_and_consul_itself_tell_the_same_places(
    box: Compose, box_host: Namespace, staff: Namespace
) -> None:
    asked = ("dig", "+short", "+tcp", "python1.service.consul", "SRV")
    ours = sorted(staff.run(*asked, f"@{IP}").splitlines())
    theirs = sorted(box_host.run(*asked, "@127.0.0.1", "-p", "8600").splitlines())

    assert len(ours) == 2 and ours == theirs
    assert all(line.split()[3].endswith(".consul.") for line in ours)


def test_nothing_of_it_listens_where_nobody_asked_for_it(box: Compose, box_host: Namespace) -> None:
    tcp, udp = ({line.split()[3] for line in box_host.run("ss", "-Hn", kind).splitlines()} for kind in ("-lt", "-lu"))

    assert not [place for place in tcp | udp if place.startswith(("0.0.0.0:", "*:", "[::]:", PUBLIC))]
    assert f"{IP}:80" in tcp and f"{IP}:53" in tcp & udp and f"{IP}:8500" not in tcp


def test_through_ssh_the_pages_open_by_name(box: Compose, box_host: Namespace, scratch: Path) -> None:
    far = _laptop("sshlaptop", box_host, SSH_IP, SSH_LAPTOP)
    if not (box.state / "door").exists():
        box.run("run", "--rm", "--no-TTY", "access", "init", "--network", f"{IP}/32")
    box.run("run", "--rm", "--no-TTY", "access", "grant", "sue", "--device", "laptop")
    box.run("run", "--rm", "--no-TTY", "access", "kit", "sue/laptop", "--gateway", f"{SSH_IP}:{PORT}")
    box.up("sshd")
    for rule in (("-p", "tcp", "--dport", str(PORT), "-j", "ACCEPT"), ("-j", "DROP")):
        box_host.run("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "sshlaptop", *rule)
    # The door's port is published on the box's own address alone: for this laptop it is forwarded there.
    box_host.run(*f"iptables -t nat -I PREROUTING -i sshlaptop -p tcp --dport {PORT} -j DNAT --to {IP}:{PORT}".split())
    try:
        tunnel = eventually(lambda: Tunnel(far, box.kits / "sue-laptop"), "a tunnel", within=40, every=1)
        try:
            browse(far, scratch, "ssh")
        finally:
            tunnel.stop()
        box.kill("sshd")
        again = eventually(lambda: Tunnel(far, box.kits / "sue-laptop"), "a tunnel", within=40, every=1)
        try:
            opens(far, PAGE_1)
        finally:
            again.stop()
    finally:
        far.delete()


def test_over_the_vpn_the_pages_open_by_name(box: Compose, box_host: Namespace, scratch: Path) -> None:
    far = _laptop("vpnlaptop", box_host, VPN_IP, VPN_LAPTOP)
    if not (box.state / "door").exists():
        box.run("run", "--rm", "--no-TTY", "access", "init", "--network", f"{IP}/32")
    box.run("run", "--rm", "--no-TTY", "access", "grant", "vera", "--device", "laptop", "--door", "vpn")
    box.run("run", "--rm", "--no-TTY", "access", "kit", "vera/laptop", "--gateway", VPN_IP)
    box.up("openvpn")
    box_host.run(*f"iptables -t nat -I PREROUTING -i vpnlaptop -p udp --dport 1194 -j DNAT --to {IP}:1194".split())
    for rule in (("-p", "udp", "--dport", "1194", "-j", "ACCEPT"), ("-j", "DROP")):
        box_host.run("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "vpnlaptop", *rule)
    profile = box.kits / "vera-laptop" / "vera-laptop.ovpn"
    client = Client(far, profile)
    try:
        client.connect(within=40)
        dns = next(line.split()[-1] for line in client.told.splitlines() if "dhcp-option DNS" in line)
        far.use_resolvers(dns)
        browse(far, scratch, "vpn")
        box.kill("openvpn")
        opens(far, PAGE_1, within=90)  # the client comes back by itself
    finally:
        client.stop()
        print(client.output, box.run("logs", "openvpn"))
        far.delete()


def test_from_docker_run_to_the_first_page_less_than_two_seconds(
    box: Compose, staff: Namespace, _engine: Docker
) -> None:
    def late(name: str) -> float:
        """Seconds from its start to its first page."""
        tags = ("--env", f"SERVICE_NAME={name}", "--env", "SERVICE_TAGS=http")
        _engine.run("create", "--name", name, "--publish", f"{IP}::8000", *tags, "panteras-example")
        begun = time.monotonic()
        _engine.run("start", name)
        opens(staff, f"http://{name}.service.consul/")
        took = time.monotonic() - begun
        _engine.run("rm", "--force", name)
        return took

    best = min(late(f"brand-new-{number}") for number in range(3))
    print(f"{best:.2f} s from its start to the first page")
    assert best < 2


def test_from_two_to_ten_to_one_without_a_failed_request(box: Compose, staff: Namespace, scratch: Path) -> None:
    opens(staff, PAGE_1)
    crowd = Crowd(staff, IP, "python1.service.consul", 200, scratch)
    box.up(scale={"python1": 10})
    eventually(lambda: len(instances(staff, PAGE_1, 40)) == 10, "ten instances", within=30)
    box.up(scale={"python1": 1})
    eventually(lambda: len(instances(staff, PAGE_1)) == 1, "one instance", within=30)
    time.sleep(1)
    told = crowd.leave()
    box.up(scale={"python1": 2})

    print(told)
    assert told["failed"] == {}
    assert len(told["pages"]) == 10 and told["done"] > 500


@pytest.mark.parametrize("service", ["registrator", "balancer", "dns", "haproxy", "consul"])
def test_a_killed_part_holds_up_nobody_else_and_all_is_right_again_by_itself(
    box: Compose, staff: Namespace, _engine: Docker, scratch: Path, service: str
) -> None:
    opens(staff, PAGE_1)
    eventually(lambda: len(instances(staff, PAGE_1)) == 2, "two instances", within=30)
    crowd = Crowd(staff, IP, "python1.service.consul", 100, scratch)  # by address: pages, whatever names do
    box.kill(service)
    time.sleep(1)
    told = crowd.leave()

    if service != "haproxy":
        assert told["failed"] == {} and told["done"] > 50, told
    opens(staff, PAGE_1, within=30)
    name = f"after-{service}"
    _engine.run(
        "run",
        "--detach",
        "--name",
        name,
        "--publish",
        f"{IP}::8000",
        "--env",
        f"SERVICE_NAME={name}",
        "--env",
        "SERVICE_TAGS=http",
        "panteras-example",
    )
    try:
        opens(staff, f"http://{name}.service.consul/", within=40)
        eventually(lambda: len(instances(staff, PAGE_1)) == 2, "two instances", within=30)
    finally:
        _engine.run("rm", "--force", name)


def test_the_front_page_knows_everything_that_is_here(box: Compose, staff: Namespace) -> None:
    def known() -> dict[str, Any]:
        return json.loads(opens(staff, f"{FRONT}services.json"))  # type: ignore[no-any-return]

    def everything() -> bool:
        told = known()
        names = {one["name"]: one["passing"] for one in told["services"]}
        return told["problem"] == "" and {"python1": 2, "python2": 2, "panteras": 1}.items() <= names.items()

    eventually(everything, "what is here", within=30)  # Consul was killed a moment ago, and elects itself first
