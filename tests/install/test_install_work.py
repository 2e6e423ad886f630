"""What the commands say, and how they end."""

import json
import time

import pytest
from click.testing import CliRunner
from machine import Answers, Machine, options, tree

from panteras_dns.cli import main
from panteras_dns.install import units, work
from panteras_dns.install.apply import apply
from panteras_dns.install.configuration import FILE
from panteras_dns.install.journal import Journal, load, missing
from panteras_dns.install.owner import RESOLV_CONF
from panteras_dns.install.plan import make
from panteras_dns.install.trouble import Trouble
from panteras_dns.install.undo import settle

PLAIN = "nameserver 10.0.0.1\n"
JSON = work.Manner(yes=True, as_json=True)
YES = work.Manner(yes=True)


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path).put(RESOLV_CONF, PLAIN)


@pytest.fixture
def applied(machine) -> Machine:
    plan = make(machine, options())
    made = missing(machine, [one.path for one in plan.changes])
    apply(machine, Journal(plan, ends=time.time() + 120, made=made), Answers(), lambda _: None)
    return machine


def test_a_dry_run_shows_the_difference_and_changes_nothing(machine, capsys) -> None:
    before = tree(machine.root)
    work.install(machine, options(), (), work.Manner(dry_run=True))
    shown = capsys.readouterr().out
    work.install(machine, options(), (), work.Manner(dry_run=True, as_json=True))
    told = json.loads(capsys.readouterr().out)

    assert "-nameserver 10.0.0.1\n" in shown and "+nameserver 127.0.0.1\n" in shown
    assert told["version"] == 1 and told["state"] == "planned"
    assert [one["path"] for one in told["changes"]][-1] == RESOLV_CONF
    assert tree(machine.root) == before and machine.ran == []


def test_nobody_is_asked_without_a_terminal(machine) -> None:
    with pytest.raises(Trouble, match="expected --yes") as raised:
        work.install(machine, options(), (), work.Manner())
    assert raised.value.status == 2 and load(machine) is None


def test_a_second_time_changes_nothing(applied, capsys) -> None:
    before = tree(applied.root)
    work.install(applied, options(within=300), (), YES)

    assert "nothing to change" in capsys.readouterr().out and tree(applied.root) == before
    with pytest.raises(Trouble, match="with other options: panteras uninstall"):
        work.install(applied, options(docker=True), (), YES)


def test_units_of_another_release_are_named(applied, monkeypatch) -> None:
    monkeypatch.setattr(units, "_SOCKET", units.socket().replace("512", "1024"))
    with pytest.raises(Trouble, match=r"panteras-dns\.socket: this release has another: panteras uninstall"):
        work.install(applied, options(), (), YES)


def test_what_somebody_changed_is_told(applied, capsys) -> None:
    assert work.status(applied, work.Manner()) == 0
    applied.put(RESOLV_CONF, PLAIN + "# mine\n")

    assert work.status(applied, work.Manner()) == 1
    assert f"changed  {RESOLV_CONF}" in capsys.readouterr().out
    with pytest.raises(Trouble, match="somebody changed it since it was installed"):
        work.install(applied, options(), (), YES)
    with pytest.raises(Trouble, match="so it stays, the gateway, too"):
        work.uninstall(applied, YES, keep=False)
    assert "+# mine" in capsys.readouterr().err


def test_a_configuration_that_people_went_on_with_is_theirs(applied, capsys) -> None:
    applied.put(FILE, applied.read(FILE) + "# mine\n")
    work.install(applied, options(), (), YES)

    assert work.status(applied, work.Manner()) == 0 and f"changed  {FILE}" in capsys.readouterr().out
    with pytest.raises(Trouble, match="so it stays, all else was put back: put it right, or uninstall --keep"):
        work.uninstall(applied, YES, keep=False)
    assert applied.read(RESOLV_CONF) == PLAIN
    work.uninstall(applied, YES, keep=True)
    assert load(applied) is None and applied.read(FILE).endswith("# mine\n")


def test_an_installation_that_was_killed_is_to_be_taken_back(machine, capsys) -> None:
    plan = make(machine, options())
    Journal(plan, made=missing(machine)).save(machine)

    assert work.status(machine, JSON) == 1
    for attempt in (lambda: work.install(machine, options(), (), YES), lambda: work.confirm(machine)):
        with pytest.raises(Trouble, match=r"did not come to its end \(begun\): panteras install revert"):
            attempt()
    work.revert(machine)
    assert load(machine) is None


def test_what_is_confirmed_is_not_reverted(applied, capsys) -> None:
    journal = load(applied)
    assert journal is not None
    settle(applied, journal, lambda _: None)
    work.revert(applied)

    assert "it stays" in capsys.readouterr().out and load(applied) is not None


def test_where_nothing_is_there_is_nothing_to_undo(machine, capsys) -> None:
    before = tree(machine.root)
    work.uninstall(machine, JSON, keep=False)
    work.revert(machine)

    assert work.status(machine, YES) == 0 and tree(machine.root) == before
    with pytest.raises(Trouble, match="nothing is installed: panteras install"):
        work.confirm(machine)


def test_uninstall_shows_the_way_back(applied, capsys) -> None:
    work.uninstall(applied, work.Manner(dry_run=True), keep=False)
    shown = capsys.readouterr().out
    work.uninstall(applied, JSON, keep=False)

    assert "+nameserver 10.0.0.1\n" in shown and "+++ /dev/null" in shown
    assert json.loads(capsys.readouterr().out)["state"] == "absent"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("install", "--within", "5"), "60<=x<=86400"),
        (("install", "--upstream", "dns1"), "not an address: 'dns1'"),
        (("install", "--consul", "10.0.0.1:99999"), "not a port"),
        (("install", "now"), "No such command 'now'"),
        (("uninstall", "now"), "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line(words, said) -> None:
    done = CliRunner().invoke(main, words)

    assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.stderr
