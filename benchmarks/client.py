"""A small DNS client over UDP: is a server up, and how long does a query take at a steady rate.

Reads nothing of a reply but its id and its response code.
"""

import random
import select
import socket
import struct
import time
from collections.abc import Sequence

TYPES = {"A": 1, "SRV": 33}
PATIENCE = 1.0


def query(name: str, kind: str) -> bytes:
    """A query without its id: recursion desired, one question, no EDNS."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, TYPES[kind], 1)


def is_answered(port: int, packet: bytes) -> bool:
    """Whether NOERROR with an answer comes back at once; returns within 20 ms, so that it can be polled."""
    with _connected(port) as sock:
        sock.settimeout(0.02)
        try:
            sock.send(random.randbytes(2) + packet)
            reply = sock.recv(4096)
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            time.sleep(0.001)
            return False
    return reply[3] & 15 == 0 and reply[6:8] != b"\0\0"


def latencies(port: int, packets: Sequence[bytes], rate: int, seconds: float) -> list[float]:
    """Milliseconds from each query to its reply, asked at *rate* a second whether replies come or not.

    A steady rate matters: a client that waits for each reply asks less while the server is slow, and
    hides it. A query without a reply counts as PATIENCE.
    """
    total = int(rate * seconds)
    sent: dict[int, float] = {}
    took: list[float] = []
    with _connected(port) as sock:
        began = time.perf_counter()
        for number in range(total):
            _receive(sock, sent, took, until=began + number / rate)
            key = number % 65536
            sent[key] = time.perf_counter()
            sock.send(struct.pack(">H", key) + packets[number % len(packets)])
        _receive(sock, sent, took, until=time.perf_counter() + PATIENCE)
    return took + [PATIENCE * 1000] * (total - len(took))


def _receive(sock: socket.socket, sent: dict[int, float], took: list[float], until: float) -> None:
    """Take in replies until the clock says *until*, or, when all have come, sleep until then."""
    while (left := until - time.perf_counter()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return
        reply = sock.recv(4096)
        asked = sent.pop(int.from_bytes(reply[:2]), None)
        if asked is not None:
            took.append((time.perf_counter() - asked) * 1000)


def _connected(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    return sock


def free_port() -> int:
    """A port of 127.0.0.1 that is free for UDP and TCP now."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return int(tcp.getsockname()[1])
