"""Who is in by the VPN: what OpenVPN's hooks tell, what that opens, and a hook as OpenVPN runs it."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from panteras_dns.access.lookup import Place, Unknown
from panteras_dns.access.settings import network
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vpn import firewall, hook
from panteras_dns.access.vpn.guests import Guests, me
from panteras_dns.access.vpn.openings import Open, Openings
from panteras_dns.access.vpn.roster import Listed, Roster

NETWORKS = [network("10.1.0.0/16", "here"), network("fd77:9::/64", "here")]
WEB, DB = "web.service.consul", "db.service.consul"
ADDRESS, OTHER = "10.99.0.2", "10.99.0.3"


class Wall:
    """A firewall that remembers what it was told; broken, it takes nothing."""

    def __init__(self) -> None:
        self.open, self.forgotten, self.broken = Open(), list[str](), False

    def follow(self, wanted: Open) -> None:
        if self.broken:
            raise Trouble("nft: no")
        self.open = wanted

    def forget(self, addresses: Sequence[str]) -> None:
        self.forgotten += addresses


class House:
    """Guests with a roster, a catalogue and a wall of their own."""

    def __init__(self, directory: Path) -> None:
        self.roster, self.revoked = directory / "roster", directory / "revoked"
        for made in (self.roster, self.revoked):
            made.mkdir()
        self.services: dict[str, set[Place]] = {}
        self.wall, self.told = Wall(), list[Mapping[str, Any]]()
        openings = Openings(NETWORKS, "consul")
        roster = Roster(self.roster, self.revoked)
        self.guests = Guests(roster, openings, self.wall, self._find, self.told.append)  # type: ignore[arg-type]

    def _find(self, name: str) -> set[Place]:
        if name not in self.services:
            raise Unknown(name)
        return self.services[name]

    def list(self, serial: int, name: str, *services: str, ends: float = 3600) -> None:
        listed = Listed(serial, name, "laptop", services, int(time.time() + ends))
        (self.roster / str(serial)).write_bytes(listed.as_bytes())

    def tell(self, event: str, serial: int = 1, **changes: str) -> str:
        told = {
            "event": event, "transport": "vpn-udp", "name": "alice/laptop", "serial": str(serial), "address": ADDRESS,
            "address6": "", "from": "192.0.2.7", "from6": "", "connected": "1000", "received": "10", "sent": "20",
        }  # fmt: skip
        return asyncio.run(self.guests.told(told | changes))

    def come(self, serial: int = 1, **changes: str) -> str:
        return self.tell("client-connect", serial, **changes)

    def go(self, serial: int = 1, **changes: str) -> str:
        return self.tell("client-disconnect", serial, **changes)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_who_has_no_limit_may_go_wherever_the_door_leads(house: House) -> None:
    house.list(1, "alice")

    answer = house.come(address6="fd12::2")

    guest = house.guests.at("fd12::2")
    assert (answer, house.wall.open) == ("ok", Open(frozenset({ADDRESS, "fd12::2"})))
    assert house.wall.forgotten == [ADDRESS, "fd12::2"], "connections of who had the address before"
    assert guest is not None
    assert me(guest).startswith("identity=alice device=laptop door=vpn until=")


def test_who_is_limited_finds_her_services_open_at_once(house: House) -> None:
    house.list(1, "alice", "web")
    house.services[WEB] = {("10.1.0.5", 80), ("192.0.2.1", 80), ("127.0.0.1", 80), ("fd77:9::5", 80)}

    house.come(address6="fd12::2")

    places = {(ADDRESS, "10.1.0.5", 80), ("fd12::2", "fd77:9::5", 80)}
    assert house.wall.open == Open(frozenset(), frozenset(places)), "within the networks, and of one version of IP"


def test_who_goes_leaves_nothing_open_and_one_line(house: House) -> None:
    house.list(1, "alice")
    house.come()

    house.go()

    assert (house.wall.open, house.guests.at(ADDRESS)) == (Open(), None)
    assert [one["event"] for one in house.told] == ["begin", "end"]
    assert (house.told[-1]["identity"], house.told[-1]["bytes"], house.told[-1]["from"]) == ("alice", 30, "192.0.2.7")


def test_a_late_word_of_an_old_connection_does_not_end_the_new_one(house: House) -> None:
    house.list(1, "alice")
    house.come(connected="1000")
    house.come(connected="2000")

    house.go(connected="1000")

    assert house.guests.at(ADDRESS) is not None
    assert house.wall.open.free == {ADDRESS}


def test_a_laptop_that_roamed_is_known_when_it_goes(house: House) -> None:
    house.list(1, "alice")
    house.come()

    house.go(**{"from": "198.51.100.9"})

    assert house.guests.at(ADDRESS) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"serial": "2"}, "certificate 2 is not of this door: nobody was granted it here"),
        ({"serial": "3"}, "certificate 3 was revoked"),
        ({"serial": "4"}, "certificate 4 of eve/laptop has expired"),
        ({"serial": "5"}, "can't be read"),
        ({"name": "bob/laptop"}, "certificate 1 is for alice/laptop, not for 'bob/laptop'"),
        ({"address": ""}, "no address is left in the pool"),
        ({"serial": "../1"}, "not an event of OpenVPN"),
        ({"event": "learn-address"}, "not an event of OpenVPN: 'learn-address'"),
    ],
)
def test_who_can_not_be_judged_is_not_let_in(house: House, changes: dict[str, str], why: str) -> None:
    house.list(1, "alice")
    house.list(3, "mallory")
    house.list(4, "eve", ends=-10)
    (house.revoked / "3").touch()
    (house.roster / "5").write_text("{}")
    names = {"3": "mallory/laptop", "4": "eve/laptop"}

    answer = house.tell(
        **({"event": "client-connect", "name": names.get(changes.get("serial", ""), "alice/laptop")} | changes)
    )  # type: ignore[arg-type]

    assert answer.startswith("refused: ")
    assert why in answer
    assert (house.told[-1]["event"], house.wall.open, house.guests.at(ADDRESS)) == ("refused", Open(), None)


def test_nobody_is_let_in_while_the_firewall_does_not_take_it(house: House) -> None:
    house.list(1, "alice")
    house.wall.broken = True

    answer = house.come()
    house.wall.broken = False
    house.guests.follow({})

    assert answer == "refused: nft: no"
    assert house.wall.open == Open(), "what failed is not made up for later"


def test_a_list_of_the_revoked_that_is_gone_shuts_out_everybody(house: House) -> None:
    house.list(1, "alice")
    house.revoked.rmdir()

    assert house.come() == "refused: certificate 1 was revoked"


def test_who_was_revoked_or_expired_has_to_go(house: House) -> None:
    house.list(1, "alice")
    house.come()
    (guest,) = [house.guests.at(ADDRESS)]

    before = house.guests.over(time.time())
    late = house.guests.over(time.time() + 7200)
    (house.revoked / "1").touch()

    assert before == []
    assert late == [(guest, "your certificate has expired")]
    assert house.guests.over(time.time()) == [(guest, "your access was revoked")]


def test_the_catalogue_is_followed_and_a_silence_waited_out(house: House) -> None:
    house.list(1, "alice", "web")
    house.services[WEB] = {("10.1.0.5", 80)}
    house.come()

    def look() -> Collection[tuple[str, str, int]]:
        house.guests.follow(house.guests.look_up(house.guests.services()))
        return house.wall.open.places

    house.services[WEB] = {("10.1.0.6", 81)}
    assert look() == {(ADDRESS, "10.1.0.6", 81)}
    del house.services[WEB]
    assert look() == {(ADDRESS, "10.1.0.6", 81)}, "a restart of the DNS closes nothing"
    house.services[WEB] = set()
    assert look() == set()


def test_a_pattern_opens_what_was_asked_for_and_is_there(house: House) -> None:
    house.list(1, "alice", "w*")
    house.come()

    unasked = house.wall.open.places
    other = house.guests.asked(ADDRESS, DB)
    service = house.guests.asked(ADDRESS, WEB)
    assert service == WEB
    house.guests.open(ADDRESS, WEB, {("10.1.0.5", 80)})
    house.guests.open(OTHER, WEB, {("10.1.0.5", 80)})

    assert (unasked, other) == (frozenset(), None)
    assert house.wall.open.places == {(ADDRESS, "10.1.0.5", 80)}
    assert house.guests.asked(ADDRESS, WEB) is None, "it is open already"


def test_who_asks_for_what_is_not_there_has_nobody_look_for_it(house: House) -> None:
    house.list(1, "alice", "*")
    house.come()

    for number in range(10):
        house.guests.open(ADDRESS, f"nothing{number}.service.consul", set())

    assert house.guests.services() == set()


def test_openings_of_one_client_are_bounded() -> None:
    openings = Openings(NETWORKS, "consul")
    openings.begin([ADDRESS], ("*", "web"))

    for number in range(400):
        openings.came_true(ADDRESS, f"s{number}.service.consul", [("10.1.0.5", number + 1)], 0.0)

    assert len(openings.names()) == 257
    assert {WEB, "s399.service.consul"} <= openings.names()
    assert len(openings.open().places) == 256


def test_what_nobody_confirms_for_half_a_minute_is_closed() -> None:
    openings = Openings(NETWORKS, "consul")
    openings.begin([ADDRESS], ("web",))
    openings.found(WEB, [("10.1.0.5", 80)], 100.0)

    openings.unknown(WEB, 129.0)
    within = openings.open().places
    openings.unknown(WEB, 130.0)

    assert within == {(ADDRESS, "10.1.0.5", 80)}
    assert openings.open().places == set()


def test_the_firewall_is_told_what_changed_and_no_more() -> None:
    before = Open(frozenset({ADDRESS}), frozenset({(OTHER, "10.1.0.5", 80)}))
    after = Open(frozenset({ADDRESS, "fd12::2"}), frozenset({(OTHER, "10.1.0.6", 80)}))

    assert firewall.changes(before, after) == (
        "delete element inet panteras_vpn open4 { 10.99.0.3 . 10.1.0.5 . 80 }\n"
        "add element inet panteras_vpn open4 { 10.99.0.3 . 10.1.0.6 . 80 }\n"
        "add element inet panteras_vpn free6 { fd12::2 }\n"
    )
    assert firewall.changes(after, after) == ""


@contextlib.contextmanager
def keeper(path: Path, answer: bytes | None) -> Iterator[list[bytes]]:
    """What a hook talks to; None hangs up."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()

        def serve() -> None:
            stream, _ = door.accept()
            with stream:
                heard.append(stream.makefile("rb").readline())
                if answer is not None:
                    stream.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        thread.join()


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"ok\n", 0, ""),
        (b"refused: no\n", 1, "panteras: refused: no\n"),
        (None, 1, "panteras: no answer of the keeper\n"),
    ],
)
def test_a_hook_lets_in_on_one_word_alone(tmp_path: Path, answer: bytes | None, status: int, said: str) -> None:
    environment = {"script_type": "client-connect", "tls_serial_0": "7", "common_name": "alice/laptop", "SECRET": "x"}
    with keeper(tmp_path / "hooks", answer) as heard:
        words = [sys.executable, "-I", "-S", hook.__file__, str(tmp_path / "hooks"), "cc.tmp"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=20, check=False)

    assert (done.returncode, done.stderr) == (status, said)
    assert b'"event": "client-connect"' in heard[0]
    assert b"SECRET" not in heard[0]


def test_a_hook_without_a_keeper_lets_nobody_in(tmp_path: Path) -> None:
    words = [sys.executable, "-I", "-S", hook.__file__, str(tmp_path / "none")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 1
    assert "the door's keeper does not answer" in done.stderr
