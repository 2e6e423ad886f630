"""The files that OpenVPN gets, word for word: for each version what that version knows."""

import os
from pathlib import Path

import pytest
from household import an_entry

from panteras_dns.access.settings import settings
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vpn import profile, server
from panteras_dns.access.vpn.programs import python
from panteras_dns.access.vpn.settings import Vpn, read

GOLDEN = Path(__file__).parent / "golden"
PLACE = server.Place(
    Path("/var/lib/panteras/access/vpn"),
    Path("/var/lib/panteras/access/vpn-run"),
    Path("/run/panteras"),
    "openvpn",
    "openvpn",
)
TEXT = """\
networks = ["10.1.0.0/16", "fd77:9::/64"]
dns = "10.1.0.1"
domain = "consul"
pool = "10.99.0.0/23"
pool6 = "fd12:3456:789a::/63"
"""
SPLIT = read(TEXT.encode(), "vpn.toml")
FULL = read(f'{TEXT}tunnel = "full"\n'.encode(), "vpn.toml")
ENTRY = an_entry(
    door="vpn", certificate="CERTIFICATE", private_key=b"KEY", wrapped_key="WRAPPED", services="python*,web"
)


def matches(name: str, text: str) -> bool:
    """After a change on purpose: run the tests with PANTERAS_GOLDEN=write, and look at what git shows."""
    path = GOLDEN / name
    if os.environ.get("PANTERAS_GOLDEN") == "write":
        path.write_text(text)
    return path.read_text() == text


@pytest.mark.parametrize(
    ("name", "version", "chosen", "transport", "six"),
    [
        ("server-2.5-udp-without-ipv6.conf", (2, 5), SPLIT, 0, False),
        ("server-2.6-udp.conf", (2, 6), SPLIT, 0, True),
        ("server-2.6-tcp-full.conf", (2, 6), FULL, 1, True),
        ("server-2.6-udp-full-without-ipv6.conf", (2, 6), FULL, 0, False),
        ("server-2.7-tcp.conf", (2, 7), SPLIT, 1, True),
    ],
)
def test_a_server_s_configuration_is_as_it_was_agreed_on(
    name: str, version: tuple[int, int], chosen: Vpn, transport: int, six: bool
) -> None:
    text = server.render(version, chosen, chosen.transports[transport], PLACE, six)

    assert matches(name, text.replace(python(), "PYTHON"))


@pytest.mark.parametrize("variant", profile.VARIANTS)
def test_a_profile_is_as_it_was_agreed_on(variant: str) -> None:
    assert matches(f"client-{variant}.ovpn", profile.render(ENTRY, "gw.example.com", SPLIT, "CA", variant))


def test_the_readme_of_a_kit_is_as_it_was_agreed_on() -> None:
    files = profile.files(ENTRY, "gw.example.com", SPLIT, "CA")

    assert matches("vpn-README.md", files["README.md"].decode())
    assert sorted(files) == ["README.md", "alice-laptop-linux-2.6.ovpn", "alice-laptop.ovpn", "alice-laptop.svg"]


def test_what_no_server_should_have_is_in_none() -> None:
    for path in GOLDEN.glob("server-*.conf"):
        words = {line.split(" ")[0] for line in path.read_text().splitlines()}
        assert not words & {"cipher", "comp-lzo", "tls-auth", "duplicate-cn", "reneg-sec", "client-to-client"}
        assert "block-outside-dns" not in path.read_text()


@pytest.mark.parametrize("text", ["", "2", "two", "OpenSSH_9.2", "2.6.14.x y z" * 9 + "!"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="not a version of OpenVPN"):
        server.read_version(text[::-1] if text.startswith("2.6") else text, "--for-version")


def test_a_version_that_is_too_old_is_refused() -> None:
    with pytest.raises(Misuse, match=r"OpenVPN 2\.4 is too old, expected 2\.5"):
        server.read_version("OpenVPN 2.4.7 x86_64-pc-linux-gnu", "openvpn")


def test_a_code_for_a_camera_holds_the_whole_profile_or_is_none() -> None:
    text = profile.compact(profile.render(ENTRY, "gw.example.com", SPLIT, "CA"))

    assert [line.split()[0] for line in text.splitlines()][:6] == [
        "client",
        "dev",
        "nobind",
        "remote",
        "remote",
        "remote-cert-tls",
    ]
    assert {"verify-x509-name panteras-gateway name", "KEY", "WRAPPED", "</tls-crypt-v2>"} <= set(text.splitlines())
    assert b"<svg" in (profile.qr(text) or b"")
    assert profile.qr("x" * 2954) is None


def test_settings_of_both_doors_are_one_source() -> None:
    base = settings(["10.1.0.0/16"], "10.1.0.1")

    assert SPLIT.networks[0] == base.networks[0]
    assert read(SPLIT.as_text().encode(), "vpn.toml") == SPLIT
