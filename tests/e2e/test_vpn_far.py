"""The VPN door outside of a container, on a host of its own: who may not come in, the days ahead, IPv6, narrow paths."""

import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509 as names
from lab import addresses
from lab.consul import Consul
from lab.door import attempt
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.instance import PORT as PAGES
from lab.instance import Instance
from lab.namespace import Namespace
from lab.patience import eventually
from lab.process import Process
from lab.vpn import Client, Identities, Program

from panteras_dns.access.vpn import x509

HOST = addresses.VPN_HOST
DNS = addresses.VPN_DNS
NAME = "python1.service.consul"
URL = f"http://{addresses.PYTHON1[0]}:{PAGES}/"
DAY = 86_400


def in_days(days: int) -> Sequence[str]:
    """What makes a program live so many days ahead."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return ("env", f"LD_PRELOAD={library}", f"FAKETIME=+{days}d")


@pytest.fixture(scope="module")
def identities(host: Namespace, vpn_host: Namespace, scratch: Path) -> Identities:
    directory = scratch / "far"
    directory.mkdir(mode=0o755)
    return Identities(directory, addresses.HOST_INSIDE, "--network", addresses.SERVICES)


@pytest.fixture
def services(gateway: Gateway, consul: Consul, python1: list[Instance]) -> None:
    """python1 is registered, and has its names."""
    consul.register("python1", *addresses.PYTHON1, port=PAGES)


@pytest.fixture
def run(services: None, vpn_host: Namespace, scratch: Path) -> Iterator[Callable[..., Program]]:
    opened: list[Program] = []

    def start(identities: Identities, *before: str) -> Program:
        opened.append(Program(identities, vpn_host, scratch / "far", *before))
        return opened[-1]

    yield start
    for one in opened:
        status = one.stop()
        print(one.output, one.errors)
        assert (status, "Traceback" in one.errors) == (0, False)
    assert "panteras_vpn" not in vpn_host.run("nft", "list", "tables"), "the firewall is not taken down"


@pytest.fixture
def connect(far_laptop: Namespace) -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def start(profile: Path, *options: str, before: Sequence[str] = ()) -> Client:
        opened.append(Client(far_laptop, profile, *options, before=before))
        return opened[-1]

    yield start
    for one in opened:
        one.stop()
        print(one.output, one.errors)


def fetch(laptop: Namespace, url: str = URL) -> str:
    return attempt(laptop, Path("/"), "curl", "-sS", "-m", "20", url).stdout


def test_a_client_gets_to_another_host_of_the_company_by_name(
    run: Callable[..., Program], connect: Callable[..., Client], identities: Identities, far_laptop: Namespace
) -> None:
    door = run(identities)
    client = connect(identities.profile("walker", HOST)).connect()

    name = far_laptop.run("dig", "+short", f"@{DNS}", NAME)
    page = fetch(far_laptop)
    client.stop()

    assert "10.77.9." in name
    assert page.startswith("python1 at ")
    eventually(lambda: [one["event"] for one in door.audit()] == ["begin", "end"], "the end in the audit")
    assert door.audit()[-1]["bytes"] > len(page)


def test_a_profile_is_good_under_any_name(
    run: Callable[..., Program], connect: Callable[..., Client], identities: Identities
) -> None:
    run(identities)
    profile = identities.profile("renamer", HOST)

    connect(profile.rename(profile.with_name("work vpn (new).ovpn"))).connect()


Forge = Callable[[str, x509.Authority], tuple[bytes, bytes]]


def _section(profile: str, name: str, text: bytes) -> str:
    return re.sub(rf"<{name}>.*</{name}>", f"<{name}>\n{text.decode().strip()}\n</{name}>", profile, flags=re.DOTALL)


def _certificate(identities: Identities, own_ca: bool, purpose: names.ObjectIdentifier, days: range) -> Sequence[bytes]:
    """A certificate that nobody was granted, and its key."""
    now, key = int(time.time()), x509.new_key()
    ca_key, ca = (identities.state / "vpn_ca.key").read_bytes(), (identities.state / "vpn/ca.crt").read_bytes()
    if not own_ca:
        other = x509.new_key()
        ca_key, ca = x509.key_as_pem(other), x509.new_authority(other, "PanteraS VPN CA", 7, now - DAY, now + DAY)
    said = x509.Statement(
        "forged/laptop", names.DNSName("forged"), purpose, 4711, now + days.start * DAY, now + days.stop * DAY
    )
    certificate = x509.Authority(ca_key, None, ca, "here").certify(said, key.public_key())
    return certificate, x509.key_as_pem(key)


@pytest.mark.parametrize(
    ("own_ca", "purpose", "days", "reason"),
    [
        (False, x509.CLIENT, range(-1, 9), "VERIFY ERROR: depth=0, error=unable to get local issuer certificate"),
        (True, x509.CLIENT, range(-9, -1), "VERIFY ERROR: depth=0, error=certificate has expired"),
        (True, x509.CLIENT, range(1, 9), "VERIFY ERROR: depth=0, error=certificate is not yet valid"),
        (True, x509.SERVER, range(-1, 9), "VERIFY ERROR: depth=0, error=unsuitable certificate purpose"),
        (True, x509.CLIENT, range(-1, 9), "certificate 4711 is not of this door: nobody was granted it here"),
    ],
    ids=["another CA", "expired", "not yet valid", "for a server", "granted to nobody"],
)
def test_a_certificate_that_is_not_good_opens_nothing(
    run: Callable[..., Program],
    connect: Callable[..., Client],
    identities: Identities,
    own_ca: bool,
    purpose: names.ObjectIdentifier,
    days: range,
    reason: str,
) -> None:
    door = run(identities)
    profile = identities.profile(f"forger-{abs(hash(reason)) % 10**6}", HOST)
    certificate, key = _certificate(identities, own_ca, purpose, days)
    profile.write_text(_section(_section(profile.read_text(), "cert", certificate), "key", key))

    client = connect(profile)

    eventually(lambda: reason in door.errors + door.output, reason, within=20)
    client.stop()
    assert "Initialization Sequence Completed" not in client.output


def test_a_client_can_not_pose_as_the_server(
    vpn_host: Namespace, connect: Callable[..., Client], identities: Identities, scratch: Path
) -> None:
    profile = identities.profile("poser", HOST)
    text = profile.read_text()
    own = "\n".join(re.search(rf"<{name}>.*</{name}>", text, re.DOTALL)[0] for name in ("ca", "cert", "key"))  # type: ignore[index]
    rogue = scratch / "rogue.conf"
    # The wrapping key alone a client does not have: given here, so that the certificate is what is tried.
    rogue.write_text(
        f"port 1195\nproto udp\ndev rogue\ndev-type tun\nserver 10.98.0.0 255.255.255.0\ntopology subnet\ndh none\n"
        f"tls-crypt-v2 {identities.state}/vpn/tls-crypt-v2.key\n{own}\n"
    )
    server = Process(["openvpn", "--config", str(rogue)], scratch / "rogue.log", vpn_host)
    try:
        eventually(lambda: "Initialization Sequence Completed" in server.output, "a rogue server")
        profile.write_text(text.replace(f"remote {HOST} 1194 udp", f"remote {HOST} 1195 udp"))
        client = connect(profile)
        eventually(lambda: "VERIFY" in client.output and "ERROR" in client.output, "a client that sees through it")
    finally:
        server.stop()

    assert "VERIFY ERROR: depth=0, error=unsuitable certificate purpose: CN=poser/laptop" in client.output
    assert "Initialization Sequence Completed" not in client.output


def test_the_server_s_certificate_is_renewed_without_touching_profiles(
    run: Callable[..., Program], connect: Callable[..., Client], identities: Identities, far_laptop: Namespace
) -> None:
    profile = identities.profile("keeper", HOST)
    before = (identities.state / "vpn/server.crt").read_bytes()
    told = identities.access("renew", "gateway:")

    run(identities)
    connect(profile).connect()

    assert "the VPN door's certificate is good until" in told
    assert (identities.state / "vpn/server.crt").read_bytes() != before
    assert fetch(far_laptop).startswith("python1 at ")


def test_half_a_year_later_everybody_comes_in_whose_certificate_is_good(
    run: Callable[..., Program], connect: Callable[..., Client], identities: Identities, far_laptop: Namespace
) -> None:
    profile = identities.profile("yearly", HOST, "--days", "365")
    identities.access("grant", "gone")
    identities.access("revoke", "gone")  # so that there is a list which could have expired

    run(identities, *in_days(180))
    connect(profile, before=in_days(180)).connect()

    assert fetch(far_laptop).startswith("python1 at ")


def test_400_days_later_only_those_are_out_who_were_not_renewed(
    run: Callable[..., Program], connect: Callable[..., Client], identities: Identities, far_laptop: Namespace
) -> None:
    old = identities.profile("forgetful", HOST, "--days", "365")
    renewed = identities.profile("careful", HOST, "--days", "365")
    identities.access("renew", "careful", "--days", "365", prefix=in_days(300))
    out = renewed.parent.with_name("careful-2")
    identities.access("kit", "careful/laptop", "--gateway", HOST, "--out", str(out), prefix=in_days(300))
    renewed = out / renewed.name

    door = run(identities, *in_days(400))
    late = connect(old, before=in_days(400))
    eventually(lambda: "certificate has expired" in door.errors, "a refusal")
    late.stop()
    connect(renewed, before=in_days(400)).connect()

    assert fetch(far_laptop).startswith("python1 at ")
    assert "Initialization Sequence Completed" not in late.output


def test_what_ends_is_said_from_60_days_ahead_with_the_command_that_renews(
    run: Callable[..., Program], identities: Identities, vpn_host: Namespace
) -> None:
    quiet = identities.attempt("status", "--json", prefix=in_days(750)).stdout
    door = run(identities, *in_days(770))
    eventually(lambda: "the VPN door's certificate ends on" in door.errors, "a warning in the log")
    words = ("health", "vpn", "--run", str(door.directory / "run"))
    health = identities.access(*words, prefix=(*vpn_host.prefix, *in_days(770)))
    told = identities.attempt("status", "--json", prefix=in_days(770))

    renew = "run: panteras access renew gateway:"
    assert "VPN door's certificate" not in quiet
    assert f"in 54 days; {renew}" in door.errors
    assert health.startswith("0 connected, names come; the VPN door's certificate ends on ")
    assert health.endswith(f"in 54 days; {renew}\n")
    assert (told.returncode, '"the VPN door\'s certificate"' in told.stdout) == (1, True)


@pytest.mark.parametrize("mtu", [1400, 1280])
def test_whole_pages_pass_a_narrow_path(
    run: Callable[..., Program],
    connect: Callable[..., Client],
    identities: Identities,
    vpn_host: Namespace,
    far_laptop: Namespace,
    scratch: Path,
    mtu: int,
) -> None:
    page = scratch / addresses.PYTHON1[0] / "large"
    page.write_bytes(b"x" * 3_000_000)
    run(identities)
    profile = identities.profile(f"narrow-{mtu}", HOST)
    try:
        for end, device in ((vpn_host, "far"), (far_laptop, "vpnhost")):
            end.run("ip", "link", "set", device, "mtu", str(mtu))
        connect(profile).connect()
        found = fetch(far_laptop, f"{URL}large")
        over_tcp = far_laptop.run("dig", "+short", "+tcp", f"@{DNS}", NAME)
    finally:
        for end, device in ((vpn_host, "far"), (far_laptop, "vpnhost")):
            end.run("ip", "link", "set", device, "mtu", "1500")

    assert len(found) == 3_000_000
    assert "10.77.9." in over_tcp


def test_ipv6_goes_outside_and_inside_of_the_tunnel(
    run: Callable[..., Program],
    connect: Callable[..., Client],
    host: Namespace,
    vpn_host: Namespace,
    far_laptop: Namespace,
    consul: Consul,
    scratch: Path,
) -> None:
    directory = scratch / "six"
    directory.mkdir(mode=0o755)
    networks = ("--network", addresses.SERVICES, "--network", addresses.SERVICES_6)
    identities = Identities(directory, addresses.HOST_INSIDE, *networks)
    instance = Instance(host, addresses.PYTHON1_6, scratch)
    try:
        run(identities)
        consul.register("python6", addresses.PYTHON1_6, port=PAGES)
        client = connect(identities.profile("sixer", addresses.VPN_HOST_6, "--services", "python6")).connect()
        name = far_laptop.run("dig", "+short", "AAAA", f"@{DNS}", "python6.service.consul")
        page = fetch(far_laptop, f"http://[{addresses.PYTHON1_6}]:{PAGES}/")
        closed = fetch(far_laptop)
    finally:
        instance.stop()

    assert f"UDPv6 link remote: [AF_INET6]{addresses.VPN_HOST_6}:1194" in client.output
    assert name == f"{addresses.PYTHON1_6}\n"
    assert page == f"python1 at {addresses.PYTHON1_6}\n"
    assert closed == ""


def test_a_full_tunnel_takes_everything_along(
    run: Callable[..., Program], connect: Callable[..., Client], far_laptop: Namespace, scratch: Path
) -> None:
    directory = scratch / "full"
    directory.mkdir(mode=0o755)
    identities = Identities(directory, addresses.HOST_INSIDE, "--network", addresses.SERVICES, "--tunnel", "full")
    far_laptop.add_route("default", HOST)
    run(identities)
    try:
        client = connect(identities.profile("full", HOST)).connect()
        routes = [far_laptop.run("ip", "route", "get", one) for one in ("192.0.2.1", "198.51.100.9")]
        routes.append(far_laptop.run("ip", "-6", "route", "get", "2001:db8::1"))
        page = fetch(far_laptop)
        client.stop()
    finally:
        far_laptop.run("ip", "route", "del", "default")

    assert all("dev tun0" in route for route in routes), routes
    assert page.startswith("python1 at ")


def test_who_was_revoked_elsewhere_has_to_go(
    run: Callable[..., Program], connect: Callable[..., Client], identities: Identities
) -> None:
    door = run(identities)
    profile = identities.profile("short", HOST)
    client = connect(profile).connect()
    (listed,) = [path for path in (identities.state / "vpn/roster").iterdir() if '"short"' in path.read_text()]
    serial = identities.state / "vpn/revoked" / listed.name

    serial.touch(mode=0o644)  # as another host's revoke, that can't ask this OpenVPN, would bring it here

    eventually(lambda: not client.running, "the end of the session", within=5)
    assert "('your access was revoked')" in client.output
    assert "short/laptop had to go: your access was revoked" in door.errors


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('pool = "10.99.0.0/23"', "pool: 10.77.5.0/24 overlaps with 10.77.5.0/24 of far"),
        ('dns = "10.77.4.1"', "the DNS at 10.77.4.9 does not answer"),
    ],
)
def test_settings_that_can_not_work_are_said_before_the_door_opens(
    services: None, identities: Identities, vpn_host: Namespace, scratch: Path, change: str, reason: str
) -> None:
    copy = scratch / f"far-{abs(hash(change)) % 10**6}"
    shutil.copytree(identities.state, copy, ignore=shutil.ignore_patterns("*.sock"))
    settings = copy / "vpn/vpn.toml"
    other = change.replace("10.99.0.0/23", "10.77.5.0/24").replace("10.77.4.1", "10.77.4.9")
    settings.write_text(settings.read_text().replace(change, other))
    words = ["access", "door", "vpn", "--check", "--user", "nobody", "--state", str(copy)]

    done = attempt(vpn_host, copy, "env", "-C", "/", *panteras(*words))

    assert done.returncode == 1
    assert reason in done.stderr


def test_a_firewall_that_drops_what_is_forwarded_is_named_with_the_rules_that_let_it_through(
    services: None, run: Callable[..., Program], identities: Identities, vpn_host: Namespace
) -> None:
    vpn_host.run("iptables", "-P", "FORWARD", "DROP")
    try:
        words = panteras("access", "door", "vpn", "--check", "--user", "nobody", "--state", str(identities.state))
        closed = attempt(vpn_host, Path("/"), *words)
        remedy = closed.stderr.partition("what nobody lets through; ")[2].strip()
        vpn_host.run("sh", "-c", remedy)
        opened = attempt(vpn_host, Path("/"), *words)
    finally:
        vpn_host.run("iptables", "-F", "FORWARD")
        vpn_host.run("iptables", "-P", "FORWARD", "ACCEPT")

    assert (closed.returncode, opened.returncode) == (1, 0), closed.stderr + opened.stderr
    assert remedy.startswith("iptables -I FORWARD -i vpn-udp -j ACCEPT")
