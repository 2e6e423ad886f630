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

    def __init__(self, changed: Callable[[], None]) -> None:
        self.sock = changes()
        self._changed = changed

    def fileno(self) -> int:
        return self.sock.fileno() if self.sock is not None else -1

    def logPrefix(self) -> str:
        return "addresses"

    def doRead(self) -> None:
        assert self.sock is not None
        with contextlib.suppress(OSError):  # emptied, or more than fits: a look shows it all
            while self.sock.recv(65536):
                pass
        self._changed()

    def connectionLost(self, reason: Any) -> None:
        """The server is at its end."""
