"""A revoke at the VPN door: proved through OpenVPN's management socket, or said not to be."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from household import Household
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access.vpn import management
from panteras_dns.access.vpn.management import Client, Silent

HEADER = (
    "HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tVirtual IPv6 Address\tBytes Received\tBytes Sent\t"
    "Connected Since\tConnected Since (time_t)\tUsername\tClient ID\tPeer ID\tData Channel Cipher"
)
ROW = "CLIENT_LIST\t{name}\t192.0.2.7:4711\t10.99.0.2\t\t100\t200\t2026-11-24 19:00:00\t1795546800\tUNDEF\t3\t0\tAES-256-GCM"

Play = Callable[[socket.socket, Iterator[str]], None]


class OpenVpn:
    """As far as its management socket: who is connected, and lets go when it is told to."""

    def __init__(self, *names: str, deaf: bool = False) -> None:
        self.names, self._deaf = list(names), deaf
        self.said: list[str] = []

    def __call__(self, stream: socket.socket, commands: Iterator[str]) -> None:
        stream.sendall(b">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n")
        for command in commands:
            self.said.append(command)
            match command.split(" ", 1):
                case ["status", _]:
                    rows = [ROW.format(name=name) for name in self.names]
                    lines = ["TITLE\tOpenVPN", HEADER, *rows, ">LOG:noise in the middle", "GLOBAL_STATS\tx\t0", "END"]
                case ["client-kill", _]:
                    lines = ["SUCCESS: client-kill command succeeded"]
                case ["kill", name]:
                    lines = [f"SUCCESS: common name '{name}' found, 1 client(s) killed"]
                    if not self._deaf:
                        self.names.remove(name)
                case _:
                    lines = ["ERROR: unknown command"]
            stream.sendall("".join(f"{line}\r\n" for line in lines).encode())


def says(*parts: bytes) -> Play:
    """Something that listens there and is no OpenVPN."""

    def play(stream: socket.socket, commands: Iterator[str]) -> None:
        for part in parts:
            stream.sendall(part)
        for _ in commands:
            pass

    return play


def endless(stream: socket.socket, commands: Iterator[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            stream.sendall(b"CLIENT_LIST\tx\n" * 1000)


@contextlib.contextmanager
def listening(path: Path, play: Play) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    stream, _ = door.accept()
                    with contextlib.suppress(OSError), stream, stream.makefile("r") as lines:
                        play(stream, (line.strip() for line in lines))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Household:
    home = Household(tmp_path).begin()
    home.run("grant", "alice", "--door", "both")
    return home


def test_a_session_is_ended_and_looked_for_again(home: Household) -> None:
    openvpn = OpenVpn("bob/default", "alice/default")

    with listening(home.vault.vpn_run / "udp.sock", openvpn):
        done = json.loads(home.run("revoke", "alice", "--json"))

    assert (done["sessions_ended"], done["proved"], done["why"]) == (1, True, [])
    assert openvpn.names == ["bob/default"]
    assert 'client-kill 3 "HALT,your access was revoked"' in openvpn.said
    assert openvpn.said.index("kill alice/default") < len(openvpn.said) - 1, "nobody looked again"


def test_one_file_a_serial_shuts_out_and_others_can_read_it(home: Household) -> None:
    (vpn,) = [one for one in home.listed() if one["door"] == "vpn"]

    told = home.run("revoke", "alice")

    shut = home.vault.vpn_revoked / str(vpn["serial"])
    assert (shut.read_bytes(), shut.stat().st_mode & 0o777) == (b"", 0o644)
    assert told.startswith("alice: 2 certificates revoked, no session was live; looked again: none is live")


@pytest.mark.parametrize(
    ("play", "why"),
    [
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"END\n"), "answers without a list of clients"),
        (says(b">INFO:hello\n", b"ERROR: not you\n"), "ERROR: not you"),
        (says(b"x" * 10_000), "answers without an end"),
        (says(HEADER.encode() + b"\nCLIENT_LIST\talice/default\tx\ty\tz\tmany\n"), "a client that can't be read"),
        (lambda stream, _: stream.sendall(b">INFO:bye\n"), "no proof that the VPN door let go"),
        (endless, "a client that can't be read"),
        (OpenVpn("alice/default", deaf=True), "a session of the VPN door still lives"),
    ],
    ids=["another program", "an error", "no end of a line", "a bad row", "hangs up", "endless", "deaf"],
)
def test_what_is_no_proof_is_said_with_status_1(home: Household, play: Play, why: str) -> None:
    with listening(home.vault.vpn_run / "udp.sock", play):
        status, told = home.attempt("revoke", "alice")

    assert status == 1
    assert why in told
    assert told.startswith("alice: 2 certificates revoked, but ")
    assert [one["state"] for one in home.listed()] == ["revoked", "revoked"]


def test_silence_is_waited_for_so_long_and_is_no_proof(home: Household) -> None:
    path = home.vault.vpn_run / "udp.sock"
    with (
        listening(path, says()),
        pytest.raises(Silent, match="no answer within 0 s"),
        management.conversation(path, patience=0.1) as talk,
    ):
        talk.clients()


def test_a_socket_that_nobody_listens_at_any_more_is_proof_enough(home: Household) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(home.vault.vpn_run / "udp.sock"))

    assert home.attempt("revoke", "alice")[0] == 0


def test_who_is_connected_is_listed_by_name(home: Household) -> None:
    with listening(home.vault.vpn_run / "tcp.sock", OpenVpn("alice/default", "UNDEF")):
        (session,) = json.loads(home.run("sessions", "--json"))

    assert session == {
        "identity": "alice",
        "device": "default",
        "door": "vpn",
        "from": "192.0.2.7:4711",
        "address": "10.99.0.2",
        "since": "2026-11-24T19:00:00Z",
        "bytes": 300,
    }


def test_a_door_that_does_not_tell_who_is_in_is_named(home: Household) -> None:
    with listening(home.vault.vpn_run / "udp.sock", says(b"END\n")):
        status, told = home.attempt("sessions")

    assert status == 1
    assert "udp.sock: answers without a list of clients" in told


@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.just(HEADER) | st.just(ROW), max_size=9)
)
def test_any_lines_are_a_list_of_clients_or_none(lines: Sequence[str]) -> None:
    try:
        found = management.parse_status(iter(lines), "here")
    except Silent:
        return
    assert all(isinstance(one, Client) for one in found)
