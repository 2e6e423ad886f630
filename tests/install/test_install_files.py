"""Writing on real files: whole or not at all, and back with all that makes a file what it was."""

import contextlib
import os

import pytest

from panteras_dns.install.change import FILE, State, link, text_file
from panteras_dns.install.files import look, obstacle, put, unfinished
from panteras_dns.install.trouble import Trouble


def test_a_file_comes_back_with_mode_attributes_and_time(tmp_path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("old\n")
    path.chmod(0o4640)
    with contextlib.suppress(OSError):  # a file system without them
        os.setxattr(path, "user.note", b"mine")
    os.utime(path, ns=(5, 5))
    before = look(path)

    put(path, text_file("new\n", before))
    assert path.read_text() == "new\n" and path.stat().st_mode & 0o7777 == 0o4640
    put(path, before)
    assert look(path) == before


def test_a_link_comes_back_as_a_link_even_one_that_leads_nowhere(tmp_path) -> None:
    path = tmp_path / "resolv.conf"
    path.symlink_to("../run/nowhere")
    before = look(path)

    put(path, text_file("new\n"))
    assert not path.is_symlink()
    put(path, before)
    assert look(path) == before


def test_what_was_not_there_is_gone_again(tmp_path) -> None:
    path = tmp_path / "x"
    put(path, link("/etc/y"))
    put(path, State())
    put(path, State())

    assert list(tmp_path.iterdir()) == []


def test_in_place_it_stays_the_same_file(tmp_path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("a long line\n")
    number = path.stat().st_ino
    put(path, text_file("short\n"), in_place=True)

    assert path.read_text() == "short\n" and path.stat().st_ino == number


def test_what_a_killed_process_left_is_no_hindrance(tmp_path) -> None:
    path = tmp_path / "x"
    unfinished(path).write_text("half")
    put(path, text_file("whole\n"))

    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def test_what_could_not_be_put_back_is_refused(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "one").write_text("x")
    os.link(tmp_path / "one", tmp_path / "two")

    with pytest.raises(Trouble, match="folder: expected a file, a link or nothing"):
        look(tmp_path / "folder")
    with pytest.raises(Trouble, match="one: expected a directory"):
        look(tmp_path / "one" / "below")
    assert "2 names (hard links), expected one" in obstacle(tmp_path / "one", in_place=False)
    assert obstacle(tmp_path / "one", in_place=True) == obstacle(tmp_path / "nothing", in_place=False) == ""


def test_a_place_that_can_not_be_written_costs_one_line(tmp_path) -> None:
    with pytest.raises(Trouble, match=r"x: No such file or directory; it is as it was"):
        put(tmp_path / "nowhere" / "x", State(FILE, b"x"))
