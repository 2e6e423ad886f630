"""All checks, side by side: the whole takes as long as the slowest."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.threads import deferToThread

from panteras_dns.consul import Consul, Refused
from panteras_dns.doctor import containers, firewall, inside, machine, resolver
from panteras_dns.doctor.consul import Agent, agent
from panteras_dns.doctor.finding import Finding, Looked, Report, Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.rest import Unreachable

Check = Callable[[Host], Iterable[Finding]]
QUICK: dict[str, Check] = {
    "port 53": resolver.port,
    "names": resolver.names,
}
ALL: dict[str, Check] = {
    **QUICK,
    "this machine's resolver": resolver.resolv_conf,
    "containers' resolver": containers.servers,
    "firewall for containers": firewall.firewall,
    "a look-up in containers": inside.lookup,
    "clock": machine.clock,
    "limits": machine.limits,
    "the server's sockets": machine.drops,
    "certificates": machine.certificates,
    "doors": machine.doors,
}


async def examine(
    host: Host, consul: Consul, quick: bool = False, told: Callable[[int, int], None] = lambda done, of: None
) -> Report:
    """*quick*: only whether names are answered. *told* hears how many checks are done, of how many."""
    checks = QUICK if quick else ALL
    waiting: list[Deferred[Looked]] = [deferToThread(_look, name, check, host) for name, check in checks.items()]
    if not quick:
        waiting.append(ensureDeferred(_consul(host, consul)))
    done: list[Looked] = []

    def note(looked: Looked) -> Looked:
        done.append(looked)
        told(len(done), len(waiting))
        return looked

    for one in waiting:
        one.addCallback(note)
    return Report(await gatherResults(waiting))


def _look(name: str, check: Check, host: Host) -> Looked:
    """What can't be looked at costs that check alone."""
    try:
        return Looked(name, tuple(check(host)))
    except Unseen as problem:
        return Looked(name, unknown=str(problem))
    except Exception as problem:
        return Looked(name, unknown=f"{type(problem).__name__}: {problem}")


async def _consul(host: Host, consul: Consul) -> Looked:
    told = await asked(consul)
    # Who is asked whether it is a gateway may take its time.
    start = await deferToThread(host.start_consul, told.problem)
    looked: Looked = await deferToThread(_look, "Consul", lambda host: agent(told, start, host.is_gateway), host)
    return looked


async def asked(consul: Consul) -> Agent:
    """What the agent says, up to what it does not say."""
    found: dict[str, Any] = {}
    try:
        found["leader"] = await consul.leader()
        found["services"] = (await consul.names("service"))[0]
        found["itself"] = await consul.whoami()
    except (Unreachable, Refused) as problem:
        # What the ACL keeps to itself is no fault of the API.
        if "leader" not in found or getattr(problem, "status", 0) != 403:
            found["problem"] = str(problem)
    return Agent(**found)
