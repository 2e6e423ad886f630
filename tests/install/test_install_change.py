"""States of a path, and how a person sees that one becomes the other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from panteras_dns.install.change import FILE, LINK, Change, State, change, link

STATES = some.builds(
    State,
    some.sampled_from(["absent", FILE, LINK]),
    some.binary(max_size=40),
    some.integers(0, 0o7777),
    some.integers(0, 2**31),
    some.integers(0, 2**31),
    some.lists(some.tuples(some.text(max_size=9), some.binary(max_size=9)), max_size=2).map(tuple),
    some.integers(0, 2**62),
)


@given(STATES)
def test_a_state_comes_back_from_json_as_it_was(state) -> None:
    assert State.from_json(json.loads(json.dumps(state.as_json()))) == state


def test_when_it_was_written_makes_no_difference() -> None:
    assert State(FILE, b"x", written=1).same(State(FILE, b"x", written=2))
    assert not State(FILE, b"x", 0o600).same(State(FILE, b"x", 0o644))


def test_a_file_keeps_mode_owner_and_attributes_of_the_one_before() -> None:
    before = State(FILE, b"old\n", 0o640, 7, 8, (("user.a", b"b"),), written=5)

    assert change("/etc/x", before, "new\n").after == State(FILE, b"new\n", 0o640, 7, 8, (("user.a", b"b"),))


def test_the_difference_is_one_that_patch_reads() -> None:
    assert change("/etc/x", State(FILE, b"a\nb\n"), "a\nc\n").diff().splitlines() == [
        "--- /etc/x",
        "+++ /etc/x",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]
    assert change("/etc/x", State(), "a\n").diff().startswith("--- /dev/null\n+++ /etc/x\n")
    assert "+link to /etc/y" in Change("/etc/x", State(), link("/etc/y")).diff()


@pytest.mark.parametrize(("before", "after"), [("a long one\n", "short\n"), ("short\n", "a long one\n")])
def test_a_file_that_was_half_written_in_place_is_ours(before, after) -> None:
    made = change("/etc/x", State(FILE, before.encode()), after, in_place=True)
    old, new = before.encode(), after.encode()

    assert made.is_ours(State(FILE, new)) and made.is_ours(State(FILE, new + old[len(new) :]))
    assert made.is_ours(State(FILE, old + new[len(old) :]))
    assert not made.is_ours(State(FILE, b"another\n")) and not made.is_ours(State())
