"""Keeps HAProxy in step with the catalogue: instances through its socket, new services by a validated file and a
reload.

One queue does everything, one thing at a time. HAProxy is asked what it has before anything is changed, so a reload,
a restart or a kill is mended by the next look. The file always holds what runs: whoever starts HAProxy starts it with
the last good state.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from panteras_dns.box.catalogue import Services
from panteras_dns.box.haproxy import Gone, HAProxy, Invalid, verify
from panteras_dns.box.layout import LONGEST_DRAIN, BadTemplate, Layout, map_text
from panteras_dns.box.site import Backend, Names, Server, Site, site
from panteras_dns.box.steps import Running, route_steps, steps
from panteras_dns.box.tasks import Bell, Tasks
from panteras_dns.box.told import Told
from panteras_dns.knock import listening

log = Logger()

LOOK = 2.0  # seconds between two looks at whether HAProxy is the one it was
RELOADS_APART = 1.0
DRAINING = 0.25  # between two looks at instances that leave
GRACE = 15.0  # after Consul was away: an agent that comes back calls all checks critical until it has run them
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
        self._layout, self._names = layout, names
        self._told = Told(log)
        self._site = Site({}, {})
        self._services: Services | None = None
        self._kept_until = 0.0
        self._pid = 0
        self._written = ("", "")  # configuration and map as they were last put into their files
        self._reloaded = -RELOADS_APART
        self._save_at = 0.0
        self._leaving: dict[str, float] = {}  # BACKEND/SERVER: when its time is over
        self._bell = Bell()
        self._tasks = Tasks(reactor, log, "the balancer stopped working")
        self._begun: Deferred[str] = Deferred()

    def start(self) -> "Deferred[str]":
        """Fires when HAProxy serves what Consul knows, or what it served last."""
        self._tasks.start(self._work(), self._look_now_and_then(), self._sweep())
        return self._begun

    def stop(self) -> None:
        self._tasks.stop()

    def catalogue_changed(self, services: Services, was_away: bool) -> None:
        now = self._reactor.seconds()
        if was_away:
            self._kept_until = now + GRACE
            self._reactor.callLater(GRACE + 0.1, self._bell.ring)
        self._services = services
        self._bell.ring()

    # -- the queue

    async def _work(self) -> None:
        await self._first()
        while True:
            try:
                await self._settle()
                self._told.over("haproxy", "HAProxy is as it should be again")
            except Gone as problem:
                self._told.trouble("haproxy", f"HAProxy does not answer: {problem}")
                await deferLater(self._reactor, 0.1)
                self._bell.ring()
            except (Invalid, BadTemplate) as problem:
                self._told.trouble("haproxy", f"the last good configuration stays: {problem}")
            await self._bell.wait()

    async def _first(self) -> None:
        """A file that HAProxy can start with, where there is none: no service yet, but the front page."""
        layout = self._layout()
        if layout.file.exists() and layout.routes.exists():
            self._written = (layout.file.read_text(encoding="utf-8"), layout.routes.read_text(encoding="utf-8"))
        else:
            await self._write(self._site)

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
            wanted = _with_what_is_lost(wanted, self._site)
        await self._instances(wanted, running)
        await self._delete_drained()
        text = self._layout().configuration(wanted)
        if steps(wanted, running).missing or self._other_frame(text):
            await self._reload(wanted, pid)
        await self._routes(wanted, running)
        changed, self._site = self._site != wanted, wanted
        self._pid = await self._haproxy.pid()
        now = self._reactor.seconds()
        if changed:
            self._save_at = now + _SAVE
            self._reactor.callLater(_SAVE + 0.01, self._bell.ring)
        elif now >= self._save_at and self._written != (text, map_text(wanted.routes)):
            await self._write(wanted)  # needed no reload: for whoever starts HAProxy next
        if not self._begun.called:
            self._begun.callback(f"{len(wanted.backends)} backends, {len(wanted.routes)} names")

    async def _instances(self, wanted: Site, running: Running) -> None:
        todo = steps(wanted, running)
        if todo.arriving:
            todo = steps(wanted, running, await self._listening(todo.arriving))
        now = self._reactor.seconds()
        for path in todo.leaving:
            self._leaving.setdefault(path, now + LONGEST_DRAIN)
        for path in set(self._leaving) - set(todo.leaving):
            del self._leaving[path]
        if todo.commands:
            for line in await self._haproxy.do(todo.commands):
                self._told.once(f"HAProxy: {line}")
                self._reactor.callLater(DRAINING, self._bell.ring)
            for command in todo.commands:
                if command.startswith("add ") or " state " in command:
                    log.info("{command}", command=command.partition(" weight ")[0])

    async def _listening(self, arriving: Mapping[str, Server]) -> set[str]:
        """Those who need not wait for HAProxy's first check."""
        places = {path: (server.address, server.port) for path, server in arriving.items()}
        return await listening(self._reactor, places, _PATIENCE)

    async def _routes(self, wanted: Site, before: Running) -> None:
        file = str(self._layout().routes)
        running = await self._haproxy.servers() if set(wanted.backends) - set(before) else before
        commands = route_steps(file, wanted.routes, await self._haproxy.map(file), running)
        for line in await self._haproxy.do(commands):
            self._told.once(f"HAProxy: {line}")

    async def _reload(self, wanted: Site, pid: int) -> None:
        wait = self._reloaded + RELOADS_APART - self._reactor.seconds()
        if wait > 0:
            await deferLater(self._reactor, wait)
        layout, before = self._layout(), self._written
        await self._write(wanted)
        self._reloaded = self._reactor.seconds()
        try:
            await self._haproxy.reload(pid)
        except Invalid:
            # Valid, and yet not taken, as with a port that another program has: a restart must find what worked.
            _put(layout.file, before[0])
            _put(layout.routes, before[1])
            self._written = before
            raise
        took = self._reactor.seconds() - self._reloaded
        log.info("reloaded in {took:.0f} ms: {count} backends", took=took * 1000, count=len(wanted.backends))
        # Servers that were drained are not in the file: the old worker finishes with them.
        self._leaving.clear()

    async def _write(self, wanted: Site) -> None:
        """The files, once HAProxy calls them valid."""
        layout = self._layout()
        text, routes = layout.configuration(wanted), map_text(wanted.routes)
        draft, draft_map = layout.file.with_suffix(".new"), layout.routes.with_suffix(".new")
        _put(draft_map, routes)
        _put(draft, text.replace(str(layout.routes), str(draft_map)))
        await verify(self._reactor, draft)
        draft_map.replace(layout.routes)
        _put(draft, text)
        draft.replace(layout.file)
        self._written = (text, routes)

    def _other_frame(self, text: str) -> bool:
        """Whether more than the instances changed: where it listens, or the template itself."""
        return bool(self._written[0]) and _frame(self._written[0]) != _frame(text)

    # -- now and then

    async def _look_now_and_then(self) -> None:
        while True:
            await deferLater(self._reactor, LOOK)
            try:
                if await self._haproxy.pid() == self._pid and not self._changed_frame():
                    continue
            except (Gone, BadTemplate):
                pass
            self._bell.ring()

    def _changed_frame(self) -> bool:
        return self._other_frame(self._layout().configuration(self._site))

    async def _sweep(self) -> None:
        while True:
            await deferLater(self._reactor, DRAINING)
            if self._leaving:
                self._bell.ring()

    async def _delete_drained(self) -> None:
        """Delete the servers that are drained, once nobody uses them or their time is over."""
        if not self._leaving:
            return
        busy, now = await self._haproxy.busy(), self._reactor.seconds()
        for path in [one for one, end in self._leaving.items() if not busy.get(one, 0) or now > end]:
            # Refused while a connection is open to it: then the next look tries again.
            if not await self._haproxy.do([f"set server {path} state maint", f"del server {path}"]):
                del self._leaving[path]


def _with_what_is_lost(wanted: Site, before: Site) -> Site:
    """*wanted*, and whatever of *before* is not in it."""
    backends = dict(wanted.backends)
    for name, backend in before.backends.items():
        kept: Backend = backends.get(name, backend)
        backends[name] = replace(kept, servers={**backend.servers, **kept.servers})
    return replace(wanted, backends=backends, routes={**before.routes, **wanted.routes})


def _frame(text: str) -> str:
    """A configuration without its backends, which come and go."""
    return text.partition("\nbackend ")[0]


def _put(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
