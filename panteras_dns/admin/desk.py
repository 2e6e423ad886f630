"""What is answered under which path, and who looks at it live."""

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred

from panteras_dns.admin.exposition import Exposition
from panteras_dns.admin.site import Answer, Handler, as_json, as_text, file
from panteras_dns.admin.status import Around, status
from panteras_dns.admin.stream import MOST, Stream
from panteras_dns.admin.sums import Sums
from panteras_dns.explain.explain import Explainer, Question
from panteras_dns.names import wire_name

LOOKED = 15.0  # seconds for which somebody who asked for the status is taken to go on looking
_ROWS = 50  # in one frame
_ASKED = 1000  # names that are told of those asked lately
_EXPLAINING = 4  # names at once: each takes a thread and asks Consul
_STALLED = 30  # frames, one a second, that a browser did not take
_READY = 20.0  # seconds without a word of a worker until we are not ready


@dataclass
class View:
    """What is shown. `fresh` asks the workers, `whole` also those beside them."""

    sums: Sums
    around: Around
    fresh: Callable[[], Awaitable[Any]]
    whole: Callable[[], Awaitable[Any]]

    def status(self) -> dict[str, Any]:
        return status(self.sums, self.around, time.time())


class Desk:
    """Handlers of the paths, and the streams that are open."""

    def __init__(self, view: View) -> None:
        self._view, self._sums = view, view.sums
        self._exposition = Exposition(view.sums)
        self._streams: list[Stream] = []
        self._asked = 0.0
        self._explaining = 0

    def explain_by(self, explainer: Explainer, asked_as: Question) -> None:
        """Who explains names from now on. *asked_as*: this gateway and its domain."""
        self._explainer, self._asked_as = explainer, asked_as

    def paths(self) -> dict[str, Handler]:
        return {
            "/": file("index.html"),
            "/style.css": file("style.css"),
            "/dashboard.js": file("dashboard.js"),
            "/icon.svg": file("icon.svg"),
            "/metrics": self._metrics,
            "/healthz": lambda _: as_text("ok"),
            "/readyz": self._readyz,
            "/status": self._status,
            "/failures": self._failures,
            "/queries": self._queries,
            "/query": self._query,
            "/events": self._events,
        }

    def looked_at(self) -> bool:
        return bool(self._streams) or time.monotonic() - self._asked < LOOKED

    def tell(self) -> None:
        """A frame for all who look."""
        if not self._streams:
            return
        whole = self._view.status()
        for stream in list(self._streams):
            if stream.send("status", whole):
                self._tell_rows(stream)
            elif stream.dropped >= _STALLED:  # another one may have its place
                stream.abort()

    def _tell_rows(self, stream: Stream) -> None:
        new = [row for row in self._rows() if row["number"] > stream.seen]
        if new:
            last = max(row["number"] for row in new)
            shown = sorted(new, key=lambda row: row["at"])[-_ROWS:]
            if stream.send("rows", {"rows": shown, "not_shown": len(new) - len(shown)}, last):
                stream.seen = last

    def _rows(self) -> Iterable[dict[str, Any]]:
        yield from self._sums.failures
        yield from self._sums.queries

    # Paths

    async def _metrics(self, request: Any) -> Answer:
        await self._view.fresh()
        body, kind = self._exposition.text(request.getHeader("accept") or "")
        return 200, kind, body

    def _readyz(self, _: Any) -> Answer:
        """Alive is not ready: a worker that nobody heard of answers no names either."""
        heard = min((worker.heard for worker in self._sums.workers), default=0.0)
        if time.time() - heard < _READY:
            return as_text("ready")
        return as_text("not ready: a worker does not tell", 503)

    async def _status(self, _: Any) -> Answer:
        self._asked = time.monotonic()
        await self._view.whole()
        return as_json(self._view.status())

    async def _failures(self, request: Any) -> Answer:
        """Those that are kept, newest first: `?name=` only of that name, `?before=` seconds since the epoch."""
        await self._view.fresh()
        name = _argument(request, "name").rstrip(".").lower()
        try:
            before = float(_argument(request, "before") or "inf")
        except ValueError:
            return as_text("before: expected seconds since the epoch", 400)
        rows = [
            row
            for row in reversed(self._sums.failures)
            if row["at"] <= before and (not name or row["name"].rstrip(".").lower() == name)
        ]
        return as_json({"version": 1, "kept": len(self._sums.failures), "failures": rows[:500]})

    async def _queries(self, _: Any) -> Answer:
        """What was asked lately, each name and type once, the last first."""
        await self._view.fresh()
        rows = sorted(self._rows(), key=lambda row: -row["at"])
        asked = dict.fromkeys((row["name"], row["type"]) for row in rows if not row["name"].endswith("…"))
        found = [{"name": name, "type": kind} for name, kind in list(asked)[:_ASKED]]
        return as_json({"version": 1, "queries": found})

    async def _query(self, request: Any) -> Answer:
        """As `panteras explain --json`."""
        name, kind = _argument(request, "name"), _argument(request, "type") or "A"
        try:
            wire_name(name or "..")
        except ValueError:
            return as_text("name: expected a domain name, as in /query?name=web.service.consul", 400)
        if self._explaining >= _EXPLAINING:
            return as_text("too many names are being explained: try again", 503)
        try:
            found = await self._explained(replace(self._asked_as, name=name, type=kind))
        except ValueError as problem:
            return as_text(f"type: {problem}", 400)
        return 200, "application/json", found.as_json().encode() + b"\n"

    def _explained(self, question: Question) -> "Deferred[Any]":
        """It goes on to its end when the browser is gone, as its thread does; only then may another have its place."""

        def over(result: Any) -> Any:
            self._explaining -= 1
            return result

        self._explaining += 1
        told: Deferred[Any] = Deferred()  # to cancel it ends nothing
        ensureDeferred(self._explainer.explain(question)).addBoth(over).chainDeferred(told)
        return told

    def _events(self, request: Any) -> Answer | None:
        if len(self._streams) >= MOST:
            return as_text(f"{MOST} browsers look already", 503)
        if request.method == b"HEAD":
            return 200, "text/event-stream", b""
        last = request.getHeader("last-event-id") or "0"
        stream = Stream(request, int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0)
        self._streams.append(stream)
        request.notifyFinish().addBoth(lambda _: self._streams.remove(stream))
        stream.send("status", self._view.status())
        return None


def _argument(request: Any, name: str) -> str:
    given = request.args.get(name.encode(), [b""])
    return str(given[-1].decode("utf-8", "replace"))
