"""What HAProxy starts with: its configuration and its map of names, as they were last called valid."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from panteras_dns.box.haproxy import Invalid, verify
from panteras_dns.box.layout import FRAME, Layout, map_text
from panteras_dns.box.site import Site

_NOTHING = Site({}, {})


class Saved:
    """*layout*: a function, since addresses of the host come and go."""

    def __init__(self, reactor: Any, layout: Callable[[], Layout]) -> None:
        self._reactor, self._layout = reactor, layout
        self._text = self._routes = ""
        self._before = ("", "")

    async def begin(self) -> None:
        """Files that HAProxy can start with here and now: those that are there, or the front page alone.

        `Invalid` or `BadTemplate` where there can be none.
        """
        layout = self._layout()
        if not (layout.file.exists() and layout.routes.exists()):
            await self.write(_NOTHING)
            return
        self._text, self._routes = layout.file.read_text(encoding="utf-8"), layout.routes.read_text(encoding="utf-8")
        await self.mend()

    async def mend(self) -> None:
        """Addresses may have gone since the file was written, and HAProxy does not start with one that it can't bind:
        the head of the file follows, with the backends as they are."""
        head = _head(self._layout().configuration(_NOTHING))
        if _head(self._text) == head:
            return
        try:
            await self._store(head + self._text[len(_head(self._text)) :], self._routes)
        except Invalid:
            await self.write(_NOTHING)

    async def write(self, site: Site) -> None:
        """The files for *site*, once HAProxy calls them valid."""
        await self._store(self._layout().configuration(site), map_text(site.map))

    def take_back(self) -> None:
        """The files as they were before: valid, and yet not taken, as with a port that another program has."""
        layout = self._layout()
        self._text, self._routes = self._before
        _put(layout.file, self._text)
        _put(layout.routes, self._routes)

    def is_for(self, site: Site) -> bool:
        return (self._text, self._routes) == (self._layout().configuration(site), map_text(site.map))

    @property
    def is_outdated(self) -> bool:
        """Whether more than services and instances is another now: where it listens, or the template."""
        return _frame(self._text) != self._layout().frame

    async def _store(self, text: str, routes: str) -> None:
        layout = self._layout()
        draft, draft_map = layout.file.with_suffix(".new"), layout.routes.with_suffix(".new")
        _put(draft_map, routes)
        _put(draft, text.replace(str(layout.routes), str(draft_map)))
        await verify(self._reactor, draft)
        draft_map.replace(layout.routes)
        _put(draft, text)
        draft.replace(layout.file)
        self._before = (self._text, self._routes)
        self._text, self._routes = text, routes


def _head(text: str) -> str:
    """A configuration up to its backends."""
    return text.partition("\nbackend ")[0]


def _frame(text: str) -> str:
    """What the last line says."""
    last = text.rstrip("\n").rpartition("\n")[2]
    return last.removeprefix(FRAME) if last.startswith(FRAME) else ""


def _put(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
