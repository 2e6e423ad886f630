"""Sessions by their locks: who lives, who is gone, and that nothing in the directory is believed."""

import json
import os
import threading
from contextlib import ExitStack
from multiprocessing import get_context

import pytest

from panteras_dns.access.ssh import sessions
from panteras_dns.access.trouble import Trouble

TOLD = {"serial": 7, "identity": "alice", "device": "laptop", "pid": 4711}


def files(directory) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_a_session_is_known_for_as_long_as_it_lasts(tmp_path):
    with sessions.session(tmp_path, TOLD):
        during = sessions.live(tmp_path)

    assert during == [TOLD]
    assert sessions.live(tmp_path) == []
    assert files(tmp_path) == []


def test_those_of_some_serials_are_told_apart(tmp_path):
    with ExitStack() as stack:
        for serial in (7, 7, 77):
            stack.enter_context(sessions.session(tmp_path, TOLD | {"serial": serial}))

        assert [one["serial"] for one in sessions.live(tmp_path, {7})] == [7, 7]
        assert sessions.live(tmp_path, {1}) == []


def _die_in_a_session(directory) -> None:
    held = sessions.session(directory, TOLD)
    held.__enter__()
    os._exit(1)


def test_who_died_is_gone_and_its_file_is_cleared_away(tmp_path):
    child = get_context("fork").Process(target=_die_in_a_session, args=(tmp_path,))
    child.start()
    child.join(10)
    left = files(tmp_path)

    assert sessions.live(tmp_path) == []
    assert (len(left), files(tmp_path)) == (1, [])


def test_an_empty_file_is_left_to_who_is_about_to_lock_it(tmp_path):
    (tmp_path / "7.1.1").touch()

    assert sessions.live(tmp_path) == []
    assert files(tmp_path) == ["7.1.1"]


def test_the_wait_for_an_end_ends_with_it(tmp_path):
    began, over = threading.Event(), threading.Event()

    def live_a_while() -> None:
        with sessions.session(tmp_path, TOLD):
            began.set()
            over.wait(10)

    thread = threading.Thread(target=live_a_while)
    thread.start()
    began.wait(10)
    before, _ = sessions.gone(tmp_path, {7}, 0.05)
    over.set()
    after, seconds = sessions.gone(tmp_path, {7}, 10)
    thread.join(10)

    assert (before, after, seconds < 5) == (False, True, True)


@pytest.mark.parametrize("make", ["link", "pipe", "directory", "odd name", "long name"])
def test_what_a_door_gone_bad_puts_there_neither_hangs_nor_misleads(tmp_path, make):
    (tmp_path / "secret").write_text("{}")
    directory = tmp_path / "sessions"
    directory.mkdir()
    path = directory / "7.1.1"
    if make == "link":
        path.symlink_to(tmp_path / "secret")
    elif make == "pipe":
        os.mkfifo(path)
    elif make == "directory":
        path.mkdir()
    else:
        (directory / ("\u0667.1.1" if make == "odd name" else "7" * 200)).write_text("x")

    assert sessions.live(directory) == []
    assert sessions.gone(directory, {7}, 0)[0]
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b"[" * 4000, b"x" * 100_000])
def test_a_session_that_tells_nonsense_lives_all_the_same(tmp_path, data):
    with sessions.session(tmp_path, TOLD):
        (path,) = tmp_path.iterdir()
        path.write_bytes(data)

        assert sessions.live(tmp_path) == [{"serial": 7}]


def test_what_a_session_tells_does_not_move_the_cursor_of_who_reads_it(tmp_path):
    evil = json.loads('"\\u001b[2Jroot\\r\\n"')
    with sessions.session(tmp_path, TOLD | {"identity": evil}):
        (told,) = sessions.live(tmp_path)

    assert told["identity"] == "?[2Jroot??"


def test_a_directory_that_is_gone_proves_nothing(tmp_path):
    with pytest.raises(Trouble, match="No such file or directory: nobody can tell who is connected"):
        sessions.gone(tmp_path / "gone", {7}, 0)
