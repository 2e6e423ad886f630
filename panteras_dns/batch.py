"""Datagrams in batches between sockets and lists of bytes.

The C extension (`_batch.c`) where it was built, else the same four calls over plain sockets. Parses
nothing and knows no DNS. An address is whatever the implementation hands over and takes back;
`HOST[family]` is the index that cuts the client's host out of it.
"""

import contextlib
import importlib
import os
import socket
from collections.abc import Callable
from typing import Any, ClassVar

MOST = 128  # datagrams a call, as in _batch.c: a turn of the reactor must leave time for the others
_ROOM = 65535

Address = Any
Host = bytes | str


class Plain:
    """The four calls of `_batch.c` over the socket module, one datagram a system call."""

    HOST: ClassVar[dict[int, Any]] = {socket.AF_INET: 0, socket.AF_INET6: 0}

    @staticmethod
    def receive(sock: socket.socket) -> list[tuple[bytes, Address]]:
        """What waits on an unconnected socket, at most MOST datagrams."""
        found = []
        try:
            for _ in range(MOST):
                found.append(sock.recvfrom(_ROOM, socket.MSG_DONTWAIT))
        except OSError as error:
            if not found:
                _unless_empty(error)
        return found

    @staticmethod
    def read(sock: socket.socket) -> list[bytes]:
        """The same for a connected socket; ConnectionRefusedError when the peer's host said so."""
        found = []
        try:
            for _ in range(MOST):
                found.append(sock.recv(_ROOM, socket.MSG_DONTWAIT))
        except OSError as error:
            if not found:
                _unless_empty(error)
        return found

    @staticmethod
    def send(sock: socket.socket, datagrams: list[tuple[bytes, Address]]) -> int:
        """Send each to its address; one that can't be sent is left out. Returns how many went."""
        return sum(_sent(sock.sendto, data, address) for data, address in datagrams)

    @staticmethod
    def write(sock: socket.socket, datagrams: list[bytes]) -> int:
        """The same on a connected socket."""
        return sum(_sent(sock.send, data) for data in datagrams)


def _unless_empty(error: OSError) -> None:
    if not isinstance(error, BlockingIOError | InterruptedError):
        raise error


def _sent(send: Callable[..., int], *args: Any) -> bool:
    try:
        send(*args)
    except ConnectionRefusedError:
        # An error of an earlier datagram, told now: this one was not tried.
        try:
            send(*args)
        except OSError:
            return False
    except OSError:
        return False
    return True


def unfragmented(sock: socket.socket) -> None:
    """Send with DF set and believe no ICMP about path MTUs: fragments can be forged (RFC 9715). Answers are small
    enough; what is not fails to leave. It also spares the kernel an IP id for each datagram."""
    level, option = (socket.IPPROTO_IP, 10) if sock.family == socket.AF_INET else (socket.IPPROTO_IPV6, 23)
    with contextlib.suppress(OSError):  # another system
        sock.setsockopt(level, option, 3)  # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: IP_PMTUDISC_PROBE


receive: Callable[[Any], list[tuple[bytes, Address]]] = Plain.receive
read: Callable[[Any], list[bytes]] = Plain.read
send: Callable[[Any, list[tuple[bytes, Address]]], int] = Plain.send
write: Callable[[Any, list[bytes]], int] = Plain.write
HOST: dict[int, Any] = Plain.HOST
handle: Callable[[socket.socket], Any] = lambda sock: sock  # noqa: E731  what the four calls take
NATIVE = False

if os.environ.get("PANTERAS_BATCH") != "plain":
    try:
        _batch: Any = importlib.import_module("panteras_dns._batch")
    except ImportError:
        pass
    else:
        receive, read, send, write = _batch.receive, _batch.read, _batch.send, _batch.write
        # Offsets in struct sockaddr_in and sockaddr_in6.
        HOST = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
        handle = socket.socket.fileno
        NATIVE = True
