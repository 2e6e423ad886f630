"""What the commands do, from the question to the last word. Progress and troubles go to stderr, results to stdout."""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from panteras_dns.install.apply import apply
from panteras_dns.install.change import difference
from panteras_dns.install.configuration import FILE, consul_domain
from panteras_dns.install.files import look
from panteras_dns.install.journal import APPLIED, CONFIRMED, Journal, load, missing, only_one, sweep
from panteras_dns.install.plan import Options, as_wanted, make, outdated
from panteras_dns.install.system import System
from panteras_dns.install.trial import Trial, known
from panteras_dns.install.trouble import Trouble
from panteras_dns.install.undo import drifted, settle, take_back

VERSION = 1  # of the JSON: fields are added, none changes its meaning
PROBLEM, USAGE = 1, 2
_STOPPED = 20.0  # seconds that the switch waits for a process that was stopped while it installed


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person wants to be served."""

    yes: bool = False
    dry_run: bool = False
    as_json: bool = False

    def show(self, texts: Sequence[str]) -> None:
        for text in () if self.as_json else texts:
            click.echo(text)

    def end(self, state: str, text: str = "", **more: Any) -> None:
        if self.as_json:
            click.echo(json.dumps({"version": VERSION, "state": state, **more}))
        elif text:
            click.echo(text)

    def ask(self, question: str) -> None:
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise Trouble("no terminal to ask at, expected --yes", USAGE)
        if not click.confirm(question, err=True):
            raise Trouble("nothing was changed")


def install(system: System, wanted: Options, names: Sequence[str], manner: Manner) -> None:
    if (journal := load(system)) is not None:
        _again(system, journal, wanted, manner)
        return
    plan = make(system, wanted)
    diffs = [(one.path, one.diff()) for one in plan.changes]
    shown: dict[str, Any] = {"changes": _as_json(diffs), "notes": list(plan.notes)}
    manner.show([*plan.notes, *(diff for _, diff in diffs)])
    if manner.dry_run:
        manner.end("planned", **shown)
        return
    _need_root(system)
    manner.ask("Make these changes?")
    made = missing(system, [one.path for one in plan.changes])
    trial = _trial(system, known(names), wanted.docker)
    with only_one(system):
        if load(system) is not None:
            raise Trouble("another panteras install was faster: see panteras install status")
        journal = Journal(plan, ends=time.time() + wanted.within, made=made, names=trial.names)
        apply(system, journal, trial, _say)
    manner.end("applied", f"applied; {_unless(journal)}", ends=journal.ends, **shown)


def _again(system: System, journal: Journal, wanted: Options, manner: Manner) -> None:
    """A second time changes nothing: what was installed otherwise has to go first. The gateway's configuration is for
    people to go on with."""
    _check_whole(journal)
    if journal.plan.wanted != as_wanted(wanted):
        raise Trouble("it is installed with other options: panteras uninstall, then install anew")
    if changed := [one for one in drifted(system, journal) if one.path != FILE]:
        raise Trouble(f"{changed[0].path}: somebody changed it since it was installed: panteras install status")
    if old := outdated(journal.plan, wanted.program):
        raise Trouble(f"{old[0]}: this release has another: panteras uninstall, then install anew")
    pending = f"; {_unless(journal)}" if journal.state == APPLIED else ""
    manner.end(journal.state, f"nothing to change, it is installed{pending}", changes=[])


def confirm(system: System) -> None:
    _installed(system)
    with only_one(system):
        journal = _installed(system)
        _check_whole(journal)
        trial = _trial(system, journal.names, bool(journal.plan.wanted.get("docker")))
        try:
            trial.gateway()
            trial.host()
            trial.containers()
        except Trouble as problem:
            when = f"it is taken back at {_clock(journal)}" if journal.state == APPLIED else "it stays"
            raise Trouble(f"not confirmed: {problem}; {when}") from None
        if load(system) != journal:
            raise Trouble("it was taken back meanwhile: the time to confirm is over")
        settle(system, journal, _say)
    click.echo("confirmed; to take it back: panteras uninstall")


def revert(system: System) -> None:
    if load(system) is None:
        sweep(system)
        click.echo("nothing to take back")
        return
    with only_one(system, _STOPPED):
        journal = _installed(system)
        if journal.state == CONFIRMED:
            settle(system, journal, _say)
            click.echo("confirmed, it stays; to take it back: panteras uninstall")
            return
        _take_back(system, journal)
    click.echo("taken back, all is as it was")


def status(system: System, manner: Manner) -> int:
    """The exit status: 1 when something was changed by somebody else, or is not at its end."""
    journal = load(system)
    if journal is None:
        manner.end("absent", "not installed")
        return 0
    changed = drifted(system, journal)
    pending = f"; {_unless(journal)}" if journal.state == APPLIED else ""
    lines = [f"{'changed' if one in changed else 'ours   '}  {one.path}" for one in journal.plan.changes]
    files = [{"path": one.path, "changed": one in changed} for one in journal.plan.changes]
    manner.end(journal.state, "\n".join([f"{journal.state}{pending}", *lines]), ends=journal.ends, files=files)
    return 0 if not [one for one in changed if one.path != FILE] and journal.state in (APPLIED, CONFIRMED) else PROBLEM


def uninstall(system: System, manner: Manner, keep: bool) -> None:
    journal = load(system)
    if journal is None:
        sweep(system)
        manner.end("absent", "not installed", changes=[])
        return
    back = [(one.path, difference(one.path, one.after, one.before)) for one in reversed(journal.plan.changes)]
    manner.show([diff for _, diff in back])
    if manner.dry_run:
        manner.end("planned", changes=_as_json(back))
        return
    _need_root(system)
    manner.ask("Put all of this back?")
    with only_one(system):
        _take_back(system, _installed(system), keep)
    manner.end("absent", "uninstalled, all is as it was", changes=_as_json(back))


def _take_back(system: System, journal: Journal, keep: bool = False) -> None:
    stuck = take_back(system, journal, _say, keep)
    for one in stuck:
        click.echo(difference(one.path, one.after, look(system.path(one.path))), err=True)
    if stuck:
        paths = ", ".join(one.path for one in stuck)
        also = "the gateway, too" if stuck[0] in journal.plan.names else "all else was put back"
        raise Trouble(f"{paths}: somebody changed it since, so it stays, {also}: put it right, or uninstall --keep")


def _installed(system: System) -> Journal:
    _need_root(system)
    journal = load(system)
    if journal is None:
        raise Trouble("nothing is installed: panteras install")
    return journal


def _check_whole(journal: Journal) -> None:
    if journal.state not in (APPLIED, CONFIRMED):
        raise Trouble(f"an installation did not come to its end ({journal.state}): panteras install revert")


def _trial(system: System, names: tuple[str, ...], docker: bool) -> Trial:
    return Trial(consul_domain(system.read(FILE)), names, system.bridge() if docker else "")


def _need_root(system: System) -> None:
    if not system.is_root():
        raise Trouble("it changes this host: run it as root")


def _unless(journal: Journal) -> str:
    return f"all is taken back at {_clock(journal)} unless you confirm it:\n  panteras install confirm"


def _clock(journal: Journal) -> str:
    return datetime.fromtimestamp(journal.ends).astimezone().strftime("%H:%M:%S")


def _say(text: str) -> None:
    with suppress(OSError):  # who started us may have hung up: that must hold nothing up
        click.echo(f"- {text}", err=True)


def _as_json(diffs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "diff": diff} for path, diff in diffs]
