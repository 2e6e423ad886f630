"""Keeps the services of this host's Consul agent in step with the containers that run.

Events only say which container to look at: what is written follows from what the engine says of it at that moment.
Everything is done by one queue, one thing at a time, so nothing can overtake; now and then all is compared with what
the agent has. Touches only services that carry its mark. An engine or an agent that can't be reached changes nothing.
"""

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from panteras_dns.box.book import Book
from panteras_dns.box.container import Rules, name, network_owner, services
from panteras_dns.box.engine import Engine
from panteras_dns.box.service import Service
from panteras_dns.box.tasks import Bell, Tasks, pause
from panteras_dns.box.told import Told
from panteras_dns.consul import Consul, Refused
from panteras_dns.rest import Unreachable

log = Logger()

COMPARE = 10.0  # seconds between two comparisons of everything
_LONGEST_PAUSE = 2.0  # seconds before the next try
_STOP_TIMEOUT = 10  # Docker's own, where a container says nothing
_LATE = 20  # seconds after which a container that was told to stop, and runs on, is known again

Inspected = Mapping[str, Any]


class Registrator:
    """From `start()` to `stop()`; stopping leaves what is registered as it is."""

    def __init__(self, reactor: Any, engine: Engine, consul: Consul, rules: Rules, find_node: bool = True) -> None:
        self._reactor = reactor
        self._engine = engine
        self._consul = consul
        self._rules = rules
        self._find_node = find_node and not rules.ip
        self._book = Book(consul, rules.host)
        self._due: dict[str, None] = {}  # containers to look at, in order
        self._everything = True
        self._leaving: dict[str, Any] = {}  # told to stop: a timer each, to look again
        self._seen: dict[str, tuple[object, Inspected]] = {}  # by id: the short record it was inspected at
        self._told = Told(log)
        self._bell = Bell()
        self._tasks = Tasks(reactor, log, "the registrator stopped working")
        self._ready = Deferred[int]()

    def start(self) -> "Deferred[int]":
        """Fires with the number of services once all that ran before is registered."""
        self._tasks.start(self._work(), self._follow_engine(), self._follow_consul(), self._compare_now_and_then())
        return self._ready

    @property
    def failed(self) -> bool:
        return self._tasks.failed

    def stop(self) -> None:
        self._tasks.stop()
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()

    # -- who says that there is something to do

    async def _follow_engine(self) -> None:
        tries = 0
        while True:
            opened: list[bool] = []

            def begun(opened: list[bool] = opened) -> None:
                opened.append(True)
                self._told.over("engine", "the Docker engine is there again")
                self._compare()

            try:
                await self._engine.follow(begun, self._happened)
                log.info("the engine ended its events, {place}: connecting again", place=self._engine.place)
            except Unreachable as problem:
                self._told.trouble("engine", f"no Docker engine, what is registered stays: {problem}")
            tries = 0 if opened else tries + 1
            await self._pause(tries)

    def _happened(self, container: str, event: str, attributes: Mapping[str, str]) -> None:
        if event == "kill":
            if not self._is_asked_to_stop(container, attributes.get("signal", "")):
                return
            self._leave(container)
        elif event in {"start", "die", "destroy"}:
            self._stay(container)
        self._look(container)

    def _is_asked_to_stop(self, container: str, number: str) -> bool:
        """Other signals than that of `docker stop` mean other things: SIGHUP to a web server is a reload."""
        _, inspected = self._seen.get(container, (None, {}))
        wanted = str((inspected.get("Config") or {}).get("StopSignal") or "SIGTERM")
        return number in {wanted, _number(wanted)}

    def _leave(self, container: str) -> None:
        """Nobody is sent there from now on; if it runs on all the same, it is known again later."""
        self._stay(container)
        _, inspected = self._seen.get(container, (None, {}))
        timeout = (inspected.get("Config") or {}).get("StopTimeout") or _STOP_TIMEOUT

        def late() -> None:
            del self._leaving[container]
            self._look(container)

        self._leaving[container] = self._reactor.callLater(timeout + _LATE, late)

    def _stay(self, container: str) -> None:
        if timer := self._leaving.pop(container, None):
            timer.cancel()

    async def _follow_consul(self) -> None:
        """A question that stays open notices at once when the agent restarts, perhaps without what it knew."""
        lost, index, tries = False, 0, 0
        while True:
            try:
                _, index = await self._consul.watch("/v1/catalog/nodes", index)
                if lost:
                    self._book.forget()
                    self._compare()
                lost, tries = False, 0
            except (Unreachable, Refused):
                lost, index, tries = True, 0, tries + 1
                await self._pause(tries)

    async def _compare_now_and_then(self) -> None:
        while True:
            await deferLater(self._reactor, COMPARE)
            self._compare()

    def _look(self, container: str) -> None:
        self._due[container] = None
        self._bell.ring()

    def _compare(self) -> None:
        self._everything = True
        self._bell.ring()

    # -- who does it

    async def _work(self) -> None:
        tries = 0
        while True:
            while not (self._everything or self._due):
                await self._bell.wait()
            try:
                await self._next()
                tries = 0
            except (Unreachable, Refused) as problem:
                # Whatever was under way is in the next comparison.
                self._everything = True
                self._told.trouble("work", f"nothing is changed for now: {problem}")
                tries += 1
                await self._pause(tries)

    async def _next(self) -> None:
        if self._everything:
            self._everything = False
            self._due.clear()
            await self._all()
            self._told.over("work", "all is as it should be again")
        else:
            container = next(iter(self._due))
            del self._due[container]
            await self._one(container)

    async def _one(self, container: str) -> None:
        inspected = await self._engine.inspect(container)
        if inspected is None:
            self._seen.pop(container, None)
        else:
            self._seen[container] = (None, inspected)
        await self._book.write(container, await self._services(container, inspected))
        self._log_changes()

    async def _all(self) -> None:
        await self._know_own_address()
        listed = {str(one["Id"]): one for one in await self._engine.running()}
        wanted = {}
        for container, short in listed.items():
            mark = _mark(short)
            before, inspected = self._seen.get(container, (None, None))
            if inspected is None or before != mark:
                inspected = await self._engine.inspect(container)
            if inspected is not None:
                self._seen[container] = (mark, inspected)
                wanted[container] = await self._services(container, inspected)
        for gone in set(self._seen) - set(listed):
            del self._seen[gone]
        await self._book.compare(wanted)
        self._log_changes()
        if not self._ready.called:
            self._ready.callback(sum(map(len, wanted.values())))

    async def _know_own_address(self) -> None:
        if self._find_node:
            self._rules = replace(self._rules, node=await self._consul.address())

    async def _services(self, container: str, inspected: Inspected | None) -> list[Service]:
        state = (inspected or {}).get("State") or {}
        if inspected is None or container in self._leaving or not state.get("Running") or state.get("Paused"):
            return []
        owner = await self._engine.inspect(other) if (other := network_owner(inspected)) else None
        try:
            found, warnings = services(inspected, self._rules, owner)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            found, warnings = [], [f"can't be read: {problem!r}"]
        for warning in warnings:
            self._told.once(f"{name(inspected)}: {warning}")
        return found

    def _log_changes(self) -> None:
        for line in self._book.changes:
            log.info("{line}", line=line)
        for line in self._book.complaints:
            self._told.once(line)
        self._book.changes.clear()
        self._book.complaints.clear()

    def _pause(self, tries: int) -> "Deferred[None]":
        return pause(self._reactor, tries, _LONGEST_PAUSE)


def _mark(short: Mapping[str, Any]) -> object:
    """Whatever of a short record can change what is registered; the seconds in its status do not."""
    status = str(short.get("Status", ""))
    health = next(
        (word for word in ("unhealthy", "healthy", "starting") if f"({word}" in status or f": {word}" in status), ""
    )
    ports = sorted(str(sorted(port.items())) for port in short.get("Ports") or [])
    return (short.get("State"), health, tuple(short.get("Names") or ()), tuple(ports), short.get("Created"))


def _number(name: str) -> str:
    """`SIGTERM` is 15, as the engine's events say it."""
    try:
        return str(int(signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]))
    except KeyError:
        return name
