"""Names of people, devices and services."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access import names
from panteras_dns.access.trouble import Misuse

ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")


@pytest.mark.parametrize("text", ["a", "alice", "Bob.Smith", "carol@example.com", "x_y-z", "7", "a" * 64])
def test_a_plain_name_is_taken(text):
    assert names.name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 65,
        ".",
        "..",
        ".hidden",
        "-rf",
        "a b",
        "a/b",
        "a\n",
        "\nroot",
        "a\0",
        "älice",
        "a;b",
        "$(id)",
        "a\u200b",
    ],
)
def test_another_name_is_refused_in_one_line_with_status_2(text):
    with pytest.raises(Misuse, match=r"not a name: .*, expected 1 to 64 letters") as told:
        names.name(text)

    assert told.value.status == 2
    assert "\n" not in str(told.value)


@given(st.text(max_size=70))
def test_whatever_is_taken_is_a_harmless_file_name(text):
    with contextlib.suppress(Misuse):
        found = names.name(text)
        assert set(found) <= ALLOWED and 1 <= len(found) <= 64 and found[0] not in ".-"


def test_a_pair_has_a_device_or_none():
    assert [names.pair("alice"), names.pair("alice/laptop")] == [("alice", None), ("alice", "laptop")]


@pytest.mark.parametrize("text", ["alice/", "/laptop", "alice/lap/top", "alice/.."])
def test_a_pair_with_a_bad_half_is_refused(text):
    with pytest.raises(Misuse):
        names.pair(text)


def test_people_without_a_device_get_the_given_one():
    assert names.people(["alice", "bob/phone"], "laptop") == [("alice", "laptop"), ("bob", "phone")]


@pytest.mark.parametrize(("texts", "reason"), [([], "nobody is named"), (["a", "b", "a/x"], "^a/x: is named twice")])
def test_nobody_and_somebody_twice_are_refused(texts, reason):
    with pytest.raises(Misuse, match=reason):
        names.people(texts, "x")


def test_ten_thousand_people_are_looked_through_at_once():
    began = time.process_time()

    found = names.people([f"person{number}" for number in range(10_000)], "laptop")

    assert len(found) == 10_000
    assert time.process_time() - began < 0.5


def test_services_are_read_once_each_and_without_case():
    assert names.services(" python*, Web,,web ") == ("python*", "web")
    assert names.services("") == names.services("  ") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("web.service.consul", "not a service"),
        ("a b", "not a service"),
        ("[a-z]", "not a service"),
        ("wéb", "not a service"),
        ("x" * 64, "not a service"),
        (",", "no service in"),
        (",".join(f"s{number}" for number in range(65)), "too many services: 65"),
    ],
)
def test_what_is_no_service_is_refused_and_never_taken_for_all(text, reason):
    with pytest.raises(Misuse, match=reason):
        names.services(text)


def test_a_pattern_covers_whole_names_alone():
    covered = [one for one in ("web", "WEB", "web2", "aweb", "we") if names.matches(one, ("web",))]
    by_star = [one for one in ("python1", "python", "mypython") if names.matches(one, ("python*",))]

    assert (covered, by_star) == (["web", "WEB"], ["python1", "python"])
