"""Takes back what the journal says, the last change first; may begin at any point, and again after a kill.

It writes only where what stands there is ours. This host's names come first: as long as one of them is in the way
the gateway stays, since somebody may still ask it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from panteras_dns.host.resolv import nameservers
from panteras_dns.install.change import Change
from panteras_dns.install.files import look, put, unfinished
from panteras_dns.install.journal import CONFIRMED, REVERTING, Command, Journal, Step, forget
from panteras_dns.install.owner import RESOLV_CONF
from panteras_dns.install.system import HERE, System
from panteras_dns.install.trouble import Trouble

Say = Callable[[str], None]


def take_back(system: System, journal: Journal, say: Say, keep: bool = False) -> list[Change]:
    """Put back all that was here before; what is in the way since somebody else changed it. *keep*: such files stay
    as they are."""
    with suppress(Trouble):  # on a full disk what was written can be taken away all the same
        journal = journal.moved(system, REVERTING)
    for part in (journal.plan.names, journal.plan.gateway):
        stuck = _undo(system, part, say)
        if stuck and not keep:
            return stuck
        if keep and part is journal.plan.names and HERE in nameservers(system.read(RESOLV_CONF)):
            raise Trouble(f"{RESOLV_CONF}: names {HERE}, where nobody will answer: name another server there first")
    disarm(system, journal, say)
    forget(system, journal.made)
    return []


def disarm(system: System, journal: Journal, say: Say) -> None:
    """Take the switch away: its units are nobody else's, so whatever they became goes."""
    for one in _undo(system, journal.plan.switch, say):
        put(system.path(one.path), one.before)


def settle(system: System, journal: Journal, say: Say) -> Journal:
    """Confirm for good: first the word on the disk, then the switch."""
    confirmed = journal.moved(system, CONFIRMED)
    if confirmed.plan.switch:
        disarm(system, confirmed, say)
        confirmed = replace(confirmed, plan=replace(confirmed.plan, switch=())).save(system)
    return confirmed


def drifted(system: System, journal: Journal) -> list[Change]:
    """What somebody else changed since."""
    return [one for one in journal.plan.changes if not one.is_ours(look(system.path(one.path)))]


def _undo(system: System, steps: Sequence[Step], say: Say) -> list[Change]:
    stuck = []
    for step in reversed(steps):
        if isinstance(step, Command):
            _run(system, step, say)
        elif not _restored(system, step):
            stuck.append(step)
    return stuck


def _restored(system: System, change: Change) -> bool:
    path = system.path(change.path)
    unfinished(path).unlink(missing_ok=True)
    found = look(path)
    if found.holds(change.before):
        return True
    if not change.is_ours(found):
        return False
    put(path, change.before, change.in_place)
    return True


def _run(system: System, command: Command, say: Say) -> None:
    """A command that fails holds nothing up: files are what counts, and it may be a daemon that is not there."""
    for words in command.undo:
        try:
            system.run(*words)
        except Trouble as problem:
            say(f"not done: {problem}")
