"""The index: everything for ever, and each change whole or not at all."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing import get_context

import pytest
from household import an_entry

from panteras_dns.access.index import Index, new_serial
from panteras_dns.access.trouble import Trouble

VERSION_1 = """
CREATE TABLE certificates (serial, name, device, fingerprint, digest, services, issued, not_before, not_after, certificate, private_key, revoked, PRIMARY KEY (serial));
CREATE INDEX by_name ON certificates (name, device);
CREATE INDEX by_key ON certificates (digest);
PRAGMA user_version = 1;
"""


@pytest.fixture
def index(tmp_path) -> Index:
    return Index(tmp_path / "index.db", create=True)


def test_what_was_added_is_found_as_it_was(tmp_path, index):
    entries = [an_entry(1), an_entry(2, device="phone"), an_entry(3, name="bob", wrapped_key="PEM", door="vpn")]

    with index.writing():
        index.add(entries)

    again = Index(tmp_path / "index.db")
    assert again.all() == entries
    assert (again.of("alice"), again.of("alice", "phone")) == (entries[:2], [entries[1]])
    assert again.with_key(entries[2].digest) == [entries[2]]


def test_nobody_else_may_read_the_file(tmp_path, index):
    assert (tmp_path / "index.db").stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_half_way_never_was(index):
    with suppress(RuntimeError), index.writing():
        index.add([an_entry(1)])
        raise RuntimeError

    assert index.all() == []


def test_a_serial_comes_once(index):
    with index.writing():
        index.add([an_entry(1)])

    with pytest.raises(Trouble, match=r"UNIQUE constraint failed: .*; nothing was changed"), index.writing():
        index.add([an_entry(2), an_entry(1)])

    assert index.all() == [an_entry(1)]


def test_the_time_of_a_revocation_stays_and_each_door_has_its_own(index):
    with index.writing():
        index.add([an_entry(1), an_entry(2, door="vpn"), an_entry(3)])
        index.revoke([1, 2], 1_800_000_000)
        index.revoke([1], 1_800_000_777)

    assert index.of("alice")[0] == replace(an_entry(1), revoked=1_800_000_000)
    assert index.revoked("ssh") == ([1], [an_entry(1).digest])
    assert index.revoked("vpn") == ([2], [an_entry(2).digest])


def test_the_last_certificate_is_the_one_that_was_issued_last_also_when_the_clock_jumped_back(index):
    with index.writing():
        index.add([an_entry(1, issued=2_000_000_000), an_entry(2, issued=1_700_000_000)])

    assert [entry.serial for entry in index.of("alice")] == [1, 2]
    assert [entry.serial for entry in index.all()] == [1, 2]


def test_an_index_from_before_the_second_door_is_taken_over_whole(tmp_path):
    old = (7, "alice", "laptop", "SHA256:abc", b"d", "web", 1, 2, 3, "cert", b"key", 1_800_000_000)
    with closing(sqlite3.connect(tmp_path / "index.db")) as database:
        database.executescript(VERSION_1)
        database.execute(f"INSERT INTO certificates VALUES ({', '.join('?' * len(old))})", old)
        database.commit()

    for _ in range(2):
        index = Index(tmp_path / "index.db")
        assert index.all() == [
            an_entry(
                7, digest=b"d", services="web", issued=1, not_before=2, not_after=3, certificate="cert",
                private_key=b"key", revoked=1_800_000_000, door="ssh", wrapped_key="",
            )
        ]  # fmt: skip
    with index.writing():
        index.add([an_entry(8, door="vpn")])
    assert index.revoked("ssh") == ([7], [b"d"])


@pytest.mark.parametrize("version", [0, 3, 99])
def test_an_index_of_another_version_is_left_alone(tmp_path, version):
    with closing(sqlite3.connect(tmp_path / "index.db")) as database:
        database.execute(f"PRAGMA user_version = {version}")
        database.execute("CREATE TABLE other (a)")
    before = (tmp_path / "index.db").read_bytes()

    with pytest.raises(Trouble, match="not an index of identities of this version"):
        Index(tmp_path / "index.db")

    assert (tmp_path / "index.db").read_bytes() == before


@pytest.mark.parametrize(
    "damage", [lambda data: b"garbage" * 1000, lambda data: data[: len(data) // 2] + b"\xff" * 4096]
)
def test_a_damaged_index_is_told_in_one_line(tmp_path, index, damage):
    path = tmp_path / "index.db"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(Trouble, match=r"index.db: .*; nothing was changed") as told:
        Index(path).all()

    assert "\n" not in str(told.value)


def _add(path, first: int) -> None:
    index = Index(path)
    for serial in range(first, first + 20):
        with index.writing():
            known = len(index.all())
            index.add([an_entry(serial, name=f"person{known}")])


def test_two_commands_at_once_both_get_through_and_neither_sees_half(tmp_path, index):
    context = get_context("fork")
    both = [context.Process(target=_add, args=(tmp_path / "index.db", first)) for first in (100, 200)]
    for one in both:
        one.start()
    for one in both:
        one.join(20)

    assert [one.exitcode for one in both] == [0, 0]
    assert {entry.name for entry in index.all()} == {f"person{number}" for number in range(40)}


def test_serials_are_fit_for_json():
    assert all(0 < new_serial() < 2**53 for _ in range(1000))


@pytest.mark.parametrize(
    ("changes", "moment", "state"),
    [
        ({}, 1_800_000_000, "valid"),
        ({}, 1_899_999_999, "valid"),
        ({}, 1_900_000_000, "expired"),
        ({}, 1_699_999_999, "waiting"),
        ({"revoked": 5}, 1_800_000_000, "revoked"),
        ({"revoked": 5}, 2_000_000_000, "revoked"),
    ],
)
def test_the_state_of_a_certificate(changes, moment, state):
    assert an_entry(**changes).state(moment) == state
