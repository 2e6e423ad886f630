"""This machine's commands and mounts, for real."""

import pytest

from panteras_dns.install.system import System
from panteras_dns.install.trouble import Trouble


def test_a_command_that_fails_is_told_with_its_own_first_word() -> None:
    assert System().run("echo", "fine") == "fine\n"
    with pytest.raises(Trouble, match=r"^sh -c echo one >&2; echo two >&2; exit 3: one$"):
        System().run("sh", "-c", "echo one >&2; echo two >&2; exit 3")
    with pytest.raises(Trouble, match="no-such-program: not found"):
        System().run("no-such-program")
    assert System().says("false") == System().says("no-such-program") == ""


def test_what_is_mounted_on_exactly_a_path_is_seen() -> None:
    assert System().is_mounted("/proc")
    assert not System().is_mounted("/proc/self") and not System().is_mounted("/etc/nowhere")


def test_a_program_that_runs_is_seen_by_its_name() -> None:
    assert not System().is_running("no-such-program")


def test_files_are_below_its_root_and_what_can_not_be_read_is_empty(tmp_path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/x").write_text("text\n")

    assert System(tmp_path).read("/etc/x") == "text\n" and System(tmp_path).read("/etc/y") == ""
    assert System(tmp_path).path("/etc/x") == tmp_path / "etc/x"
