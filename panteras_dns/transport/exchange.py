"""All servers of a worker: made for its routes, kept over a reload while they stay the same, let go when they
have nothing left to answer."""

from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from twisted.logger import Logger

from panteras_dns.answer import ask
from panteras_dns.loops import Loops
from panteras_dns.options import ConfigError
from panteras_dns.plan import Plan
from panteras_dns.remote import TLS, Encrypted
from panteras_dns.transport.ports import Surroundings
from panteras_dns.transport.server import Server, Settings
from panteras_dns.upstream import Group, Health
from panteras_dns.wire import Edns

if TYPE_CHECKING:
    from panteras_dns.transport.secure import SecureServer

log = Logger()

SWEEP = 0.1  # seconds between looks at the deadlines

_Key = tuple[str, Settings | Encrypted]  # the same server of two routes is two: one must not starve the other


class Exchange:
    """The servers in use, by the name of their group, and those of before that still have questions in flight."""

    def __init__(self, around: Surroundings) -> None:
        self.servers: dict[_Key, Server | SecureServer] = {}
        self._around = around
        self._before: dict[_Key, Server | SecureServer] = {}
        self._new: list[_Key] = []
        self._retired: list[Server | SecureServer] = []
        self._looped: set[str] = set()

    def renew(self) -> None:
        """What follows describes all servers anew; `settle` lets those go that were not named again."""
        self._before, self.servers, self._new = self.servers, {}, []

    def group(
        self, name: str, servers: Sequence[Settings | Encrypted], policy: str, attempts: int, probe: Plan
    ) -> Group:
        """Servers that share suffixes. *probe* is what a marked one is asked."""
        found = [self._server((name, settings), probe) for settings in dict.fromkeys(servers)]
        timeout = max((one.timeout if isinstance(one, Settings) else one.patience for one in servers), default=1.0)
        group = Group(found, policy, timeout, attempts)
        for server in found:
            server.health.changed = partial(_changed, group)
        return group

    def _server(self, key: _Key, probe: Plan) -> "Server | SecureServer":
        if key not in self.servers:
            if key in self._before:
                self.servers[key] = self._before.pop(key)
            else:
                self.servers[key] = self._made(key[1], probe)
                self._new.append(key)
        return self.servers[key]

    def _made(self, settings: Settings | Encrypted, probe: Plan) -> "Server | SecureServer":
        if isinstance(settings, Settings):
            return Server(settings, self._around, probe)
        # Imported when there is one: their libraries take 13 MB a worker, and most of a second.
        kind: type[SecureServer]
        if settings.remote.scheme == TLS:
            from panteras_dns.transport.tls import TlsServer as kind
        else:
            from panteras_dns.transport.https import HttpsServer as kind
        try:
            return kind(settings, self._around, probe)
        except ValueError as problem:
            raise ConfigError([f"{settings.remote}: ca: {problem}"]) from None

    def settle(self) -> bool:
        """Questions in flight end on the servers of before; whether there are others now."""
        changed = bool(self._before or self._new)
        self._retired += self._before.values()
        self._before, self._new = {}, []
        return changed

    def restore(self) -> None:
        """The servers could not be described: those of before stay, those made since go."""
        for key in self._new:
            self.servers.pop(key).close()
        self.servers = {**self._before, **self.servers}
        self._before, self._new = {}, []

    def sweep(self) -> None:
        """One look at every deadline."""
        now = monotonic()
        for server in [*self.servers.values(), *self._retired]:
            server.sweep(now)
        self._around.forwarder.impatient(now)
        for server in [one for one in self._retired if not one.open_questions]:
            server.close()
            self._retired.remove(server)
        self._around.turns.flush()

    def look_for_loops(self, loops: Loops) -> None:
        """Ask every server what only we can ask; one whose last question did not come back is free again."""
        for (name, _), server in self.servers.items():
            health = server.health
            if health.cut and health.label not in self._looped:
                health.cut = False
                health.changed(health)
            query = loops.question(health.label, name.partition(",")[0])
            plan = Plan("probe", query)
            plan.packet = ask(query, Edns())
            server.probe(plan)
        self._looped.clear()
        self._around.turns.flush()

    def leads_back(self, label: str) -> None:
        """What was asked of the server with that label has come to our own door."""
        self._looped.add(label)
        for server in self.servers.values():
            if server.health.label == label and not server.health.cut:
                server.health.cut = True
                server.health.changed(server.health)

    @property
    def open_questions(self) -> int:
        return sum(server.open_questions for server in [*self.servers.values(), *self._retired])

    def close(self) -> None:
        for server in [*self.servers.values(), *self._retired]:
            server.close()


def _changed(group: Group, health: Health) -> None:
    group.refresh()
    if health.cut:
        log.error("{server} leads back to us: it is not asked until that is over", server=health.label)
    elif health.down_since is None:
        log.info("{server} answers again", server=health.label)
    else:
        log.warn("{server} {reason}", server=health.label, reason=health.reason)
