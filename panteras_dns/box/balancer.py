"""Keeps HAProxy in step with the catalogue: instances through its socket, new services by a validated file and a
reload.

One queue does everything, one thing at a time. HAProxy is asked what it has before anything is changed, so a reload,
a restart or a kill is mended by the next look. The file always holds what runs: whoever starts HAProxy starts it with
the last good state.
"""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from panteras_dns.box.catalogue import Services
from panteras_dns.box.daemon import CannotStart
from panteras_dns.box.haproxy import Gone, HAProxy, Invalid
from panteras_dns.box.layout import BadTemplate, Layout
from panteras_dns.box.saved import Saved
from panteras_dns.box.site import Names, Server, Site, site
from panteras_dns.box.steps import Running, as_it_runs, route_steps, steps, with_what_is_lost
from panteras_dns.box.tasks import Bell, Tasks
from panteras_dns.box.told import Told
from panteras_dns.knock import listening

log = Logger()

LOOK = 2.0  # seconds between two looks at whether HAProxy is the one it was
RELOADS_APART = 1.0
DRAINING = 0.25  # between two looks at instances that leave
GRACE = 15.0  # after Consul was away: an agent that comes back calls all checks critical until it has run them
_START = 5.0  # seconds in which HAProxy, started beside us, may be silent
_AFTER_FAILURE = 30  # times as long until the next try
_LONG, _LONGEST_PAUSE = 60.0, 5.0  # seconds
_PATIENCE = 0.05  # seconds; HAProxy's own checks find who is slower to accept
_SAVE = 1.0  # seconds of quiet after which the file follows a change that needed no reload


class Balancer:
    """*layout*: a function, since addresses of the host come and go. `catalogue_changed` is called with what Consul
    says."""

    def __init__(
        self, reactor: Any, haproxy: HAProxy, layout: Callable[[], Layout], names: Callable[[], Names]
    ) -> None:
        self._reactor = reactor
        self._haproxy = haproxy
        self._map, self._names = str(layout().routes), names
        self._told = Told(log)
        self._saved = Saved(reactor, layout)
        self._site = Site({}, {})
        self._services: Services | None = None
        self._kept_until = 0.0
        self._pid = 0
        self._next_reload = -RELOADS_APART
        self._refused = False  # HAProxy would not take an instance while it runs
        self._save_at = 0.0
        self._leaving: dict[str, float] = {}  # BACKEND/SERVER: when it is told that it still has connections
        self._everything = True
        self._bell = Bell()
        self._tasks = Tasks(reactor, log, "the balancer stopped working")
        self._begun: Deferred[str] = Deferred()

    def start(self) -> "Deferred[str]":
        """Fires when HAProxy serves what Consul knows; fails with `CannotStart`."""
        self._tasks.start(self._work(), self._look_now_and_then(), self._sweep())
        return self._begun

    def stop(self) -> None:
        self._tasks.stop()

    @property
    def failed(self) -> bool:
        return self._tasks.failed

    def catalogue_changed(self, services: Services, was_away: bool) -> None:
        now = self._reactor.seconds()
        if was_away:
            self._kept_until = now + GRACE
            self._reactor.callLater(GRACE + 0.1, self._ring)
        self._services = services
        self._ring()

    # -- the queue

    def _ring(self) -> None:
        self._everything = True
        self._bell.ring()

    async def _work(self) -> None:
        try:
            await self._saved.begin()
        except (Invalid, BadTemplate) as problem:
            self._begun.errback(CannotStart(str(problem)))
            return
        told_from = self._reactor.seconds() + _START
        while True:
            try:
                await self._next()
                self._told.over("haproxy", "HAProxy is as it should be again")
            except Gone as problem:
                if self._reactor.seconds() > told_from:
                    self._told.trouble("haproxy", f"HAProxy does not answer: {problem}")
                await self._mend()
                await deferLater(self._reactor, 0.1)
                self._ring()
            except (Invalid, BadTemplate) as problem:
                self._told.trouble("haproxy", f"the last good configuration stays: {problem}")
            await self._bell.wait()

    async def _next(self) -> None:
        if not self._everything:
            await self._delete_drained()
            return
        self._everything = False
        try:
            await self._settle()
        except Gone:
            self._everything = True
            raise

    async def _mend(self) -> None:
        try:
            await self._saved.mend()
        except (Invalid, BadTemplate) as problem:
            self._told.trouble("file", f"there is no configuration that HAProxy could start with: {problem}")

    async def _settle(self) -> None:
        """Make HAProxy what it should be."""
        pid = await self._haproxy.pid()
        if self._services is None:
            self._pid = pid
            return
        wanted = site(self._services, self._names())
        for warning in wanted.warnings:
            self._told.once(warning)
        running = await self._haproxy.servers()
        if self._reactor.seconds() < self._kept_until:
            before = self._site if self._site.backends else as_it_runs(running, await self._haproxy.map(self._map))
            wanted = with_what_is_lost(wanted, before)
        await self._instances(wanted, running)
        await self._delete_drained()
        if steps(wanted, running).missing or self._refused or self._saved.is_outdated:
            await self._reload(wanted, pid)
        await self._routes(wanted, running)
        changed, self._site = self._site != wanted, wanted
        self._pid = await self._haproxy.pid()
        await self._save(wanted, changed)
        if not self._begun.called:
            self._begun.callback(f"{len(wanted.backends)} backends, {len(wanted.routes)} names")

    async def _save(self, wanted: Site, changed: bool) -> None:
        """What needed no reload: for whoever starts HAProxy next."""
        now = self._reactor.seconds()
        if changed:
            self._save_at = now + _SAVE
            self._reactor.callLater(_SAVE + 0.01, self._ring)
        elif now >= self._save_at and not self._saved.is_outdated and not self._saved.is_for(wanted):
            await self._saved.write(wanted)

    async def _instances(self, wanted: Site, running: Running) -> None:
        todo = steps(wanted, running)
        if todo.arriving:
            todo = steps(wanted, running, await self._listening(todo.arriving))
        for path in set(todo.leaving) - set(self._leaving):
            self._leaving[path] = self._reactor.seconds() + _LONG
        for path in set(self._leaving) - set(todo.leaving):
            del self._leaving[path]
        if not todo.commands:
            return
        for line in await self._haproxy.do(todo.commands):
            self._told.once(f"HAProxy: {line}")
            self._refused = self._refused or bool(todo.arriving)
        for command in todo.commands:
            if command.startswith("add ") or " state " in command:
                log.info("{command}", command=command.partition(" weight ")[0])

    async def _listening(self, arriving: Mapping[str, Server]) -> set[str]:
        """Those who need not wait for HAProxy's first check."""
        places = {path: (server.address, server.port) for path, server in arriving.items()}
        return await listening(self._reactor, places, _PATIENCE)

    async def _routes(self, wanted: Site, before: Running) -> None:
        running = await self._haproxy.servers() if set(wanted.backends) - set(before) else before
        commands = route_steps(self._map, wanted.map, await self._haproxy.map(self._map), running)
        for line in await self._haproxy.do(commands):
            self._told.once(f"HAProxy: {line}")

    async def _reload(self, wanted: Site, pid: int) -> None:
        """Not now, if the last one was a moment ago: what needs none must not wait for it."""
        now = self._reactor.seconds()
        if now < self._next_reload:
            self._reactor.callLater(self._next_reload - now + 0.01, self._ring)
            return
        await self._saved.write(wanted)
        try:
            await self._haproxy.reload(pid)
        except Invalid:
            self._saved.take_back()
            self._next_reload = now + RELOADS_APART * _AFTER_FAILURE
            self._reactor.callLater(RELOADS_APART * _AFTER_FAILURE + 0.01, self._ring)
            raise
        self._next_reload = now + RELOADS_APART
        self._refused = False
        took = (self._reactor.seconds() - now) * 1000
        log.info("reloaded in {took:.0f} ms: {count} backends", took=took, count=len(wanted.backends))
        # Servers that were drained are not in the file: the old worker finishes with them.
        self._leaving.clear()

    # -- now and then

    async def _look_now_and_then(self) -> None:
        while True:
            await deferLater(self._reactor, LOOK)
            try:
                if await self._haproxy.pid() == self._pid and not self._saved.is_outdated:
                    continue
            except (Gone, BadTemplate):
                pass
            self._ring()

    async def _sweep(self) -> None:
        """Who leaves with connections that stay is looked at less and less often."""
        pause = DRAINING
        while True:
            before = set(self._leaving)
            await deferLater(self._reactor, pause)
            if self._leaving:
                self._bell.ring()
            pause = min(pause * 2, _LONGEST_PAUSE) if before and before >= set(self._leaving) else DRAINING

    async def _delete_drained(self) -> None:
        """Delete the servers that are drained, once nobody uses them: HAProxy refuses while a connection is open."""
        if not self._leaving:
            return
        busy, now = await self._haproxy.busy(), self._reactor.seconds()
        for path, long in list(self._leaving.items()):
            if busy.get(path, 0):
                if now > long:
                    self._told.once(f"{path} left, and has connections still")
            elif not await self._haproxy.do([f"set server {path} state maint", f"del server {path}"]):
                del self._leaving[path]
