"""The state directory: closed to others, each file whole, nothing overwritten."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from household import DNS, NETWORK, Household

from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vault import Vault


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in sorted(root.rglob("*"))}


def on_a_full_disk(vault: Vault, bytes_left: int, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command whose every file may have so many bytes: what a full disk does, without root."""

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, bytes_left))

    command = [sys.executable, "-m", "panteras_dns", "access", *words, "--state", str(vault.root)]
    return subprocess.run(command, preexec_fn=fill, capture_output=True, text=True, timeout=20, check=False)


INIT = ("init", "--network", NETWORK, "--dns", DNS, "--uid", str(os.geteuid()))


def test_a_new_directory_holds_all_and_is_readable_by_its_owner_alone(tmp_path):
    home = Household(tmp_path).begin()

    assert home.vault.root.stat().st_mode & 0o777 == 0o711, "OpenVPN has to get to the list of the revoked"
    assert modes(home.vault.root) == {
        "door": 0o700,
        "sessions": 0o700,
        "vpn": 0o711,
        "vpn/roster": 0o700,
        "vpn/revoked": 0o755,
        "vpn-run": 0o700,
        **dict.fromkeys(
            [
                "host_ca", "index.db", "user_ca", "door/door.toml", "door/host_ca.pub", "door/revoked.krl",
                "door/ssh_host_ed25519_key", "door/ssh_host_ed25519_key-cert.pub", "door/user_ca.pub", "vpn_ca.key",
                "vpn/ca.crt", "vpn/server.crt", "vpn/server.key", "vpn/tls-crypt-v2.key", "vpn/vpn.toml",
            ],
            0o600,
        ),
    }  # fmt: skip


def test_nothing_is_ever_made_twice(tmp_path):
    home = Household(tmp_path).begin()
    before = tree(home.vault.root)

    status, told = home.attempt(*INIT)

    assert (status, told) == (1, f"panteras: {home.vault.root}: has identities already; nothing was changed\n")
    assert tree(home.vault.root) == before


@pytest.mark.parametrize("cut", ["the index", "the index and the list", "all but one key"])
def test_an_init_that_was_cut_short_may_run_again(tmp_path, cut):
    home = Household(tmp_path).begin()
    home.vault.unfinished.touch()
    home.vault.index.unlink()
    if cut != "the index":
        home.vault.revoked.unlink()
    if cut == "all but one key":
        for path in (home.vault.host_ca, home.vault.host_key, home.vault.user_ca_public, home.vault.settings):
            path.unlink()

    home.run(*INIT)
    home.run("grant", "alice")

    assert [one["name"] for one in home.listed()] == ["alice"]
    assert not home.vault.unfinished.exists()


def test_keys_without_an_index_are_no_reason_to_make_new_ones(tmp_path):
    home = Household(tmp_path).begin()
    home.vault.index.unlink()
    before = tree(home.vault.root)

    told = [home.attempt(*INIT), home.attempt("list"), home.attempt("revoke", "alice")]

    assert {status for status, _ in told} == {1}
    assert all(
        "index.db: is gone, and knew who was shut out; it must come back from a backup" in text for _, text in told
    )
    assert tree(home.vault.root) == before


@pytest.mark.parametrize(
    ("path", "mode", "wanted"),
    [
        ("", 0o744, "700"),
        ("", 0o777, "700"),
        ("index.db", 0o640, "600"),
        ("user_ca", 0o604, "600"),
        ("host_ca", 0o644, "600"),
        ("door", 0o755, "700"),
        ("door/ssh_host_ed25519_key", 0o640, "600"),
    ],
)
def test_what_others_may_read_is_told_with_the_command_that_closes_it(tmp_path, path, mode, wanted):
    home = Household(tmp_path).begin()
    target = home.vault.root / path
    target.chmod(mode)

    status, told = home.attempt("grant", "alice")

    assert status == 1
    assert told == f"panteras: {target}: others may read it, expected mode {wanted}; run: chmod {wanted} {target}\n"
    target.chmod(int(wanted, 8))
    assert home.listed() == []


@pytest.mark.parametrize("path", ["user_ca", "host_ca", "door/ssh_host_ed25519_key"])
def test_a_key_that_is_gone_must_come_back_from_a_backup(tmp_path, path):
    home = Household(tmp_path).begin()
    (home.vault.root / path).unlink()

    status, told = home.attempt("grant", "alice")

    assert status == 1
    assert f"{path}: No such file or directory; it belongs to the identities and must come back from a backup" in told


def test_an_empty_place_says_how_to_begin(tmp_path):
    home = Household(tmp_path)

    status, told = home.attempt("list")

    assert (status, told) == (
        2,
        f"panteras: {home.vault.root}: no identities here; run: panteras access init --state {home.vault.root}\n",
    )
    assert not home.vault.root.exists()


@pytest.mark.parametrize("bytes_left", [0, 300, 5000])
def test_an_init_on_a_full_disk_says_so_and_goes_well_once_there_is_room(tmp_path, bytes_left):
    home = Household(tmp_path)

    done = on_a_full_disk(home.vault, bytes_left, *INIT)
    home.run(*INIT)
    home.run("grant", "alice")

    assert done.returncode == 1
    assert done.stderr.startswith(f"panteras: {home.vault.root}/") and done.stderr.count("\n") == 1
    assert [path for path in tree(home.vault.root) if Path(path).name.startswith(".")] == []


@pytest.mark.parametrize("words", [("grant", "bob"), ("renew", "alice"), ("revoke", "alice"), ("repair",)])
def test_a_full_disk_changes_nothing(tmp_path, words):
    home = Household(tmp_path).begin()
    home.run("grant", "alice")
    before = tree(home.vault.root)

    done = on_a_full_disk(home.vault, 10, *words)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert tree(home.vault.root) == before
    assert [one["state"] for one in home.listed()] == ["valid"]


def test_a_file_is_not_written_over(tmp_path):
    vault = Vault(tmp_path)
    vault.write(tmp_path / "key", b"first")

    with pytest.raises(Trouble, match="key: is there already, and is not overwritten"):
        vault.write(tmp_path / "key", b"second")

    assert (tmp_path / "key").read_bytes() == b"first"


def test_who_reads_while_a_file_is_replaced_has_the_old_one_whole(tmp_path):
    vault = Vault(tmp_path)
    vault.replace(tmp_path / "list", b"old" * 1000)
    with (tmp_path / "list").open("rb") as reader:
        vault.replace(tmp_path / "list", b"new")

        assert reader.read() == b"old" * 1000
    assert tree(tmp_path) == {"list": b"new"}


def test_a_directory_that_is_gone_is_told_in_one_line(tmp_path):
    with pytest.raises(Trouble, match="gone/list: No such file or directory; the file is as it was"):
        Vault(tmp_path).replace(tmp_path / "gone" / "list", b"new")


def test_what_can_not_be_made_names_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Trouble, match="Not a directory; run this as root, or choose --state"):
        Vault(tmp_path / "file" / "access").create(os.geteuid())
