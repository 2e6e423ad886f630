"""Certificates and public keys, beside OpenSSH's own reader."""

import contextlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access.ssh import ca, certificate
from panteras_dns.access.ssh.certificate import Certificate
from panteras_dns.access.ssh.publickey import PublicKey, public_key
from panteras_dns.access.ssh.wire import Malformed, string
from panteras_dns.access.trouble import Misuse

KINDS = [("ed25519", 256), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 3072)]


def a_statement(**changes) -> Certificate:
    values = {
        "key_id": "alice/laptop",
        "serial": 4711,
        "role": certificate.USER,
        "principals": ["tunnel"],
        "valid_after": 1_700_000_000,
        "valid_before": 1_900_000_000,
        "extensions": certificate.limit(["python*", "web"]),
    }
    return Certificate(**(values | changes))


def an_authority() -> ca.Authority:
    return ca.Authority(ca.new_key("test")[0], None, "test")


def openssh_key(tmp_path, kind: str, bits: int) -> str:
    words = ["ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-f", tmp_path / "key"]
    subprocess.run(words, check=True)
    return (tmp_path / "key.pub").read_text()


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_openssh_reads_the_certificate_of_every_kind_of_key(tmp_path, kind, bits):
    key = public_key(openssh_key(tmp_path, kind, bits), "key.pub")
    (tmp_path / "c-cert.pub").write_text(an_authority().certify(a_statement(), key) + "\n")

    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", tmp_path / "c-cert.pub"], capture_output=True, text=True, check=True
    ).stdout

    assert key.fingerprint in shown
    assert 'Key ID: "alice/laptop"' in shown
    assert "Serial: 4711" in shown
    assert "tunnel" in shown
    assert "services@panteras" in shown


@pytest.mark.parametrize("kind", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"])
def test_a_key_on_a_security_token_gets_a_certificate(tmp_path, kind):
    fields = [b"nistp256", b"\4" + bytes(64)] if "ecdsa" in kind else [bytes(32)]
    blob = b"".join(string(one) for one in (kind.encode(), *fields, b"ssh:"))
    key = public_key(str(PublicKey(kind, blob)), "token.pub")

    line = an_authority().certify(a_statement(), key)

    assert certificate.read(line) == (a_statement(extensions={certificate.LIMIT: b"python*,web"}), blob)


def test_what_was_written_is_read():
    _, key = ca.new_key("any")

    read, blob = certificate.read(an_authority().certify(a_statement(), key))

    assert (read.key_id, read.serial, read.services, blob) == ("alice/laptop", 4711, ("python*", "web"), key.blob)


def test_without_the_limit_all_services_are_meant():
    assert a_statement(extensions={}).services == ()


@pytest.mark.parametrize("value", [b"", "pythön".encode()])
def test_a_limit_that_can_not_be_read_is_not_taken_for_none(value):
    with pytest.raises(Malformed):
        assert a_statement(extensions={certificate.LIMIT: value}).services


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_any_line_is_a_certificate_or_malformed(data, at, byte):
    import base64

    _, key = ca.new_key("any")
    whole = bytearray(base64.b64decode(an_authority().certify(a_statement(), key).split()[1]))
    whole[at % len(whole)] = byte
    kind = "ssh-ed25519-cert-v01@openssh.com"
    for line in (data.decode("latin-1"), f"{kind} {base64.b64encode(bytes(whole)).decode()}", f"{kind} !!"):
        with contextlib.suppress(Malformed):
            assert isinstance(certificate.read(line)[0], Certificate)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not a public key"),
        ("ssh-ed25519", "not a public key"),
        ("ssh-ed25519 AAAA\nssh-ed25519 AAAA", "not a public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACB", "is not accepted"),
        ("ssh-ed25519 AAAA", "not a public key"),
        ("ssh-ed25519 %%%", "not a public key"),
        ("x" * 100_000, "not a public key"),
    ],
)
def test_what_is_not_a_good_public_key_is_refused_in_one_line(line, reason):
    with pytest.raises(Misuse, match=reason) as told:
        public_key(line, "her.pub")

    assert str(told.value).startswith("her.pub: ")
    assert "\n" not in str(told.value)


def test_a_short_rsa_key_is_refused(tmp_path):
    with pytest.raises(Misuse, match="2048 bits is too short"):
        public_key(openssh_key(tmp_path, "rsa", 2048), "her.pub")
