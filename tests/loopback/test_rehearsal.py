"""`panteras rehearse`: another configuration beside the gateway that runs, both asked the same."""

import json

import pytest
from admin_page import Admin
from program import a_record, ask
from test_admin import panteras

RECORD = '[[record]]\nname = "{}.example"\ntype = "A"\ndata = "{}"\n'
ROUTES = """\
[[route]]
domains = ["consul"]
servers = ["{}"]
kind = "consul"
[[route]]
domains = ["."]
servers = ["{}"]
"""


@pytest.fixture
def rehearse(gateway, responder, tmp_path):
    """The command, for a gateway that was asked for two names; it takes what the other configuration has beside routes."""
    consul, other = responder(a_record("10.0.0.1")), responder(a_record("10.0.0.2"))
    options = ("--listen", "127.0.0.1:0", "--consul", str(consul), "--upstream", str(other))
    running = Admin(gateway(*options, admin="127.0.0.1:0").ready())
    port, file = running.gateway.port, tmp_path / "new.toml"
    for name in ("web.service.consul", "a.example"):
        ask(port, name)
    words = ("--server", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{running.port}", "--config", str(file))

    def run(text: str, *more: str):
        file.write_text(ROUTES.format(consul, other) + text)
        return panteras("rehearse", *words, *more)

    return run


def test_the_same_answers_are_no_change(rehearse):
    status, shown, told = rehearse('[querylog]\nto = "/nowhere/queries.log"\n')

    assert (status, shown, told) == (0, "2 questions, 0 answered otherwise\n", "")


def test_what_would_be_answered_otherwise_is_shown(rehearse):
    status, shown, _ = rehearse(RECORD.format("a", "10.9.9.9"))
    assert status == 1
    assert shown.startswith("a.example A: ") and shown.endswith(
        " -> 10.9.9.9 (record)\n2 questions, 1 answered otherwise\n"
    )

    status, shown, _ = rehearse(RECORD.format("a", "10.9.9.9"), "--json")
    assert status == 1 and [one["name"] for one in json.loads(shown)["changes"]] == ["a.example"]


def test_names_of_a_file(rehearse, tmp_path):
    names = tmp_path / "names"
    names.write_text("a.example\nlocalhost AAAA\n")
    assert rehearse(RECORD.format("b", "10.9.9.9"), "--names", str(names))[:2] == (
        0,
        "2 questions, 0 answered otherwise\n",
    )

    names.write_text("one two three\n")
    assert "line 1: expected a name and a type" in rehearse("", "--names", str(names))[2]


@pytest.mark.parametrize(
    ("text", "words", "status", "said"),
    [
        ("[nope]\n", (), 2, "nope"),
        ("", ("--server", "127.0.0.1:9"), 3, "127.0.0.1:9 does not answer"),
        ("", ("--admin", "127.0.0.1:9"), 3, "no admin answers at 127.0.0.1:9"),
    ],
)
def test_what_can_not_be_compared_is_one_line(rehearse, text, words, status, said):
    found, shown, told = rehearse(text, *words)

    assert (found, shown) == (status, "")
    assert said in told.splitlines()[-1] and "Traceback" not in told
