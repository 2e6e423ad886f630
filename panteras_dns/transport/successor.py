"""Waits for the process that is to take over, gives it our sockets, and stops when it is ready."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from panteras_dns.host.handover import Pairs, give

log = Logger()


@implementer(IReadDescriptor)
class _Reader:
    def __init__(self, sock: socket.socket, read: Callable[[], None]) -> None:
        self.sock = sock
        self.doRead = read

    def fileno(self) -> int:
        return self.sock.fileno()

    def logPrefix(self) -> str:
        return "handover"

    def connectionLost(self, reason: Any) -> None:
        self.doRead()


class Successor:
    """*sets* tells our sockets when asked; *ready* is called when the next process answers in our place."""

    def __init__(self, reactor: Any, offered: socket.socket, sets: Callable[[], list[Pairs]], ready: Callable[[], Any]):
        self._reactor = reactor
        self._sets = sets
        self._ready = ready
        self._door = _Reader(offered, self._accept)
        self._next: _Reader | None = None
        reactor.addReader(self._door)

    def _accept(self) -> None:
        try:
            connection, _ = self._door.sock.accept()
            connection.settimeout(1)
            give(connection, self._sets())
        except OSError as problem:
            log.warn("the next process did not take the sockets: {problem}", problem=problem)
            return
        log.info("the next process has our sockets")
        self._next = _Reader(connection, self._told)
        self._reactor.addReader(self._next)

    def _told(self) -> None:
        assert self._next is not None
        self._reactor.removeReader(self._next)
        try:
            ready = bool(self._next.sock.recv(1))
        except OSError:
            ready = False
        self._next.sock.close()
        if ready:
            log.info("the next process is ready: stopping")
            self._reactor.removeReader(self._door)
            self._ready()
        else:
            log.warn("the next process has gone before it was ready: going on")
