"""A worker's end of the query log: hands over what came and what left, as it is. Off, it is not there at all.

Nothing is read or rendered here: a turn's datagrams are kept as the list they came in, and leave marshalled, many turns
in one message. What the other side has no room for is dropped and counted: an answer never waits for its line.
"""

import contextlib
import marshal
import socket
from time import time
from typing import Any

UDP_QUERY, UDP_REPLY, TCP_QUERY, TCP_REPLY = range(4)
Group = tuple[int, float, list[tuple[bytes, Any]]]  # kind, seconds since the epoch, (packet, client) each

LARGEST = 100_000  # octets of a message: a socket has room for two, by default
FULL = 256  # datagrams that are held back; beside them nothing is older than
SWEEP = 0.1  # seconds


class Tap:
    """Writes to *sock* (SEQPACKET), a message at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.dropped = 0  # datagrams
        self._sock = sock
        self._held: list[Group] = []
        self._count = 0

    def note(self, kind: int, datagrams: list[tuple[bytes, Any]]) -> None:
        """A turn's; the list is not changed any more."""
        self._held.append((kind, time(), datagrams))
        self._count += len(datagrams)
        if self._count >= FULL:
            self.flush()

    def flush(self) -> None:
        """Hand over what is held."""
        if self._held:
            held, self._held, self._count = self._held, [], 0
            self._send(held)

    def _send(self, groups: list[Group]) -> None:
        message = marshal.dumps(groups)
        if len(message) > LARGEST:
            self._send_apart(groups)
            return
        try:
            self._sock.send(message)
        except OSError:  # full, or nobody there at the moment
            self.dropped += sum(len(datagrams) for _, _, datagrams in groups)

    def _send_apart(self, groups: list[Group]) -> None:
        if len(groups) > 1:
            middle = len(groups) // 2
            self._send(groups[:middle])
            self._send(groups[middle:])
            return
        ((kind, at, datagrams),) = groups
        middle = len(datagrams) // 2
        if not middle:
            self.dropped += 1  # one that is larger than any datagram: a reply over TCP, of all things
            return
        self._send([(kind, at, datagrams[:middle])])
        self._send([(kind, at, datagrams[middle:])])


def read(sock: socket.socket) -> list[Group]:
    """The other side: what one message holds; nothing when there is none."""
    with contextlib.suppress(BlockingIOError, ConnectionError, ValueError, EOFError, TypeError):
        return list(marshal.loads(sock.recv(2 * LARGEST)))  # noqa: S302  written by a process of ours
    return []
