"""Hears at once when an address comes or goes: docker has made a bridge, a VPN has come up."""

import contextlib
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from panteras_dns.host.interfaces import changes


@implementer(IReadDescriptor)
class Watcher:
    """Calls *changed* when the kernel tells of a change. What changed is for others to look at."""

    def __init__(self, reactor: Any, changed: Callable[[], None]) -> None:
        self._sock = changes()
        self._changed = changed
        self._reactor = reactor
        if self._sock is not None:
            reactor.addReader(self)

    def fileno(self) -> int:
        return self._sock.fileno() if self._sock is not None else -1

    def logPrefix(self) -> str:
        return "addresses"

    def doRead(self) -> None:
        assert self._sock is not None
        with contextlib.suppress(OSError):  # emptied, or more than fits: a look shows it all
            while self._sock.recv(65536):
                pass
        self._changed()

    def connectionLost(self, reason: Any) -> None:
        """The end of the reactor."""

    def close(self) -> None:
        if self._sock is not None:
            self._reactor.removeReader(self)
            self._sock.close()
