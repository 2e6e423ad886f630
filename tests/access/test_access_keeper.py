"""What must be there before the door opens, and how what is missing is told."""

import ipaddress
import os
import socket
from pathlib import Path

import pytest
from household import Household

from panteras_dns.access.settings import Settings
from panteras_dns.access.ssh import keeper, sshd
from panteras_dns.access.trouble import Trouble

AWAY = "127.99.99.99"  # loopback, where nobody serves DNS
CHOSEN = Settings((ipaddress.ip_network("10.1.0.0/16"),), ipaddress.ip_address(AWAY))


@pytest.fixture
def home(tmp_path) -> Household:
    return Household(tmp_path).begin()


@pytest.fixture
def resolv_conf(tmp_path) -> Path:
    path = tmp_path / "resolv.conf"
    path.write_text(f"# docker\nsearch example\nnameserver {AWAY}\noptions ndots:0\n")
    return path


@pytest.mark.parametrize(
    "path", ["ssh_host_ed25519_key", "ssh_host_ed25519_key-cert.pub", "user_ca.pub", "revoked.krl"]
)
def test_a_file_that_is_gone_is_named(home, resolv_conf, path):
    (home.vault.door / path).unlink()

    with pytest.raises(Trouble, match=f"door/{path}: No such file or directory"):
        keeper.check(home.vault, CHOSEN, resolv_conf)


@pytest.mark.parametrize("data", [b"", b"garbage", b"SSHKRL\n\0", b"SSHKRL\n\0\0\0\0\2" + bytes(40)])
def test_a_damaged_list_of_the_revoked_keeps_the_door_closed_with_the_command_that_helps(home, resolv_conf, data):
    home.vault.revoked.write_bytes(data)

    with pytest.raises(Trouble, match="without it sshd refuses everybody; write it anew with: panteras access repair"):
        keeper.check(home.vault, CHOSEN, resolv_conf)


def test_a_half_written_list_keeps_the_door_closed(home, resolv_conf):
    home.run("grant", "alice")
    home.run("revoke", "alice")
    whole = home.vault.revoked.read_bytes()
    home.vault.revoked.write_bytes(whole[: len(whole) - 10])

    with pytest.raises(Trouble, match=r"revoked.krl: ends at byte"):
        keeper.check_revoked(home.vault)


def test_sessions_that_can_not_be_written_keep_the_door_closed(home, resolv_conf):
    home.vault.sessions.rmdir()

    with pytest.raises(Trouble, match=f"sessions: can't be written by uid {os.geteuid()}: mount it"):
        keeper.check(home.vault, CHOSEN, resolv_conf)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", f"0 nameservers, expected {AWAY} alone; run the container with --dns {AWAY}"),
        ("#nameserver 10.0.0.1\n; nameserver 10.0.0.1\n", "0 nameservers"),
        (f"nameserver {AWAY}\nnameserver 10.0.0.1\n", f"2 nameservers, expected {AWAY} alone"),
        ("nameserver 10.0.0.1\n", f"nameserver 10.0.0.1, expected {AWAY}; run the container with"),
        ("nameserver dns1\n", f"nameserver dns1, expected {AWAY}"),
        ("nameserver\n", "0 nameservers"),
        ("\0\n", "0 nameservers"),
    ],
)
def test_another_resolver_keeps_the_door_closed(resolv_conf, text, reason):
    resolv_conf.write_text(text)

    with pytest.raises(Trouble) as told:
        keeper.check_resolver(CHOSEN, resolv_conf)

    assert str(told.value).startswith(f"{resolv_conf}: {reason}")


def test_no_resolv_conf_keeps_the_door_closed(tmp_path):
    with pytest.raises(Trouble, match=f"nothing: No such file or directory, expected nameserver {AWAY} in it"):
        keeper.check_resolver(CHOSEN, tmp_path / "nothing")


@pytest.mark.parametrize("server", [AWAY, f"{AWAY}%eth0", "127.0.0.11"])
def test_a_resolver_that_does_not_answer_keeps_the_door_closed(resolv_conf, server):
    resolv_conf.write_text(f"nameserver {server}\n")

    with pytest.raises(Trouble, match=f"the DNS at {AWAY} does not answer .* is panteras serve running on the docker"):
        keeper.check_resolver(CHOSEN, resolv_conf)


def test_the_question_after_its_health_says_why_it_failed(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    place = sshd.Place(tmp_path, tmp_path, "tunnel", port)

    with pytest.raises(Trouble, match=r"the door does not let its own key in: .*Connection refused"):
        keeper.knock(place)


def test_what_breaks_while_the_door_is_open_is_said_once_and_so_is_its_end(home, capsys):
    whole = home.vault.revoked.read_bytes()
    home.vault.revoked.unlink()
    trouble = keeper._new_trouble(home.vault, "")
    trouble = keeper._new_trouble(home.vault, trouble)
    home.vault.revoked.write_bytes(whole)

    trouble = keeper._new_trouble(home.vault, trouble)

    said = capsys.readouterr().err.splitlines()
    assert trouble == ""
    assert len(said) == 2
    assert "No such file or directory; without it sshd refuses everybody" in said[0]
    assert said[1] == f"panteras: {home.vault.revoked}: is back; people may log in again"


def test_the_container_s_own_key_is_its_own_alone_and_made_anew_each_time(tmp_path):
    place = sshd.Place(tmp_path, tmp_path, "tunnel")
    keeper._make_health_key(place)
    first = place.health_key.read_bytes()

    keeper._make_health_key(place)

    authorized = Path(f"{place.health_key}.authorized")
    assert place.health_key.read_bytes() != first
    assert [path.stat().st_mode & 0o777 for path in (place.health_key, authorized)] == [0o600, 0o600]
    assert authorized.read_text().startswith('restrict,from="127.0.0.1,::1" ssh-ed25519 ')
