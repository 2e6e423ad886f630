"""Where encrypted servers are tried: a forwarder, a real reactor that a test turns by hand, and what it takes to
talk to a server on loopback."""

import time
from collections.abc import Callable
from time import monotonic
from typing import Any

from builders import World, a_query, reason_in
from twisted.internet.epollreactor import EPollReactor

from panteras_dns.build import probe_plan
from panteras_dns.remote import Encrypted, remote
from panteras_dns.transport.ports import Surroundings
from panteras_dns.transport.secure import SecureServer
from panteras_dns.transport.turns import Turns

_reactor = EPollReactor()
_reactor.startRunning(installSignalHandlers=False)


class Stand:
    """A forwarder whose only upstream is *kind* at *place*, `tls://127.0.0.1:853#dns.test`."""

    def __init__(self, kind: type[SecureServer], place: str, pem: bytes, timeout: float = 2.0, attempts: int = 1):
        self.reactor, self.world = _reactor, World()
        self.turns = Turns(_reactor)
        around = Surroundings(_reactor, self.world.forwarder, self.turns)
        self.server: Any = kind(Encrypted(remote(place), timeout, pem), around, probe_plan("."))
        group = self.world.tables.routes.match(b"\0").group
        group.carriers, group.attempts = [self.server], attempts
        group.refresh()
        self.changes: list[str] = []
        self.server.health.changed = lambda health: self._changed(group, health)

    def _changed(self, group, health) -> None:
        group.refresh()
        self.changes.append(health.reason if health.down_since is not None else "answers again")

    @property
    def sent(self) -> list[bytes]:
        return self.world.sent

    @property
    def health(self):
        return self.server.health

    def ask(self, name: str = "www.example.com", number: int = 1, **options: Any) -> None:
        """A client asks."""
        self.world.now = monotonic()
        self.world.ask(a_query(name, id=number, **options))

    def until(self, condition: Callable[[], object], within: float = 5.0, sweeps: bool = True) -> None:
        """Turn the reactor until *condition* holds."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time: {self.changes}, {self.health.reason!r}"
            self.reactor.iterate(0.01)
            if sweeps:
                self.server.sweep(monotonic())

    def answers(self, count: int = 1, **options: Any) -> list[bytes]:
        self.until(lambda: len(self.sent) >= count, **options)
        return self.sent

    def fails(self) -> str:
        """Ask, and tell why there is no answer."""
        before = len(self.sent)
        self.ask(f"fails{before}.example", use_edns=True)
        code, text = reason_in(self.answers(before + 1)[-1]) or (0, "")
        assert code in {22, 23}, text
        return self.health.reason

    def close(self) -> None:
        self.server.close()
        self.until(lambda: self.server._connector is None, sweeps=False)
        self.turns.close()
