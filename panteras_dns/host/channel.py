"""Datagrams between our own processes, over pairs of sockets that the parent keeps: who is replaced goes on where the
last one was. SEQPACKET keeps the borders of messages, whatever becomes of who wrote them.
"""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

log = Logger()

Ends = tuple[socket.socket, socket.socket]  # that of the process beside the workers, and the worker's


def ends() -> Ends:
    """Both ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


@implementer(IReadDescriptor)
class Ear:
    """A socket on the reactor; *read* is called when there is something. What it raises is a bug, and told."""

    def __init__(self, reactor: Any, sock: socket.socket, read: Callable[[socket.socket], Any]) -> None:
        self._sock, self._read = sock, read
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "channel"

    def doRead(self) -> None:
        try:
            self._read(self._sock)
        except Exception:
            log.failure("a bug: a process of ours said what was not understood")

    def connectionLost(self, reason: Any) -> None:
        """The end of the reactor."""
