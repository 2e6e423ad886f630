"""Server-sent events: what the dashboard shows, once a second, to a few browsers.

A browser that takes nothing costs nothing: what it has no room for is dropped, and the next frame tells all anew.
"""

import json
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

MOST = 8  # streams at once; a browser opens one a page


@implementer(IPushProducer)
class Stream:
    """One browser's."""

    def __init__(self, request: Any, seen: int) -> None:
        self.seen = seen  # number of the last row it was sent
        self.dropped = 0
        self._paused = False
        self._request = request
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        request.setHeader("X-Accel-Buffering", "no")
        request.registerProducer(self, True)
        request.write(b"retry: 2000\n\n")

    def send(self, event: str, value: Any, number: int = 0) -> bool:
        """One frame, if there is room for it."""
        if self._paused:
            self.dropped += 1
            return False
        head = f"id: {number}\n" if number else ""
        self.dropped = 0
        self._request.write(f"{head}event: {event}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode())
        return True

    def abort(self) -> None:
        """Who takes nothing is not there."""
        self._request.channel.transport.abortConnection()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        """The browser has left; the request's notifyFinish says so too."""
