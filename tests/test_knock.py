"""Who listens already is known before HAProxy looks, and who is slow or refuses holds nobody up."""

from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from panteras_dns.knock import MOST, listening

PATIENCE = 0.05


def servers(*addresses: str) -> dict[str, tuple[str, int]]:
    return {f"web/{address}": (address, 8000) for address in addresses}


def test_those_that_accept_are_told_and_the_connection_is_closed() -> None:
    reactor, transport = MemoryReactorClock(), StringTransport()
    asked = ensureDeferred(listening(reactor, servers("10.0.0.5", "10.0.0.6", "10.0.0.7", "fd00::5"), PATIENCE))
    for (_, _, factory, patience, _), problem in zip(
        reactor.tcpClients, (None, ConnectionRefusedError(), TimeoutError(), None), strict=True
    ):
        assert patience == PATIENCE
        if problem:
            factory.clientConnectionFailed(None, Failure(problem))
        else:
            factory.buildProtocol(None).makeConnection(transport)

    assert asked.result == {"web/10.0.0.5", "web/fd00::5"}
    assert transport.disconnecting


def test_nobody_is_asked_where_nobody_arrives() -> None:
    reactor = MemoryReactorClock()

    assert ensureDeferred(listening(reactor, {}, PATIENCE)).result == set()
    assert not reactor.tcpClients


def test_only_so_many_are_asked_at_once() -> None:
    reactor = MemoryReactorClock()
    ensureDeferred(
        listening(reactor, servers(*(f"10.0.{one // 250}.{one % 250 + 1}" for one in range(MOST + 50))), PATIENCE)
    )

    assert len(reactor.tcpClients) == MOST
