"""Who listens already: one TCP connect to each, so that requests need not wait for HAProxy's first check."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

from panteras_dns.box.site import Server

PATIENCE = 0.05  # seconds; HAProxy's own checks find who is slower
MOST = 100  # at once; as for the patience


async def listening(reactor: Any, servers: Mapping[str, Server]) -> set[str]:
    """The keys of those of *servers* that accept a connection within PATIENCE."""
    found: set[str] = set()

    def knock(key: str, server: Server) -> "Deferred[None]":
        def opened(protocol: Any) -> None:
            found.add(key)
            protocol.transport.loseConnection()

        kind = TCP6ClientEndpoint if ":" in server.address else TCP4ClientEndpoint
        endpoint = kind(reactor, server.address, server.port, timeout=PATIENCE)
        return connectProtocol(endpoint, Protocol()).addCallbacks(opened, lambda _: None)  # type: ignore[no-any-return]

    await gatherResults([knock(*one) for one in list(servers.items())[:MOST]])
    return found
