"""Identities at several doors: all or none, and every door hears of a revocation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from household import Household, an_entry

from panteras_dns.access.door import Ended, Ending, Terms
from panteras_dns.access.identities import Identities
from panteras_dns.access.index import Entry, new_serial
from panteras_dns.access.ssh import sessions
from panteras_dns.access.ssh.door import SshDoor
from panteras_dns.access.trouble import Trouble


class OtherDoor:
    """A door that issues, and remembers what it heard; it may be out of order."""

    kind = "other"

    def __init__(self, broken: bool = False, left: int = 0, hasty: bool = False) -> None:
        self.broken, self.left, self.hasty = broken, left, hasty
        self.shut_out: list[int] = []
        self.ended: list[int] = []

    def issue(self, name: str, device: str, terms: Terms) -> Entry:
        if self.broken:
            raise Trouble("out of order")
        serial = new_serial()
        return an_entry(serial, name=name, device=device, door=self.kind, not_after=4_000_000_000)

    def renew(self, old: Entry, terms: Terms) -> Entry:
        return replace(old, serial=new_serial())

    def shut(self, index) -> None:
        if self.broken:
            raise Trouble("out of order")
        self.shut_out = list(index.revoked(self.kind)[0])

    def end(self, entries: Sequence[Entry]) -> Ended:
        self.ended = [entry.serial for entry in entries]
        return Ended(0 if self.hasty else len(entries), not self.left, "one still lives" if self.left else "")

    def sessions(self, entries: Sequence[Entry]) -> Sequence[Mapping[str, object]]:
        strangers = {"identity": "somebody", "device": "else"}
        return [*({"identity": one.name, "device": one.device} for one in entries), strangers]

    def renew_own(self) -> None: ...

    def own(self) -> Sequence[Ending]:
        return [Ending("the other door", 4_000_000_000, "panteras access renew gateway:")]


@pytest.fixture
def home(tmp_path) -> Household:
    return Household(tmp_path).begin()


def both(home: Household, other: OtherDoor) -> Identities:
    return Identities(home.vault, [SshDoor(home.vault), other])


def test_a_grant_is_for_every_door_and_a_revoke_too(home):
    other = OtherDoor()
    identities = both(home, other)
    granted = identities.grant([("alice", "laptop")], ["ssh", "other"], Terms(30))

    done = identities.revoke("alice", None)

    assert [entry.door for entry in granted] == ["ssh", "other"]
    assert other.shut_out == other.ended == [granted[1].serial]
    assert ({entry.state(0) for entry in identities.all()}, done.proved, done.sessions) == ({"revoked"}, True, 1)


def test_a_session_that_the_door_ended_by_itself_was_ended(home):
    identities = both(home, OtherDoor(hasty=True))
    identities.grant([("alice", "laptop")], ["ssh", "other"], Terms(30))

    assert identities.revoke("alice", None).sessions == 1


def test_one_door_out_of_order_lets_nobody_in_anywhere(home):
    with pytest.raises(Trouble, match="out of order"):
        both(home, OtherDoor(broken=True)).grant([("alice", "a"), ("bob", "b")], ["ssh", "other"], Terms(30))

    assert home.listed() == []


def test_a_revoke_that_one_door_does_not_hear_is_none(home):
    both(home, OtherDoor()).grant([("alice", "laptop")], ["ssh"], Terms(30))

    with pytest.raises(Trouble, match="out of order"):
        both(home, OtherDoor(broken=True)).revoke("alice", None)

    assert [one["state"] for one in home.listed()] == ["valid"]


def test_what_is_not_proved_at_one_door_is_not_proved(home):
    identities = both(home, OtherDoor(left=1))
    identities.grant([("alice", "laptop")], ["ssh", "other"], Terms(30))

    done = identities.revoke("alice", None)

    assert (done.proved, [one.why for one in done.ended]) == (False, ["", "one still lives"])


def test_a_renewal_keeps_each_door_s_own(home):
    identities = both(home, OtherDoor())
    identities.grant([("alice", "laptop")], ["ssh", "other"], Terms(30, ("web",)))

    fresh = identities.renew("alice", None, 60, None)

    assert [(entry.door, entry.services) for entry in fresh] == [("ssh", "web"), ("other", "")]
    assert [entry.serial for entry in identities.device("alice", None)] == [entry.serial for entry in fresh]


def test_a_session_that_would_not_end_is_told_with_status_1(home, monkeypatch):
    monkeypatch.setattr("panteras_dns.access.ssh.door._PATIENCE", 0.05)
    home.run("grant", "alice")
    (entry,) = home.listed()
    with sessions.session(home.vault.sessions, {"serial": entry["serial"], "identity": "alice"}):
        status, told = home.attempt("revoke", "alice", "--json")
        again, text = home.attempt("revoke", "alice")

    said = json.loads(told)
    assert (status, said["proved"], said["sessions_ended"]) == (1, False, 1)
    assert "still lives after" in said["why"][0] and "stop the door's container" in said["why"][0]
    assert again == 1
    assert text.startswith("alice: 1 certificate revoked, but a session of the SSH door still lives after 0.")
