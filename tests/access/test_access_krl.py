"""The list of revoked keys, beside OpenSSH's own reader."""

import contextlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access.ssh import ca, certificate, krl
from panteras_dns.access.ssh.certificate import Certificate
from panteras_dns.access.ssh.publickey import PublicKey
from panteras_dns.access.ssh.wire import Malformed

NUMBERS = st.frozensets(st.integers(1, 2**64 - 1), max_size=20)
DIGESTS = st.frozensets(st.binary(min_size=32, max_size=32), max_size=20)


@pytest.fixture(scope="module")
def authority():
    private, _ = ca.new_key("test")
    return ca.Authority(private, None, "test")


def a_certificate(authority, serial: int) -> tuple[str, PublicKey]:
    _, key = ca.new_key("person")
    statement = Certificate("alice/laptop", serial, certificate.USER, ["tunnel"], 0, 2**62)
    return authority.certify(statement, key), key


def refused(tmp_path, listed: bytes, line: str) -> bool:
    (tmp_path / "krl").write_bytes(listed)
    (tmp_path / "key.pub").write_text(line + "\n")
    words = ["ssh-keygen", "-Q", "-f", tmp_path / "krl", tmp_path / "key.pub"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ": REVOKED" in done.stdout or ": ok" in done.stdout, done
    return done.returncode != 0


def test_openssh_refuses_a_certificate_by_its_serial(authority, tmp_path):
    line, _ = a_certificate(authority, 2**52 + 7)
    other, _ = a_certificate(authority, 2**52 + 8)

    listed = krl.write(authority.public.blob, [5, 2**52 + 7], [], 1, 0)

    assert refused(tmp_path, listed, line)
    assert not refused(tmp_path, listed, other)


def test_openssh_refuses_a_revoked_key_in_a_new_certificate_and_without_one(authority, tmp_path):
    line, key = a_certificate(authority, 9)
    _, other = ca.new_key("other")

    listed = krl.write(authority.public.blob, [], [key.digest], 1, 0)

    assert refused(tmp_path, listed, line)
    assert refused(tmp_path, listed, str(key))
    assert not refused(tmp_path, listed, str(other))


def test_openssh_takes_an_empty_list(authority, tmp_path):
    line, _ = a_certificate(authority, 9)

    assert not refused(tmp_path, krl.write(authority.public.blob, [], [], 1, 0), line)


@given(NUMBERS, DIGESTS)
def test_what_was_written_is_read(serials, digests):
    _, key = ca.new_key("any")

    assert krl.read(krl.write(key.blob, serials, digests, 3, 7)) == krl.Revoked(serials, digests)


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_any_bytes_are_a_list_or_malformed(data, at, byte):
    damaged = bytearray(krl.write(b"ca", [1, 2], [bytes(32)], 1, 0))
    damaged[at % len(damaged)] = byte
    for given_bytes in (data, b"SSHKRL\n\0\0\0\0\1" + data, bytes(damaged), bytes(damaged[:at])):
        with contextlib.suppress(Malformed):
            assert isinstance(krl.read(given_bytes), krl.Revoked)
