"""The addresses we listen on, as they come and go."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from twisted.logger import Logger

from panteras_dns.endpoint import Endpoint
from panteras_dns.host.sockets import Pair, Taken, bind, expand
from panteras_dns.transport.listeners import TcpListener, UdpListener
from panteras_dns.transport.ports import Surroundings

log = Logger()


@dataclass
class Door:
    """The listeners of one address."""

    pair: Pair
    udp: UdpListener | None = None
    tcp: TcpListener | None = None
    port: Any = None  # of the reactor


class Doors:
    """Every door that is open. *shared*: other workers listen at the same; *given*: systemd bound the sockets, and
    where to listen is not ours to say; *kept*: it bound these, beside those that are."""

    def __init__(
        self, around: Surroundings, shared: bool, given: bool, kept: frozenset[Endpoint] = frozenset()
    ) -> None:
        self.open: dict[Endpoint, Door] = {}
        self._around = around
        self._shared = shared
        self._given = given
        self._kept = kept
        self._complained: set[Endpoint] = set()

    def add(self, endpoint: Endpoint, pair: Pair) -> None:
        """Listen on sockets that are bound already."""
        door = Door(pair)
        if pair.udp is not None:
            door.udp = UdpListener(pair.udp, self._around.forwarder, self._around.turns, self._around.tap)
        if pair.tcp is not None:
            door.tcp = TcpListener(self._around.forwarder, self._around.turns, tap=self._around.tap)
            door.port = self._around.reactor.adoptStreamPort(pair.tcp.fileno(), pair.tcp.family, door.tcp)
        self.open[endpoint] = door

    def follow(self, listen: Iterable[Endpoint]) -> None:
        """Bind what is wanted and not there, release what is there and not wanted."""
        if self._given:
            return
        wanted = expand(listen)
        for endpoint in [one for one in self.open if one not in wanted and one not in self._kept]:
            self._shut(endpoint)
            log.info("no longer listening on {endpoint}", endpoint=endpoint)
        for endpoint in [one for one in wanted if one not in self.open]:
            self._try(endpoint)

    def _try(self, endpoint: Endpoint) -> None:
        try:
            self.add(endpoint, bind(endpoint, self._shared, sole=False))
        except (Taken, OSError) as problem:
            if endpoint not in self._complained:
                self._complained.add(endpoint)
                log.warn("not listening on {endpoint}: {problem}", endpoint=endpoint, problem=problem)
        else:
            self._complained.discard(endpoint)
            log.info("listening on {endpoint} udp+tcp", endpoint=endpoint)

    def _shut(self, endpoint: Endpoint) -> None:
        door = self.open.pop(endpoint)
        if door.udp is not None:
            door.udp.close()
        if door.port is not None and door.tcp is not None:
            door.port.stopListening()
            door.tcp.close()
        if door.pair.tcp is not None:
            door.pair.tcp.close()

    def sweep(self) -> None:
        """Cut connections that are silent for too long."""
        now = monotonic()
        for door in self.open.values():
            if door.tcp is not None:
                door.tcp.sweep(now)

    def rest(self) -> None:
        """Take no more questions; answers still leave."""
        for door in self.open.values():
            if door.udp is not None:
                door.udp.rest()
            if door.port is not None:
                door.port.stopListening()
