"""What the dashboard hears of the doors: names and times, in a file that everybody may read, whole or not at all."""

import json

import pytest

from panteras_dns.access import tell
from panteras_dns.access.trouble import Trouble
from panteras_dns.admin.beside import STALE, people

SESSION = {
    "identity": "alice",
    "device": "laptop",
    "door": "ssh",
    "since": "2026-11-25T20:00:00Z",
    "from": "192.0.2.7",
    "serial": 5,
}
ENDING = {
    "what": "bob/phone (vpn)",
    "not_after": "2026-12-01T00:00:00Z",
    "days": 6,
    "renew": "panteras access renew bob/phone",
}


def test_names_and_times_are_told_and_addresses_and_serials_are_not():
    told = tell.picture([SESSION], ["the VPN door is busy"], [ENDING], 100.0)

    assert told == {
        "at": 100.0,
        "sessions": [{"id": "alice/laptop", "door": "ssh", "since": 1795636800.0}],
        "silent": ["the VPN door is busy"],
        "ending": [{"what": "bob/phone (vpn)", "not_after": 1796083200.0}],
    }


def test_the_dashboard_reads_what_was_written(tmp_path):
    file = tmp_path / "run" / "people.json"
    tell.write(file, tell.picture([SESSION], ["the VPN door is busy"], [ENDING], 100.0))

    sessions, ending = people(str(file), 101.0)

    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in file.parent.iterdir()] == ["people.json"]
    assert [one["id"] for one in sessions.value or ()] == ["alice/laptop"]
    assert sessions.problem == "the VPN door is busy"
    assert [one["what"] for one in ending.value or ()] == ["bob/phone (vpn)"]


def test_a_session_that_does_not_say_since_when_is_told_without_it():
    assert tell.picture([{"door": "vpn", "identity": "a", "device": ""}], [], [], 1.0)["sessions"] == [
        {"id": "a", "door": "vpn", "since": None}
    ]


def test_a_place_that_can_not_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Trouble, match=r"file/people\.json: .*expected a file in a directory that can be written"):
        tell.write(tmp_path / "file" / "people.json", {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "nobody tells: `panteras access tell` writes "),
        ("{", "not what `panteras access tell` writes"),
        ("[]", "not what `panteras access tell` writes"),
        ('{"sessions": [{"id": 1}], "ending": [], "at": 1}', "not what `panteras access tell` writes"),
        ('{"sessions": 5, "ending": [], "at": 1}', "not what `panteras access tell` writes"),
        (json.dumps(tell.picture([], [], [], 100.0 - STALE - 1)), "was last written 121 s ago"),
    ],
)
def test_without_a_file_that_can_be_believed_nobody_is_shown_and_it_is_said_why(tmp_path, text, problem):
    file = tmp_path / "people.json"
    if text is not None:
        file.write_text(text)

    sessions, ending = people(str(file), 100.0)

    assert (sessions.value, ending.value) == (None, None)
    assert problem in sessions.problem


def test_nowhere_to_look_is_said_too():
    assert people("", 1.0)[0].problem == "admin.people is empty"
