"""One server as a route sees it: its health, its sockets, its questions in flight.

One sweep looks at all deadlines; there is no timer a question.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from twisted.logger import Logger

from panteras_dns.endpoint import Endpoint
from panteras_dns.flights import Ask, landed
from panteras_dns.plan import Plan
from panteras_dns.transport.line import Line
from panteras_dns.transport.ports import OURS, FreshPort, Port, Surroundings
from panteras_dns.upstream import Health

log = Logger()

_MISSPELLINGS = 3
_FRESH_MOST = 1000  # sockets in flight towards another server
_FRESH_AHEAD = 32  # sockets made ahead of need


@dataclass(frozen=True)
class Settings:
    """How a server is talked to. *shared* sockets, or a fresh one a question: the former on loopback, where nobody
    can spoof. *ports*: how many shared ones; more make the batches smaller."""

    address: Endpoint
    timeout: float = 0.8
    shared: bool = False
    ports: int = 2
    mixes_case: bool = False  # 0x20: the spelling of a question is one more thing to guess


class Server:
    """Carries questions to one server (`upstream.Carrier`)."""

    def __init__(self, settings: Settings, around: Surroundings, probe: Plan) -> None:
        self.address = settings.address
        self.timeout = settings.timeout
        self.mixes_case = settings.mixes_case
        self.misspellings = 0
        self.around = around
        self.health = Health(str(settings.address))
        self.closed = False
        self.flying: dict[FreshPort, None] = {}  # in the order they were asked
        self._ports: list[Port] = []
        self._ahead: list[FreshPort] = []
        self._probe = probe
        self._line = Line(self)
        self.ask: Callable[[Ask, bytes], bool] = self._ask_fresh
        if settings.shared:
            self._ports = [Port(self) for _ in range(settings.ports)]
            self._port = self._ports[0]
            self.ask = self._ask_shared

    def _ask_shared(self, ask: Ask, body: bytes) -> bool:
        port = self._port
        if not port.ids or self.closed:
            return self.health.turn_away()
        key = port.ids.popleft()
        port.pending[key] = ask
        port.out.append(key + body)
        return True

    def _ask_fresh(self, ask: Ask, body: bytes) -> bool:
        if len(self.flying) >= _FRESH_MOST or self.closed:
            return self.health.turn_away()
        try:
            port = self._ahead.pop() if self._ahead else FreshPort(self)
            port.send(ask, body)
        except OSError as problem:
            if self._ahead:  # made for a way that is gone: there may be another
                self._drop_ahead()
                return self._ask_fresh(ask, body)
            return self._stuck(problem, ask[4])
        self.flying[port] = None
        return True

    def _stuck(self, problem: OSError, now: float) -> bool:
        """A question could not leave: there is no way to the server, or we have no socket for it."""
        words = os.strerror(problem.errno or 0)
        if problem.errno in OURS:
            return self.health.turn_away(f"was not asked: {words}")
        self.health.untaken = f"can't be asked: {words}"
        self.health.failure(self.health.untaken, now)
        return False

    def misspelt(self, ask: Ask) -> bool:
        """The reply to *ask* spells the question in another case: ask over TCP. A server that never keeps the
        case is asked without the game from then on."""
        self.misspellings += 1
        if self.misspellings >= _MISSPELLINGS and self.mixes_case:
            self.mixes_case = False
            log.info("{server} does not keep the case of questions: it is asked without mixing it", server=self.address)
        return ask[0].packet != b"" and self.ask_tcp(ask, ask[0].packet)

    def ask_tcp(self, ask: Ask, body: bytes) -> bool:
        return not self.closed and self._line.ask(ask, body)

    def landed(self, port: FreshPort) -> None:
        """That port's question is over."""
        self.flying.pop(port, None)

    def fail(self, ask: Ask, reason: str, now: float) -> None:
        """No answer to *ask*: note it, and let the forwarder go on."""
        self.health.failure(reason, now)
        self.around.forwarder.failed(ask, reason, self, now)

    def pass_over(self, ask: Ask, reason: str, now: float) -> None:
        """No answer to *ask*, which is nothing against the server."""
        self.health.full += 1
        self.around.forwarder.failed(ask, reason, self, now)

    def sweep(self, now: float) -> None:
        """Look at the deadlines, make sockets ahead, probe if it is marked."""
        before = now - self.timeout
        late: list[Ask] = []
        for port in self._ports:
            late += port.expire(before)
        while self.flying:
            fresh = next(iter(self.flying))
            if fresh.ask is None or fresh.ask[4] > before:
                break
            late.append(fresh.ask)
            fresh.close()
        for ask in late:
            self.health.timeouts += 1
            self.fail(ask, "did not answer in time", now)
        self._line.sweep(now)
        self._prepare()
        if self.health.probe_due(now):
            self.probe(self._probe)

    def probe(self, plan: Plan) -> None:
        """Ask something whose answer nobody waits for."""
        self.ask((plan, b"", None, None, monotonic(), landed(plan)), plan.packet)

    def _prepare(self) -> None:
        if self._ports:  # the next turns ask from the next socket
            self._port = self._ports[(self._ports.index(self._port) + 1) % len(self._ports)]
            return
        try:
            while len(self._ahead) < _FRESH_AHEAD:
                self._ahead.append(FreshPort(self))
        except OSError:
            pass  # the next question tells why; the next sweep tries again

    def _drop_ahead(self) -> None:
        while self._ahead:
            self._ahead.pop().close()

    @property
    def open_questions(self) -> int:
        return sum(len(port.pending) for port in self._ports) + len(self.flying) + self._line.open_questions

    def close(self) -> None:
        self.closed = True
        every: list[Port | FreshPort] = [*self._ports, *self.flying]
        for port in every:
            port.close()
        self._drop_ahead()
        self._line.close()
