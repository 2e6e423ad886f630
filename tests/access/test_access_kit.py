"""What a person gets: complete, closed to others, and read by the programs it is for."""

import ipaddress
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from household import Household

from panteras_dns.access import kit
from panteras_dns.access.kit import Gateway
from panteras_dns.access.trouble import Misuse

FILES = [
    *("README.md", "id", "id-cert.pub", "known_hosts", "panteras-tunnel.service", "split-dns-dnsmasq.conf"),
    *("split-dns-macos", "split-dns-systemd-resolved", "ssh_config", "sshuttle-split.conf", "sshuttle.conf"),
]


@pytest.fixture
def home(tmp_path) -> Household:
    return Household(tmp_path).begin()


def a_kit(home: Household, *options: str, gateway: str = "gw.example.com:2222") -> Path:
    out = home.vault.root.parent / "kit"
    home.run("kit", "alice", "--gateway", gateway, "--out", str(out), *options)
    return out


def arguments(file: Path) -> list[str]:
    """As sshuttle reads it: one a line, without remarks."""
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def test_a_kit_is_complete_and_its_owner_s_alone(home):
    home.run("grant", "alice")

    out = a_kit(home)

    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
    assert out.stat().st_mode & 0o777 == 0o700
    assert not [path.name for path in out.iterdir() if "$" in path.read_text().replace("$P", "")]


def test_the_nets_cover_the_services_and_the_dns(home):
    home.run("grant", "alice")

    out = a_kit(home)
    whole, split = (arguments(out / file) for file in ("sshuttle.conf", "sshuttle-split.conf"))

    assert whole == [
        *("--dns", "--ssh-cmd=ssh -F ssh_config", "--remote=tunnel@gw.example.com:2222", "--exclude=gw.example.com"),
        *("--latency-buffer-size=65536", "10.1.0.0/16"),
    ]
    assert split == ["--ns-hosts=10.1.0.1", *whole[1:]]


def test_a_dns_outside_of_the_networks_is_tunnelled_too(tmp_path):
    home = Household(tmp_path)
    home.run("init", "--network", "10.1.0.0/16", "--dns", "172.30.0.1")
    home.run("grant", "alice")

    assert arguments(a_kit(home) / "sshuttle.conf")[-2:] == ["10.1.0.0/16", "172.30.0.1/32"]


def test_networks_are_handed_out_and_never_the_names_of_services(home):
    home.run("grant", "alice", "--services", "web")

    for line in arguments(a_kit(home) / "sshuttle.conf"):
        assert line.startswith("--") or ipaddress.ip_network(line)


def test_openssh_reads_the_configuration_as_it_is_meant(home):
    home.run("grant", "alice")
    out = a_kit(home)

    done = subprocess.run(
        ["ssh", "-G", "-F", "ssh_config", "gw.example.com"], cwd=out, capture_output=True, text=True, check=True
    )

    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    wanted = {
        "user": "tunnel", "port": "2222", "hostkeyalias": "panteras-gateway", "stricthostkeychecking": "true",
        "identitiesonly": "yes", "controlmaster": "false", "serveraliveinterval": "15", "serveralivecountmax": "3",
        "identityfile": "id", "certificatefile": "id-cert.pub", "userknownhostsfile": "known_hosts",
        "globalknownhostsfile": "none",
    }  # fmt: skip
    assert {key: said.get(key) for key in wanted} == wanted
    assert said.get("controlpath", "none") == "none"


def test_the_known_host_is_a_ca_and_not_a_key(home):
    home.run("grant", "alice")

    (line,) = (a_kit(home) / "known_hosts").read_text().splitlines()

    assert line == f"@cert-authority panteras-gateway {' '.join(home.vault.host_ca_public.read_text().split()[:2])}"


def test_who_has_a_key_of_her_own_gets_none(home, tmp_path):
    from panteras_dns.access.ssh import ca

    (tmp_path / "her.pub").write_text(str(ca.new_key("her")[1]))
    home.run("grant", "alice", "--public-key", str(tmp_path / "her.pub"))

    out = a_kit(home, "--identity-file", "~/.ssh/id_work")

    assert not (out / "id").exists()
    assert "IdentityFile ~/.ssh/id_work" in (out / "ssh_config").read_text()


def test_the_readme_has_five_lines_and_says_until_when(home):
    home.run("grant", "alice", "--services", "web")
    (entry,) = home.listed()

    title, _, *lines = (a_kit(home) / "README.md").read_text().splitlines()

    assert title == f"# alice/default: until {entry['not_after'][:10]}, web"
    assert [line[:2] for line in lines] == ["1.", "2.", "3.", "4.", "5."]


def test_the_recipes_are_for_the_domain_and_the_dns(home):
    home.run("grant", "alice")
    out = a_kit(home)

    assert "server=/consul/10.1.0.1\n" in (out / "split-dns-dnsmasq.conf").read_text()
    assert "nameserver 10.1.0.1\n" in (out / "split-dns-macos").read_text()
    resolved = (out / "split-dns-systemd-resolved").read_text()
    assert [shlex.split(line)[1:] for line in resolved.splitlines() if line.startswith("resolvectl")] == [
        *(["dns", "panteras", "10.1.0.1"], ["domain", "panteras", "~consul"], ["default-route", "panteras", "false"]),
    ]
    subprocess.run(["sh", "-n", out / "split-dns-systemd-resolved"], check=True)


def test_the_unit_comes_back_after_sleep_for_ever(home):
    home.run("grant", "alice")

    unit = (a_kit(home) / "panteras-tunnel.service").read_text()

    keys = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert (keys["Restart"], keys["StartLimitIntervalSec"]) == ("always", "0")
    assert keys["WorkingDirectory"] == "%h/.config/panteras/alice-default"


def test_a_directory_that_is_there_is_not_written_to(home):
    home.run("grant", "alice")
    out = a_kit(home)
    before = {path: path.read_bytes() for path in out.iterdir()}

    status, told = home.attempt("kit", "alice", "--gateway", "gw", "--out", str(out))

    assert (status, told) == (1, f"panteras: {out}: is there already, and is not overwritten; choose another --out\n")
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_kit_of_what_is_revoked_is_of_no_use(home):
    home.run("grant", "alice")
    home.run("revoke", "alice")

    status, told = home.attempt("kit", "alice", "--gateway", "gw", "--out", str(home.vault.root.parent / "kit"))

    assert (status, told) == (
        1,
        "panteras: alice/default: its certificate for the door ssh is revoked; a kit would be of no use\n",
    )


def test_of_several_devices_one_must_be_named(home):
    home.run("grant", "alice/laptop", "alice/phone")

    status, told = home.attempt("kit", "alice", "--gateway", "gw")

    assert (status, told) == (2, "panteras: alice: has several devices, expected one of alice/laptop, alice/phone\n")


@pytest.mark.parametrize(
    ("text", "place", "remote"),
    [
        ("gw", Gateway("gw", 22), "gw:22"),
        ("gw.example.com:2222", Gateway("gw.example.com", 2222), "gw.example.com:2222"),
        ("10.0.0.1:1", Gateway("10.0.0.1", 1), "10.0.0.1:1"),
        ("fd00::1", Gateway("fd00::1", 22), "[fd00::1]:22"),
        ("[fd00:0::1]:2222", Gateway("fd00::1", 2222), "[fd00::1]:2222"),
    ],
)
def test_a_gateway_is_a_host_and_maybe_a_port(text, place, remote):
    assert kit.gateway(text, 22) == place
    assert kit.gateway(text, 22).remote == remote


@pytest.mark.parametrize(
    "text",
    ["", ":22", "gw:", "gw:0", "gw:65536", "gw:ssh", "-oProxyCommand=id", "a b", "gw\nHost *", "a/b", "[gw", "x" * 300],
)
def test_what_is_no_gateway_is_refused(text):
    with pytest.raises(Misuse, match="not a gateway: "):
        kit.gateway(text, 22)


def test_every_network_that_homes_have_is_remarked_on():
    networks = [ipaddress.ip_network(one) for one in ("172.16.0.0/12", "10.1.0.0/16", "192.168.178.0/24", "fd00::/8")]

    told = kit.overlaps(networks)

    assert [sentence.partition(",")[0] for sentence in told] == [
        "172.16.0.0/12 overlaps with 172.17.0.0/16",
        "172.16.0.0/12 overlaps with 172.18.0.0/15",
        "172.16.0.0/12 overlaps with 172.20.10.0/28",
        "192.168.178.0/24 overlaps with 192.168.178.0/24",
    ]


def test_every_template_is_part_of_the_package():
    config = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

    assert config["tool"]["setuptools"]["package-data"]["panteras_dns.access"] == ["kit/*"]
