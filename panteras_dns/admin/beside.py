"""What the dashboard shows beside the workers' numbers: Consul's services, and people at the doors.

Asked only while somebody looks, and not more often than every few seconds.
"""

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from panteras_dns.admin.status import Around, Known
from panteras_dns.consul import Consul, Refused
from panteras_dns.rest import Unreachable

log = Logger()

AGAIN = 5.0  # seconds between two looks
PATIENCE = 2.0  # seconds to wait for Consul when somebody asks; what is not known then, is told as such
STALE = 120.0  # seconds after which nobody seems to write the file of people any more
_LARGEST = 1 << 20  # octets of that file


class Beside:
    """`look()` may be called at any time."""

    def __init__(self, reactor: Any, consul: Consul | None, people: str, around: Around) -> None:
        self._reactor, self._consul = reactor, consul
        self._people, self._around = people, around
        self._due = 0.0
        self._asking = False
        self._waiting: list[Deferred[None]] = []

    def look(self, wall: float) -> "Deferred[None]":
        """Fires when it is known; *wall* is the time, in seconds since the epoch."""
        now = self._reactor.seconds()
        if not self._asking and now < self._due:
            return succeed(None)
        known: Deferred[None] = Deferred()
        self._waiting.append(known)
        if not self._asking:
            self._due, self._asking = now + AGAIN, True
            self._around.people, self._around.ending = people(self._people, wall)
            asking = ensureDeferred(self._services())
            asking.addErrback(self._unknown)
            asking.addCallback(self._over)
        return known.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=lambda _, __: None)

    def _over(self, _: Any) -> None:
        self._asking, waiting, self._waiting = False, self._waiting, []
        for known in waiting:
            if not known.called:
                known.callback(None)

    def _unknown(self, failure: Failure) -> None:
        """What was known before may be wrong by now."""
        log.failure("a bug: services are not looked at", failure)
        self._around.services = Known(None, f"a bug, see the log: {type(failure.value).__name__}")

    async def _services(self) -> None:
        if self._consul is None:
            self._around.services = Known(None, "consul.api is off")
            return
        try:
            self._around.services = Known(await self._consul.health(), "")
        except (Unreachable, Refused) as problem:
            self._around.services = Known(None, str(problem))


def people(path: str, now: float) -> tuple[Known, Known]:
    """Who is connected, and whose certificates end soon, as `panteras access tell` wrote it."""
    if not path:
        nobody = Known(None, "admin.people is empty")
        return nobody, nobody
    try:
        with Path(path).open("rb") as file:
            told = json.loads(file.read(_LARGEST))
        sessions = [{"id": str(one["id"]), "door": str(one["door"]), "since": one["since"]} for one in told["sessions"]]
        ending = [{"what": str(one["what"]), "not_after": float(one["not_after"])} for one in told["ending"]]
        silent = "; ".join(map(str, told["silent"]))
        age = now - float(told["at"])
    except FileNotFoundError:
        problem = f"nobody tells: `panteras access tell` writes {path}"
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        problem = f"{path}: {getattr(error, 'strerror', None) or 'not what `panteras access tell` writes'}"
    else:
        if age <= STALE:
            return Known(sessions, silent), Known(ending, "")
        problem = f"{path} was last written {age:.0f} s ago"
    return Known(None, problem), Known(None, problem)
