"""Who listens already: one TCP connect to each, closed at once."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

MOST = 100  # at once


async def listening(reactor: Any, places: Mapping[str, tuple[str, int]], patience: float) -> set[str]:
    """The keys of those of *places* (address and port) that accept a connection within *patience* seconds."""
    found: set[str] = set()

    def knock(key: str, address: str, port: int) -> "Deferred[None]":
        def opened(protocol: Any) -> None:
            found.add(key)
            protocol.transport.loseConnection()

        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        endpoint = kind(reactor, address, port, timeout=patience)
        return connectProtocol(endpoint, Protocol()).addCallbacks(opened, lambda _: None)  # type: ignore[no-any-return]

    await gatherResults([knock(key, *place) for key, place in list(places.items())[:MOST]])
    return found
