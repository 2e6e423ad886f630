"""What the dashboard shows beside the workers' numbers: Consul's services, and people at the doors.

Asked only while somebody looks, and not more often than every few seconds.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger

from panteras_dns.admin.status import Around, Known
from panteras_dns.consul import Consul, Refused
from panteras_dns.rest import Unreachable

log = Logger()

AGAIN = 5.0  # seconds between two looks
STALE = 120.0  # seconds after which nobody seems to write the file of people any more
_LARGEST = 1 << 20  # octets of that file


class Beside:
    """`look()` may be called at any time."""

    def __init__(self, reactor: Any, consul: Consul | None, people: str, around: Around) -> None:
        self._reactor, self._consul = reactor, consul
        self._people, self._around = people, around
        self._due = 0.0
        self._asking: Deferred[None] | None = None

    def look(self, wall: Callable[[], float]) -> None:
        now = self._reactor.seconds()
        if self._asking is not None or now < self._due:
            return
        self._due = now + AGAIN
        self._around.people, self._around.ending = people(self._people, wall())
        self._asking = ensureDeferred(self._services())
        self._asking.addErrback(lambda failure: log.failure("a bug: services are not looked at", failure))
        self._asking.addCallback(self._over)

    def _over(self, _: Any) -> None:
        self._asking = None

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
        sessions, ending = list(told["sessions"]), list(told["ending"])
        age = now - float(told["at"])
    except FileNotFoundError:
        problem = f"nobody tells: `panteras access tell` writes {path}"
    except (OSError, ValueError, TypeError, KeyError) as error:
        problem = f"{path}: {getattr(error, 'strerror', None) or 'not what `panteras access tell` writes'}"
    else:
        if age <= STALE:
            return Known(sessions, ""), Known(ending, "")
        problem = f"{path} was last written {age:.0f} s ago"
    return Known(None, problem), Known(None, problem)
