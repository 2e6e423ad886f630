"""The configuration of sshd: for each version what that version knows, word for word."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from panteras_dns.access.ssh import ca, krl, sshd
from panteras_dns.access.trouble import Misuse, Trouble

GOLDEN = Path(__file__).parent / "golden"
PLACE = sshd.Place(Path("/var/lib/panteras/access"), Path("/run/panteras"), "tunnel")
VERSIONS = [(8, 5), (9, 2), (9, 8), (10, 0)]


def rendered(version: sshd.Version, place: sshd.Place = PLACE) -> str:
    return sshd.render(version, place).replace(sys.executable, "PYTHON")


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_whole_configuration_is_as_it_was_agreed_on(version):
    """After a change on purpose: write what `rendered` gives to the file."""
    assert rendered(version) == (GOLDEN / f"sshd_config-{version[0]}.{version[1]}").read_text()


@pytest.mark.parametrize(
    ("word", "since"),
    [("RequiredRSASize", (9, 1)), ("UnusedConnectionTimeout", (9, 2)), ("PerSourcePenalties", (9, 8))],
)
def test_a_word_comes_with_the_version_that_knows_it(word, since):
    before = (since[0], since[1] - 1)

    assert word in rendered(since)
    assert word not in rendered(before)


def test_key_exchange_outlasts_quanta_alone_as_soon_as_libraries_can():
    old, new = (
        next(line for line in rendered(version).splitlines() if line.startswith("KexAlgorithms"))
        for version in ((9, 8), (9, 9))
    )

    assert "curve25519-sha256," in old
    assert new == "KexAlgorithms mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com"


@pytest.fixture
def place(tmp_path) -> sshd.Place:
    """A state directory and a run directory with what the configuration names."""
    place = sshd.Place(tmp_path, tmp_path, "tunnel")
    place.door.mkdir()
    key, public = ca.new_key("host")
    for name, data in (
        ("ssh_host_ed25519_key", key),
        ("user_ca.pub", str(public).encode()),
        ("revoked.krl", krl.write(public.blob, [], [], 1, 0)),
    ):
        (place.door / name).write_bytes(data)
        (place.door / name).chmod(0o600)
    return place


@pytest.mark.parametrize("version", [(8, 5), (9, 2)], ids=str)
def test_the_sshd_that_is_here_takes_what_is_for_it_and_for_older_ones(place, version):
    config = place.run / "sshd_config"
    config.write_text(sshd.render(version, place))
    if shutil.which("sshd", path="/usr/sbin:/usr/bin") is None:
        with pytest.raises(Trouble, match="sshd: not found; install openssh-server"):
            sshd.verify(config)
        return
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd locks itself up: the package's service makes it

    sshd.verify(config)

    assert sshd.installed() >= (8, 5)
    config.write_text("Nonsense yes\n")
    with pytest.raises(Trouble, match=r"sshd does not take it: .*Bad configuration option: Nonsense"):
        sshd.verify(config)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026", (9, 2)),
        ("unknown option -- V\nOpenSSH_8.9p1 Ubuntu-3, OpenSSL 3.0.2\nusage: sshd", (8, 9)),
        ("OpenSSH_10.0p2, OpenSSL", (10, 0)),
        ("9.8", (9, 8)),
        ("9.8p1", (9, 8)),
    ],
)
def test_a_version_is_found_in_what_sshd_says(text, version):
    assert sshd.read_version(text, "sshd") == version


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "sshd: not a version of OpenSSH: ''"),
        ("dropbear 2022.83", "sshd: not a version of OpenSSH: 'dropbear 2022.83', expected one like 9.2"),
        ("OpenSSH_8.4p1", "sshd: OpenSSH 8.4 is too old, expected 8.5"),
        ("9", "sshd: not a version of OpenSSH"),
    ],
)
def test_another_version_is_told(text, reason):
    with pytest.raises(Misuse) as told:
        sshd.read_version(text, "sshd")

    assert str(told.value).startswith(reason)


def test_the_command_renders_for_any_version_without_identities(tmp_path):
    from household import Household

    text = Household(tmp_path).run("render", "sshd", "--for-version", "9.8", "--port", "22")

    assert text.splitlines()[:2] == ["# For OpenSSH 9.8; written by: panteras access render sshd", "Port 22"]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_no_word_comes_twice_since_the_first_would_win_silently(version):
    lines = rendered(version).partition("\nMatch ")[0].splitlines()
    words = [line.split()[0] for line in lines if not line.startswith("#")]

    assert sorted(words) == sorted(set(words))
