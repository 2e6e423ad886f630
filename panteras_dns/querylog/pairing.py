"""Queries and the replies that belong to them. Pure.

At most *most* queries wait for their reply; the oldest goes as one that got none. So does what waits for longer than
PATIENCE.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from panteras_dns.failures import host_text
from panteras_dns.querylog.tap import TCP_QUERY, TCP_REPLY, UDP_QUERY, Group
from panteras_dns.wire import IN, Malformed, Query, read_query

_USUAL, _LARGEST = 512, 4096  # octets of a query: what is larger is padding, and not kept
PATIENCE = 6.0  # seconds: every client has given up


@dataclass(frozen=True, slots=True)
class Exchange:
    """A query with its reply: `reply` is b"" where none was sent, `query` where it was not handed over.

    Times in seconds since the epoch."""

    client: str
    port: int
    tcp: bool
    query: bytes
    asked: float
    reply: bytes
    answered: float


class Pairing:
    """`take` may be called with any worker's groups: a client's reply leaves the process that its query came to."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._open: dict[Hashable, tuple[float, bytes]] = {}

    def take(self, groups: Iterable[Group]) -> Iterator[Exchange]:
        """The exchanges that are over with these."""
        for kind, at, datagrams in groups:
            tcp = kind in (TCP_QUERY, TCP_REPLY)
            for packet, client in datagrams:
                key = packet[:2], client, tcp
                if kind in (UDP_QUERY, TCP_QUERY):
                    yield from self._hold(key, at, packet)
                else:
                    asked, query = self._open.pop(key, (at, b""))
                    yield _exchange(key, query, asked, packet, at)

    def _hold(self, key: Hashable, at: float, packet: bytes) -> Iterator[Exchange]:
        if (again := self._open.pop(key, None)) is not None:
            yield _exchange(key, again[1], again[0], b"", again[0])
        elif len(self._open) >= self._most:
            yield self._give_up(next(iter(self._open)))
        self._open[key] = at, packet if len(packet) <= _LARGEST else packet[:_USUAL]

    def sweep(self, now: float) -> Iterator[Exchange]:
        """Those that will not be answered any more."""
        for key, (at, _) in list(self._open.items()):
            if now - at < PATIENCE:
                break
            yield self._give_up(key)

    def _give_up(self, key: Hashable) -> Exchange:
        at, query = self._open.pop(key)
        return _exchange(key, query, at, b"", at)


def _exchange(key: Any, query: bytes, asked: float, reply: bytes, answered: float) -> Exchange:
    client = key[1]
    return Exchange(_host(client), _port(client), key[2], query, asked, reply, answered)


@lru_cache(4096)
def _host(client: Any) -> str:
    return host_text(client)


def _port(client: Any) -> int:
    return int.from_bytes(client[2:4], "big") if isinstance(client, bytes) else int(client[1])


def question(body: bytes) -> Query:
    """What a query (without its id) asks; nothing that can be read is the root, type 0."""
    return _remembered(body) if len(body) <= _USUAL else _question(body)


@lru_cache(4096)
def _remembered(body: bytes) -> Query:
    return _question(body)


def _question(body: bytes) -> Query:
    try:
        return read_query(body)
    except Malformed:
        return Query(0, b"\0\0\0\0\1", b"\0", 0, IN, None)
