"""What was here before, what we made of it, and how far that is: written to the disk before anything is changed.

    begun      changes are being made, perhaps by a process that was killed
    applied    all are made; the switch takes them back unless somebody confirms
    confirmed  they stay
    reverting  they are being taken back, or what somebody else changed is in the way

It alone says what is undone; without it nothing of ours is here.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from panteras_dns.install.change import Change, State
from panteras_dns.install.files import flush
from panteras_dns.install.system import System
from panteras_dns.install.trouble import Trouble

DIRECTORY = "/var/lib/panteras/install"
BEGUN, APPLIED, CONFIRMED, REVERTING = "begun", "applied", "confirmed", "reverting"
_NAME = "journal.json"
_VERSION = 1
_PARTS = ("switch", "gateway", "names")
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True, slots=True)
class Command:
    """Commands at this point of the way there, and of the way back: harmless whether or not the way there came so
    far."""

    do: tuple[tuple[str, ...], ...] = ()
    undo: tuple[tuple[str, ...], ...] = ()


Step = Change | Command


@dataclass(frozen=True)
class Plan:
    """In the order in which it is done; undone in the opposite one, this host's names first. *wanted*: the options it
    follows from."""

    switch: tuple[Step, ...] = ()
    gateway: tuple[Step, ...] = ()
    names: tuple[Step, ...] = ()
    wanted: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.switch, *self.gateway, *self.names)

    @property
    def changes(self) -> list[Change]:
        return [step for step in self.steps if isinstance(step, Change)]


@dataclass(frozen=True)
class Journal:
    """*made*: directories that were not there, outermost first; *names*: those that this host could look up before;
    *ends*: seconds since 1970."""

    plan: Plan
    state: str = BEGUN
    ends: float = 0.0
    made: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def save(self, system: System) -> "Journal":
        """On the disk when this returns, whole or not at all."""
        directory = _directory(system)
        fresh = directory / f".{_NAME}.new"
        try:
            with os.fdopen(os.open(fresh, _FRESH, 0o600), "w", encoding="utf-8") as file:
                json.dump(self._as_json(), file)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(directory / _NAME)
            for one in (directory, directory.parent, directory.parent.parent):
                flush(one)
        except OSError as problem:
            raise Trouble(f"{directory}: {problem.strerror}; nothing is changed without a journal") from None
        return self

    def moved(self, system: System, state: str) -> "Journal":
        return replace(self, state=state).save(system)

    def _as_json(self) -> dict[str, Any]:
        parts = {part: [_told(step) for step in getattr(self.plan, part)] for part in _PARTS}
        return {
            "version": _VERSION,
            **{key: getattr(self, key) for key in ("state", "ends", "made", "names")},
            "wanted": dict(self.plan.wanted),
            "parts": parts,
        }


def load(system: System) -> Journal | None:
    """None where nothing of ours is. `Trouble` for a journal that can't be read: nothing is guessed."""
    file = system.path(DIRECTORY) / _NAME
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["version"] != _VERSION:
            raise Trouble(f"{file}: of version {told['version']}, expected {_VERSION}")
        switch, gateway, names = (tuple(map(_step, told["parts"][part])) for part in _PARTS)
        return Journal(
            Plan(switch, gateway, names, told["wanted"]),
            str(told["state"]),
            float(told["ends"]),
            tuple(told["made"]),
            tuple(told["names"]),
        )
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Trouble(f"{file}: {problem.strerror}; run this as root") from None
    except (ValueError, KeyError, TypeError):
        raise Trouble(f"{file}: not a journal of an installation, expected the one that was written here") from None


def forget(system: System, made: Sequence[str] = ()) -> None:
    """The last thing that is undone: directories that were not there, the journal, and the ones above it."""
    directory, above = system.path(DIRECTORY), [one for one in made if Path(DIRECTORY).is_relative_to(one)]
    _clear(system, [one for one in made if one not in above])
    for name in (f".{_NAME}.new", _NAME):
        (directory / name).unlink(missing_ok=True)
    _clear(system, [*above, DIRECTORY])
    flush(directory.parent)


def sweep(system: System) -> None:
    """Where the very last was killed: directories with nothing in them."""
    if load(system) is None:
        _clear(system, [str(Path(DIRECTORY).parent), DIRECTORY])


def _clear(system: System, directories: Sequence[str]) -> None:
    for place in sorted(set(directories), reverse=True):  # the inner before the outer
        with contextlib.suppress(OSError):  # somebody else's files are in it
            system.path(place).rmdir()


def missing(system: System, paths: Sequence[str] = ()) -> tuple[str, ...]:
    """The directories above *paths* and the journal that are not there yet."""
    found: list[str] = []
    for name in (f"{DIRECTORY}/{_NAME}", *paths):
        above = [str(one) for one in reversed(Path(name).parents)]
        found += [one for one in above if one not in found and not system.path(one).is_dir()]
    return tuple(found)


@contextlib.contextmanager
def only_one(system: System, patience: float = 0.0) -> Iterator[None]:
    """`Trouble` while another process installs or uninstalls; the end of that process, however it ends, frees it.

    With *patience*, seconds, it is not waited for longer: whoever takes back must not depend on one that was stopped.
    """
    made = missing(system)
    descriptor = os.open(_directory(system), os.O_RDONLY)
    try:
        ends = time.monotonic() + patience
        while not _locked(descriptor):
            if patience and time.monotonic() >= ends:
                break
            if not patience:
                raise Trouble("another panteras install or uninstall is at work: wait for its end", 3)
            time.sleep(0.2)
        yield
    finally:
        if not (system.path(DIRECTORY) / _NAME).exists():
            forget(system, made)
        os.close(descriptor)


def _directory(system: System) -> Path:
    directory = system.path(DIRECTORY)
    try:
        directory.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise Trouble(f"{directory}: {problem.strerror}; run this as root") from None
    return directory


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told(step: Step) -> dict[str, Any]:
    if isinstance(step, Command):
        return asdict(step)
    states = {"before": step.before.as_json(), "after": step.after.as_json()}
    return {"path": step.path, **states, "in_place": step.in_place}


def _step(told: Mapping[str, Any]) -> Step:
    if "path" not in told:
        return Command(*(tuple(map(tuple, told[key])) for key in ("do", "undo")))
    before, after = (State.from_json(told[key]) for key in ("before", "after"))
    return Change(str(told["path"]), before, after, bool(told["in_place"]))
