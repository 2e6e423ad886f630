"""The VPN door in its container: from a laptop that reaches two ports, to a page by its name, and no further."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import addresses
from lab.browser import shown
from lab.consul import Consul
from lab.docker import Docker
from lab.door import attempt
from lab.gateway import Gateway
from lab.instance import PORT as PAGES
from lab.instance import Instance
from lab.namespace import Namespace
from lab.patience import eventually
from lab.process import Process
from lab.resolver import WWW_ADDRESS
from lab.vpn import FORWARDING, OPEN, RIGHTS, TUN, Client, Container, Identities

NAME = "python1.service.consul"
HOST = addresses.ROAMED_HOST
DNS = addresses.VPN_DNS


@pytest.fixture(scope="module")
def identities(host: Namespace, scratch: Path) -> Identities:
    directory = scratch / "vpn"
    directory.mkdir(mode=0o755)
    return Identities(directory, addresses.DOCKER0, "--network", addresses.SERVICES)


@pytest.fixture
def closed(identities: Identities, docker: Docker, vpn_image: str) -> Container:
    return Container(identities, docker, vpn_image)


@pytest.fixture
def door(closed: Container, gateway: Gateway, consul: Consul, python1: list[Instance]) -> Iterator[Container]:
    """The container, open; python1 is registered."""
    consul.register("python1", *addresses.PYTHON1, port=PAGES)
    closed.create()
    eventually(lambda: OPEN in closed.logs(), "an open VPN door", within=15)
    yield closed
    told = closed.logs()
    print(told)
    assert "Traceback" not in told


@pytest.fixture
def connect(roamer: Namespace) -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def start(profile: Path, *options: str) -> Client:
        opened.append(Client(roamer, profile, *options))
        return opened[-1].connect()

    yield start
    for one in opened:
        one.stop()
        print(one.output, one.errors)


def page(roamer: Namespace, profile: Path, url: str) -> "subprocess.CompletedProcess[str]":
    return attempt(roamer, profile.parent, "curl", "-sS", "-m", "5", url)


def resolver(roamer: Namespace, scratch: Path, domain: str, dns: str) -> Process:
    """What a laptop with split DNS does: *domain* to *dns*, all else to its own; that one knows www.example alone."""
    words = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root", "--bind-interfaces"]
    words += ["--listen-address=127.0.0.1", f"--server=/{domain}/{dns}", "--address=/www.example/192.0.2.7"]
    roamer.use_resolvers("127.0.0.1")
    return Process([*words, f"--pid-file={scratch}/roamer.pid"], scratch / "roamer-dns.log", roamer)


def sent(roamer: Namespace) -> int:
    """Packets that went into the tunnel."""
    return int(roamer.run("cat", "/sys/class/net/tun0/statistics/tx_packets"))


def beside(roamer: Namespace) -> str:
    """The answer for a name of others; "" if anything went into the tunnel meanwhile, as the kernel's own now and then."""
    packets = sent(roamer)
    found = roamer.run("dig", "+short", "www.example")
    return found if sent(roamer) == packets else ""


def test_a_profile_leads_to_the_page_by_its_name_and_takes_no_other_names_along(
    door: Container, connect: Callable[..., Client], roamer: Namespace, scratch: Path
) -> None:
    profile = door.identities.profile("alice", HOST)
    before = page(roamer, profile, f"http://{addresses.PYTHON1[0]}:{PAGES}/")
    client = connect(profile)
    told = client.told
    own = resolver(roamer, scratch, "consul", DNS)
    try:
        eventually(lambda: "10.77.9." in attempt(roamer, scratch, "dig", "+short", "+time=1", NAME).stdout, "the name")
        fetched = page(roamer, profile, f"http://{NAME}:{PAGES}/")
        me = roamer.run("dig", "+short", "TXT", "me.access.consul")
        other = eventually(lambda: beside(roamer), "another name, asked beside the tunnel")
        dom = shown(roamer, f"http://{NAME}:{PAGES}/", scratch / "vpn-browser")
    finally:
        own.stop()

    assert before.returncode
    assert fetched.stdout.startswith("python1 at 10.77.9."), fetched.stderr
    assert "python1 at 10.77.9." in dom
    assert "identity=alice device=laptop door=vpn" in me
    assert other == "192.0.2.7\n"
    pushed = [line.partition("=")[2] for line in told.splitlines() if line.startswith("foreign_option_")]
    assert sorted(pushed) == [f"dhcp-option DNS {DNS}", "dhcp-option DOMAIN consul", "dhcp-option DOMAIN-ROUTE consul"]
    assert f"dns server 0 address {DNS}" in client.output
    assert "dns server 0 resolve-domains consul" in client.output
    (session,) = door.identities.sessions()
    assert (session["identity"], session["device"], session["door"]) == ("alice", "laptop", "vpn")
    assert session["address"] == "10.99.0.2"


def test_the_dns_of_the_tunnel_answers_everything_for_clients_that_know_no_split(
    door: Container, connect: Callable[..., Client], roamer: Namespace
) -> None:
    connect(door.identities.profile("unsplit", HOST))

    over_udp = roamer.run("dig", "+short", f"@{DNS}", "www.example")
    over_tcp = roamer.run("dig", "+short", "+tcp", f"@{DNS}", "www.example")

    assert over_udp == over_tcp == f"{WWW_ADDRESS}\n"


def test_where_nothing_but_tcp_gets_out_the_profile_goes_over_tcp(
    door: Container, connect: Callable[..., Client], host: Namespace, roamer: Namespace
) -> None:
    profile = door.identities.profile("hostile", HOST)
    rule = ("PREROUTING", "-i", "roamer", "-p", "udp", "--dport", "1194", "-j", "DROP")
    host.run("iptables", "-t", "raw", "-I", *rule)
    try:
        client = connect(profile)
        fetched = page(roamer, profile, f"http://{addresses.PYTHON1[0]}:{PAGES}/")
        name = roamer.run("dig", "+short", f"@{addresses.VPN_DNS_TCP}", NAME)
    finally:
        host.run("iptables", "-t", "raw", "-D", *rule)

    assert "TCPv4_CLIENT link remote: [AF_INET]10.77.3.1:443" in client.output
    assert fetched.stdout.startswith("python1 at ")
    assert "10.77.9." in name


def test_an_identity_reaches_the_instances_of_its_services_alone(
    door: Container, connect: Callable[..., Client], consul: Consul, roamer: Namespace
) -> None:
    one, other = addresses.PYTHON1
    consul.deregister("python1", other)
    consul.register("secret", other, port=PAGES)
    profile = door.identities.profile("limited", HOST, "--services", "python*")
    connect(profile)

    unnamed = page(roamer, profile, f"http://{one}:{PAGES}/")
    roamer.run("dig", "+short", f"@{DNS}", NAME)
    named = page(roamer, profile, f"http://{one}:{PAGES}/")
    roamer.run("dig", "+short", f"@{DNS}", "secret.service.consul")
    secret = page(roamer, profile, f"http://{other}:{PAGES}/")
    consul.deregister("secret", other)
    consul.register("python1", other, port=PAGES)
    eventually(lambda: not page(roamer, profile, f"http://{other}:{PAGES}/").returncode, "the new instance", within=5)
    consul.deregister("python1", one)
    eventually(lambda: page(roamer, profile, f"http://{one}:{PAGES}/").returncode, "the end of the old one", within=5)

    assert unnamed.returncode, "a place that nobody resolved was open"
    assert named.stdout == f"python1 at {one}\n"
    assert secret.returncode


def test_who_is_revoked_is_out_within_a_second_also_while_loading(
    door: Container, connect: Callable[..., Client], roamer: Namespace, scratch: Path
) -> None:
    profile = door.identities.profile("mallory", HOST)
    client = connect(profile)
    big = scratch / addresses.PYTHON1[0] / "vpn-big"
    with big.open("wb") as file:
        file.truncate(2_000_000_000)
    loaded = scratch / "vpn-loaded"
    url = f"http://{addresses.PYTHON1[0]}:{PAGES}/vpn-big"
    download = subprocess.Popen(
        [*roamer.prefix, "curl", "-s", "--limit-rate", "10M", "-o", str(loaded), url], stderr=subprocess.DEVNULL
    )
    eventually(lambda: loaded.exists() and loaded.stat().st_size > 0, "a download under way")
    began = time.monotonic()

    done = json.loads(door.identities.access("revoke", "mallory", "--json"))

    took = time.monotonic() - began
    size = loaded.stat().st_size
    eventually(lambda: not client.running, "the end of the client")
    download.terminate()
    download.wait(10)
    again = Client(roamer, profile)
    try:
        eventually(lambda: "is revoked" in door.logs(), "OpenVPN's own refusal, as it gave up root")
    finally:
        again.stop()
    assert (done["sessions_ended"], done["proved"]) == (1, True)
    assert done["seconds"] < 1
    assert took < 10, "with the start of Python on a busy machine"
    assert len(done["serials"]) == 2, "both doors are shut"
    assert loaded.stat().st_size < size + 50_000_000 < big.stat().st_size
    assert "('your access was revoked')" in client.output
    assert "Initialization Sequence Completed" not in again.output
    assert [one["event"] for one in door.audit() if one.get("identity") == "mallory"] == ["begin", "end"]


def test_two_devices_of_a_person_do_not_push_each_other_out(
    door: Container, connect: Callable[..., Client], roamer: Namespace
) -> None:
    first = connect(door.identities.profile("anna", HOST))
    door.identities.access("grant", "anna/phone", "--door", "vpn")
    second = connect(door.identities.kit("anna/phone", HOST, "anna-phone") / "anna-phone.ovpn", "--dev", "tun1")

    eventually(lambda: len(door.identities.sessions()) == 2, "two sessions")
    assert first.running
    assert second.running


def test_the_container_has_few_rights_and_knows_that_it_is_well(
    door: Container, connect: Callable[..., Client], docker: Docker
) -> None:
    connect(door.identities.profile("health", HOST))
    healthy = "{{.State.Health.Status}}"
    eventually(lambda: docker.run("inspect", "--format", healthy, door.id) == "healthy", "healthy", within=30)
    script = (
        "for p in /proc/[0-9]*; do c=$(cat $p/comm); grep -E '^(CapEff|NoNewPrivs|Uid)' $p/status | sed s/^/$c:/; done"
    )

    told = docker.run("exec", door.id, "sh", "-c", script)

    rights = {tuple(line.split()[:2]) for line in told.splitlines() if line.startswith("openvpn:")}
    assert rights == {
        *(("openvpn:Uid:", "10023"), ("openvpn:NoNewPrivs:", "1")),
        ("openvpn:CapEff:", f"{1 << 12:016x}"),  # NET_ADMIN alone
    }
    eventually(
        lambda: "connected, names come" in docker.run("inspect", "--format", "{{json .State.Health.Log}}", door.id),
        "a reason for its health",
    )
    health = ("exec", door.id, "panteras", "access", "health", "vpn")
    eventually(lambda: docker.run(*health) == "1 connected, names come", "one who is connected", within=15, every=0.5)


WHOLE = (*RIGHTS, *TUN, *FORWARDING)


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        (
            (*RIGHTS, *FORWARDING),
            "/dev/net/tun: No such file or directory; run the container with --device /dev/net/tun",
        ),
        (("--cap-drop", "ALL", *TUN, *FORWARDING), "run the container with --cap-add NET_ADMIN"),
        ((*RIGHTS, *TUN, "--sysctl", "net.ipv4.ip_forward=0"), "run the container with --sysctl net.ipv4.ip_forward=1"),
        (
            (*WHOLE, "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"),
            "port 443/tcp: not allowed; run the container",
        ),
    ],
    ids=["tun", "NET_ADMIN", "forwarding", "ports"],
)
def test_what_is_missing_is_said_with_its_remedy(
    closed: Container, docker: Docker, gateway: Gateway, rights: tuple[str, ...], reason: str
) -> None:
    container = closed.create(rights=rights)

    assert docker.run("wait", container) == "1"
    assert reason in closed.logs()


def test_the_door_stays_closed_while_the_dns_is_silent(closed: Container, docker: Docker) -> None:
    container = closed.create()

    assert docker.run("wait", container) == "1"
    assert "the DNS at 172.17.0.1 does not answer" in closed.logs()
    assert "is panteras serve running on the docker host" in closed.logs()
