"""Hands the bound sockets of a running server to the one that comes after it, so that a restart loses nothing.

Both read the same sockets for a moment; the old one stops when the new one is ready. Whoever may connect to the
path (its owner and root) gets the sockets, and nothing else.
"""

import contextlib
import json
import os
import socket
import struct
from pathlib import Path

from panteras_dns.endpoint import Endpoint
from panteras_dns.host.sockets import Pair
from panteras_dns.options import ConfigError

Pairs = dict[Endpoint, Pair]

READY = b"."
_PATIENCE = 5.0  # seconds for the old server to answer
_MOST = 250  # descriptors a message (SCM_MAX_FD is 253)
_LENGTH = struct.Struct("!L")


def offer(path: str) -> socket.socket:
    """A listening unix socket at *path*, for the next process to connect to."""
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(path)
        sock.listen(1)
    except OSError as problem:
        raise ConfigError([f"dns.handover: {path}: {problem.strerror}"]) from None
    finally:
        os.umask(before)
    sock.setblocking(False)
    return sock


def give(connection: socket.socket, sets: list[Pairs]) -> None:
    """Send every socket, with where it listens and whose it is."""
    labels, numbers = [], []
    for worker, pairs in enumerate(sets):
        for endpoint, pair in pairs.items():
            for sock in (pair.udp, pair.tcp):
                if sock is not None:
                    labels.append([worker, endpoint.host, endpoint.port])
                    numbers.append(sock.fileno())
    text = json.dumps(labels).encode()
    connection.sendall(_LENGTH.pack(len(text)) + text)
    for start in range(0, len(numbers), _MOST):
        socket.send_fds(connection, [READY], numbers[start : start + _MOST])


def take(path: str) -> tuple[list[Pairs], socket.socket] | None:
    """The sockets of the server that offers them at *path*, and the connection on which to tell it that we are
    ready; None when nobody is there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(path)
        labels = _labels(connection)
        numbers: list[int] = []
        while len(numbers) < len(labels):
            _, some, _, _ = socket.recv_fds(connection, 1, _MOST)
            if not some:
                raise ConnectionError("the connection closed")
            numbers += some
    except (OSError, ValueError):
        connection.close()
        return None
    return _sorted(labels, numbers), connection


def _labels(connection: socket.socket) -> list[tuple[int, str, int]]:
    stream = connection.recv(_LENGTH.size, socket.MSG_WAITALL)
    text = connection.recv(_LENGTH.unpack(stream)[0], socket.MSG_WAITALL) if len(stream) == _LENGTH.size else b""
    return [(int(worker), str(host), int(port)) for worker, host, port in json.loads(text)]


def _sorted(labels: list[tuple[int, str, int]], numbers: list[int]) -> list[Pairs]:
    sets: list[Pairs] = [{} for _ in range(max((worker for worker, _, _ in labels), default=0) + 1)]
    for (worker, host, port), number in zip(labels, numbers, strict=True):
        sock = socket.socket(fileno=number)
        sock.setblocking(False)
        pair = sets[worker].setdefault(Endpoint(host, port), Pair(None, None))
        if sock.type == socket.SOCK_DGRAM:
            pair.udp = sock
        else:
            pair.tcp = sock
    return sets
