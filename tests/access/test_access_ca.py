"""The keys of the CAs: made, locked, read."""

import subprocess

import pytest

from panteras_dns.access.ssh import ca
from panteras_dns.access.trouble import Trouble


def test_openssh_reads_a_new_key(tmp_path):
    private, public = ca.new_key("test")
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "key").chmod(0o600)

    shown = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True)

    assert shown.stdout.split()[:2] == str(public).split()


def test_a_passphrase_locks_and_opens():
    private, public = ca.new_key("test", b"secret")

    assert ca.Authority(private, b"secret", "ca").public == public
    for wrong, reason in ((None, "is locked by a passphrase"), (b"other", "is the passphrase right?")):
        with pytest.raises(Trouble, match=reason):
            ca.Authority(private, wrong, "ca")


@pytest.mark.parametrize("damage", [lambda key: b"", lambda key: key[: len(key) // 2], lambda key: b"garbage" * 100])
def test_a_half_written_key_is_told_in_one_line(damage):
    with pytest.raises(Trouble, match=r"^user_ca: can't be read as a key: ") as told:
        ca.Authority(damage(ca.new_key("test")[0]), None, "user_ca")

    assert "\n" not in str(told.value)


def test_a_key_of_another_kind_is_no_ca(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "key"], check=True)

    with pytest.raises(Trouble, match=r"^user_ca: is not an Ed25519 key$"):
        ca.Authority((tmp_path / "key").read_bytes(), None, "user_ca")
