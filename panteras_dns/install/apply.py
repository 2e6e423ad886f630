"""The way there, as a list of steps: between any two of them we may be killed, and the switch takes all back.

The order is the promise: the journal before any change, the switch before the gateway, the gateway tried before this
host asks it, resolv.conf last.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from panteras_dns.install.change import Change
from panteras_dns.install.files import flush, look, put
from panteras_dns.install.journal import APPLIED, BEGUN, Command, Journal, Step, load
from panteras_dns.install.system import System
from panteras_dns.install.trouble import Trouble
from panteras_dns.install.undo import Say, take_back

Do = Callable[[], object]


class Trying(Protocol):
    """What says whether names are answered; `Trouble` when they are not."""

    def gateway(self) -> None: ...

    def host(self) -> None: ...

    def containers(self) -> None: ...


def steps(system: System, journal: Journal, trial: Trying) -> Iterator[tuple[str, Do]]:
    """Each with a word for what it does."""
    yield "note what is here now", lambda: journal.save(system)
    yield from _each(system, (*journal.plan.switch, *journal.plan.gateway))
    yield "ask the gateway itself", trial.gateway
    yield from _each(system, journal.plan.names)
    yield "look up names as this host does", trial.host
    if journal.plan.wanted.get("docker"):
        yield "look up names as containers do", trial.containers
    yield "wait for the confirmation", lambda: journal.moved(system, APPLIED)


def _each(system: System, some: Sequence[Step]) -> Iterator[tuple[str, Do]]:
    for step in some:
        if isinstance(step, Change):
            yield f"write {step.path}", partial(_write, system, step)
        elif step.do:
            yield "; ".join(" ".join(words) for words in step.do), partial(_run, system, step)


def apply(system: System, journal: Journal, trial: Trying, say: Say) -> None:
    """Do all of it; what fails is taken back at once, and `Trouble` says what failed."""
    saved: Journal | None = None
    try:
        for word, do in steps(system, journal, trial):
            if saved is not None:
                _check_journal(system)
            say(word)
            do()
            saved = saved or load(system)
    except (Exception, KeyboardInterrupt) as problem:  # a bug of ours must not cost this host its names, either
        # Without a journal the switch has taken it back meanwhile, and our last step may have come after that.
        found = load(system) or saved
        if found is None:
            raise
        stuck = take_back(system, found, say)
        after = f"but not {stuck[0].path}, which somebody changed" if stuck else "as it was before"
        if not isinstance(problem, Trouble):
            say(f"taken back, {after}")
            raise
        raise Trouble(f"{problem}; taken back, {after}") from None


def _check_journal(system: System) -> None:
    """We may have been stopped for so long that the switch took it back."""
    found = load(system)
    if found is None or found.state != BEGUN:
        raise Trouble("it was taken back meanwhile: the time to confirm is over")


def _run(system: System, command: Command) -> None:
    for words in command.do:
        system.run(*words)


def _write(system: System, change: Change) -> None:
    path = system.path(change.path)
    if not look(path).same(change.before):
        raise Trouble(f"{change.path}: somebody changed it since the plan was made")
    for folder in [one for one in reversed(path.parents) if not one.is_dir()]:
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask says: the gateway reads there without root
        flush(folder.parent)
    put(path, change.after, change.in_place)
