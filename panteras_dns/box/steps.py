"""From what HAProxy has to what it should have: the commands that do it without a reload. Pure.

HAProxy itself is asked what it has, not our memory: it may have been reloaded, restarted or changed by hand.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from panteras_dns.box.site import Backend, Server, Site

# A connect, no request: finds out who does not listen yet, and hosts that are gone before Consul knows it.
# Requests count as well (`observe`): nine of ten that end at once are out after two refused connections each.
_OBSERVE = "observe layer4 error-limit 2 on-error mark-down"
CHECK = f"check inter 5s fastinter 500ms downinter 100ms rise 1 fall 2 {_OBSERVE}"
DRAINED = 0x08 | 0x10 | 0x20  # SRV_ADMF_FDRAIN and those inherited (haproxy/server-t.h)
STOPPED = 0x01 | 0x02 | 0x04  # SRV_ADMF_*MAINT


@dataclass(frozen=True, slots=True)
class Shown:
    """A server as `show servers state` has it."""

    address: str
    port: int
    weight: int
    admin: int

    @property
    def serving(self) -> bool:
        return not self.admin & (DRAINED | STOPPED)


Running = Mapping[str, Mapping[str, Shown]]  # by backend, by server


@dataclass(frozen=True, slots=True)
class Steps:
    commands: list[str] = field(default_factory=list)
    arriving: dict[str, Server] = field(default_factory=dict)  # by BACKEND/SERVER
    leaving: list[str] = field(default_factory=list)  # BACKEND/SERVER, drained by these commands: to be deleted later
    missing: list[str] = field(default_factory=list)  # backends that only a reload makes


def steps(wanted: Site, running: Running, listening: Collection[str] = ()) -> Steps:
    """*listening*: those that arrive, as BACKEND/SERVER, and are known to accept connections."""
    made = Steps()
    for name, backend in wanted.backends.items():
        if name not in running:
            made.missing.append(name)
            continue
        for server in backend.servers.values():
            path = f"{name}/{server.name}"
            shown = running[name].get(server.name)
            if shown is None:
                made.arriving[path] = server
                made.commands.extend(_arrive(path, server, path in listening))
            else:
                made.commands.extend(_adjust(path, server, shown))
    for name, servers in running.items():
        kept = wanted.backends[name].servers if name in wanted.backends else {}
        for known, shown in servers.items():
            if known not in kept and known.startswith("i-"):
                made.leaving.append(f"{name}/{known}")
                if shown.serving:
                    made.commands.append(f"set server {name}/{known} state drain")
    return made


def _arrive(path: str, server: Server, listens: bool) -> list[str]:
    """Who does not listen yet is down until its first check has passed. A server is up for a moment when it is enabled,
    so it has its weight only after that."""
    late = [] if listens else [f"set server {path} health down"]
    return [
        f"add server {path} {server.place} weight 0 {CHECK}",
        f"enable health {path}",
        f"enable server {path}",
        *late,
        f"set server {path} weight {server.weight}",
    ]


def _adjust(path: str, server: Server, shown: Shown) -> list[str]:
    found = []
    if shown.weight != server.weight:
        found.append(f"set server {path} weight {server.weight}")
    if not shown.serving:
        found.append(f"set server {path} state ready")
    return found


def route_steps(file: str, wanted: Mapping[str, str], running: Mapping[str, str], backends: Running) -> list[str]:
    """The commands for the map *file*. A route to a backend that is not there yet waits for the reload."""
    found = []
    for key, backend in wanted.items():
        if backend not in backends:
            continue
        if key not in running:
            found.append(f"add map {file} {key} {backend}")
        elif running[key] != backend:
            found.append(f"set map {file} {key} {backend}")
    return found + [f"del map {file} {key}" for key in running if key not in wanted]


def as_it_runs(running: Running, routes: Mapping[str, str]) -> Site:
    """What HAProxy serves now, as a site; what it strips from paths is not told."""
    backends = {
        name: Backend(
            name,
            {
                key: Server(key, one.address, one.port, one.weight)
                for key, one in servers.items()
                if key.startswith("i-") and one.serving
            },
        )
        for name, servers in running.items()
    }
    return Site({name: backend for name, backend in backends.items() if backend.servers}, dict(routes))


def with_what_is_lost(wanted: Site, before: Site) -> Site:
    """*wanted*, and whatever of *before* is not in it."""
    backends = dict(wanted.backends)
    for name, backend in before.backends.items():
        kept = backends.get(name, backend)
        backends[name] = replace(kept, servers={**backend.servers, **kept.servers})
    return replace(wanted, backends=backends, routes={**before.routes, **wanted.routes})
