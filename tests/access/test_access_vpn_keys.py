"""Keys and certificates of the VPN: read by openssl as they are meant, and anything else refused in one line."""

import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509 as names
from household import Household
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access.trouble import Misuse, Trouble
from panteras_dns.access.vpn import tlscrypt, x509
from panteras_dns.access.vpn.settings import read

DAY = 86_400
NOW = int(time.time())
TOML = """\
networks = ["10.1.0.0/16"]
dns = "10.1.0.1"
pool = "10.99.0.0/23"
pool6 = "fd12:3456:789a::/63"
"""


def authority() -> tuple[x509.Authority, bytes]:
    key = x509.new_key()
    certificate = x509.new_authority(key, "a CA", 7, NOW - DAY, NOW + DAY)
    return x509.Authority(x509.key_as_pem(key), None, certificate, "here"), certificate


def a_server(ca: x509.Authority, purpose: names.ObjectIdentifier = x509.SERVER, begin: int = -1, end: int = 1) -> bytes:
    said = x509.Statement("gw", names.DNSName("gw"), purpose, 11, NOW + begin * DAY, NOW + end * DAY)
    return ca.certify(said, x509.new_key().public_key())


def test_openssl_takes_our_certificates_for_what_they_are(tmp_path: Path) -> None:
    ca, certificate = authority()
    (tmp_path / "ca").write_bytes(certificate)
    (tmp_path / "server").write_bytes(a_server(ca))

    def verify(purpose: str) -> int:
        words = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca", "server"]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode

    assert verify("sslserver") == 0
    assert verify("sslclient") != 0


@pytest.mark.parametrize(
    ("made", "objection"),
    [
        (lambda _: a_server(authority()[0]), "is of another CA"),
        (lambda ca: a_server(ca, begin=-3, end=-1), "has expired"),
        (lambda ca: a_server(ca, begin=1, end=2), "is not valid yet: is the clock of this machine right?"),
        (lambda ca: a_server(ca, x509.CLIENT), "is not for a server (extended key usage)"),
    ],
    ids=["another CA", "expired", "too early", "for a client"],
)
def test_a_certificate_that_is_no_good_is_objected_to(made, objection) -> None:
    ca, certificate = authority()

    assert list(x509.objections(x509.load(made(ca), "x"), x509.load(certificate, "ca"), NOW)) == [objection]
    assert not x509.objections(x509.load(a_server(ca), "x"), x509.load(certificate, "ca"), NOW)


def test_long_names_stay_apart_in_64_characters() -> None:
    one, other = (x509.common_name("n" * 64, "d" * 63 + end) for end in "ab")

    assert one != other
    assert (len(one), len(other)) == (64, 64)
    assert x509.common_name("alice", "laptop") == "alice/laptop"


def test_the_key_of_another_ca_is_refused() -> None:
    _, certificate = authority()

    with pytest.raises(Trouble, match="here: is not the key of this CA, expected that of CN=a CA"):
        x509.Authority(x509.key_as_pem(x509.new_key()), None, certificate, "here")


def test_a_ca_kept_elsewhere_is_needed_for_grants_alone(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    home = Household(tmp_path).begin("--ca-key", str(stick))

    refused = home.attempt("grant", "alice", "--door", "both")
    home.run("grant", "alice", "--door", "both", "--ca-key", str(stick))

    assert not home.vault.vpn_ca.exists()
    assert refused[0] == 1
    assert "the key of the VPN's CA is not here; say with --ca-key where it is kept" in refused[1]
    assert [one["door"] for one in home.listed()] == ["ssh", "vpn"], "the first try left nothing"


def test_a_ca_under_a_passphrase_opens_with_it_alone(tmp_path: Path) -> None:
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    home = Household(tmp_path).begin("--passphrase-file", str(secret))
    words = ("grant", "alice", "--door", "vpn")

    assert "is locked by a passphrase" in home.attempt(*words)[1]
    assert "is the passphrase right?" in home.attempt(*words, "--passphrase-file", str(wrong))[1]
    assert home.attempt(*words, "--passphrase-file", str(secret))[0] == 0


def test_a_renewal_keeps_key_and_wrapped_key_and_makes_another_serial(tmp_path: Path) -> None:
    home = Household(tmp_path).begin()
    home.run("grant", "alice", "--door", "vpn", "--days", "90")
    home.run("kit", "alice", "--gateway", "gw", "--out", str(tmp_path / "one"))

    home.run("renew", "alice", "--days", "365")
    home.run("kit", "alice", "--gateway", "gw", "--out", str(tmp_path / "two"))

    one, two = ((tmp_path / kit / "alice-default.ovpn").read_text() for kit in ("one", "two"))
    assert len({serial["serial"] for serial in home.listed()}) == 2
    for section in ("ca", "key", "tls-crypt-v2"):
        assert (
            one.partition(f"<{section}>")[2].partition("</")[0] == two.partition(f"<{section}>")[2].partition("</")[0]
        )
    assert one != two


def test_a_vpn_certificate_lasts_a_year_at_most(tmp_path: Path) -> None:
    status, told = Household(tmp_path).begin().attempt("grant", "alice", "--door", "vpn", "--days", "366")

    assert (status, told) == (2, "panteras: days: 366, expected 1 to 365 for the VPN door\n")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_state_directory_of_before_the_vpn_gets_its_door(tmp_path: Path, elsewhere: bool) -> None:
    home = Household(tmp_path).begin()
    for path in sorted((home.vault.vpn, home.vault.vpn_run), reverse=True):
        subprocess.run(["rm", "-r", str(path)], check=True)
    home.vault.vpn_ca.unlink()
    key = ["--ca-key", str(tmp_path / "stick")] if elsewhere else []

    refused = home.attempt("grant", "alice", "--door", "vpn")
    home.run("repair", *key)

    assert home.vault.vpn_ca.exists() is not elsewhere
    assert refused[0] == 2
    assert refused[1].endswith("has no VPN door yet; run: panteras access repair\n")
    assert home.attempt("grant", "alice", "--door", "vpn", *key)[0] == 0


def test_a_wrapped_key_says_whose_it_is_to_its_own_server_alone() -> None:
    server, other = tlscrypt.new_server_key(), tlscrypt.new_server_key()
    client = tlscrypt.new_client_key(server, "alice/laptop")

    assert tlscrypt.metadata(server, client) == "alice/laptop"
    with pytest.raises(tlscrypt.Malformed, match="of another server"):
        tlscrypt.metadata(other, client)


@given(st.text(max_size=200) | st.binary(max_size=400).map(lambda data: tlscrypt._pem(tlscrypt._CLIENT, data)))
def test_any_text_is_a_wrapped_key_or_none(text: str) -> None:
    with pytest.raises(tlscrypt.Malformed):
        tlscrypt.metadata(tlscrypt.new_server_key(), text)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('pool = "10.1.4.0/23"', "vpn.toml: pool: 10.1.4.0/23 overlaps with 10.1.0.0/16 of networks"),
        ('pool = "192.0.2.0/30"', "vpn.toml: pool: 192.0.2.0/30, expected a prefix of 16 to 28 bits"),
        ('pool = "8.8.8.0/24"', "vpn.toml: pool: 8.8.8.0/24, expected a private network of IPv4"),
        ('pool = "fd12::/63"', "vpn.toml: pool: fd12::/63, expected a private network of IPv4"),
        ('pool6 = "fd12::/126"', "vpn.toml: pool6: fd12::/126, expected a prefix of 48 to 123 bits"),
        ("pool = 7", "vpn.toml: pool: not a network: 7"),
        ('tunnel = "half"', "vpn.toml: tunnel: 'half', expected 'split' or 'full'"),
        ("udp = true", "vpn.toml: udp: True, expected a port from 1 to 65535, or 0 for none"),
        ("tcp = 65536", "vpn.toml: tcp: 65536, expected a port"),
        ("udp = 0\ntcp = 0", "vpn.toml: udp, tcp: both are 0"),
        ('dns = "10.99.1.7"', "vpn.toml: dns: 10.99.1.7 lies in the pool of the clients"),
        ('networks = "10.1.0.0/16"', "vpn.toml: networks: expected a list"),
        ("port = 1194", "vpn.toml: port: unknown key"),
        ("udp =", "vpn.toml: not TOML"),
    ],
)
def test_each_key_that_can_not_be_meant_is_named(line: str, why: str) -> None:
    keys = {one.partition(" =")[0] for one in line.splitlines()}
    text = "\n".join([*(one for one in TOML.splitlines() if one.partition(" =")[0] not in keys), line])

    with pytest.raises(Misuse) as told:
        read(text.encode(), "vpn.toml")

    assert str(told.value).startswith(why)
