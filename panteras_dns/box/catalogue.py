"""The services of this datacenter, told whenever they change: two blocking queries, and the instances read anew when
one wakes.

Two, not one a service: Consul ends connections beyond 200 from one address. While Consul can't be reached, or has no
leader, nothing is told: the last that was known stays.
"""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import Logger

from panteras_dns.box.tasks import Bell, Tasks, pause
from panteras_dns.box.told import Told
from panteras_dns.consul import Consul, Refused
from panteras_dns.instance import Instance, instance
from panteras_dns.rest import Unreachable

log = Logger()

# Services come and go with every registration; checks change without one.
_WATCHED = ("/v1/catalog/services", "/v1/health/state/any")
_APART = 0.02  # seconds between two readings: 50 registrations in a row are a few, not 50
_AT_ONCE = 4
_LONGEST_PAUSE = 1.0
_NEVER = {400, 403, 404, 414}  # asking again does not help

Services = Mapping[str, tuple[Instance, ...]]


class Catalogue:
    """*changed* is called with the services by name, and whether Consul was away just before."""

    def __init__(self, reactor: Any, consul: Consul, changed: Callable[[Services, bool], None]) -> None:
        self._reactor = reactor
        self._consul = consul
        self._changed = changed
        self._told = Told(log)
        self._tasks = Tasks(reactor, log, "the catalogue is not read any more")
        self._bell = Bell()
        self._returned = False
        self.datacenter = ""
        self.problem = "not asked yet"  # why nothing new is known; "" while all is well

    def start(self) -> None:
        self._tasks.start(*(self._watch(path) for path in _WATCHED), self._follow())

    def stop(self) -> None:
        self._tasks.stop()

    async def _watch(self, path: str) -> None:
        index, tries = 0, 0
        while True:
            try:
                _, found = await self._consul.watch(path, index)
            except (Unreachable, Refused) as problem:
                self._away(str(problem))
                index, tries = 0, tries + 1
                await self._pause(tries)
                continue
            if found != index or index == 0:
                self._bell.ring()
            if found == index == 0:
                await self._pause(1)
            index, tries = found, 0

    def _away(self, why: str) -> None:
        self._returned = True
        self.problem = why
        self._told.trouble("consul", f"the last that Consul said stays: {why}")

    async def _follow(self) -> None:
        tries = 0
        while True:
            await self._bell.wait()
            try:
                found = await self.read()
            except (Unreachable, Refused) as problem:
                self._away(str(problem))
                self._bell.ring()
                tries += 1
                await self._pause(tries)
                continue
            returned, self._returned, self.problem, tries = self._returned, False, "", 0
            self._told.over("consul", "Consul answers again")
            self._changed(found, returned)
            await deferLater(self._reactor, _APART)

    async def read(self) -> Services:
        """All of it, now."""
        if not self.datacenter:
            self.datacenter = str(((await self._consul.whoami()).get("Config") or {}).get("Datacenter", ""))
        names, _ = await self._consul.watch(_WATCHED[0], 0, dict)
        turns = DeferredSemaphore(_AT_ONCE)
        asked = [turns.run(self._records, name) for name in names]
        try:
            answers = await gatherResults(asked, consumeErrors=True)
        except Exception as problem:
            raise getattr(getattr(problem, "subFailure", None), "value", problem) from None
        found = {}
        for name, records in zip(names, answers, strict=True):
            found[name] = tuple(one for one in map(instance, records) if one is not None)
        return found

    async def _records(self, service: str) -> list[Any]:
        """None of them where Consul itself can't ask for the service: others must not miss theirs for a name like
        that."""
        try:
            return await self._consul.instances(service)
        except Refused as problem:
            if problem.status not in _NEVER:
                raise
            self._told.once(f"service {service[:80]!r}: left out: {problem}")
            return []

    def _pause(self, tries: int) -> "Deferred[None]":
        return pause(self._reactor, tries, _LONGEST_PAUSE)
