"""Consul's agent of this host: whether it answers, leads, tells its services, and does not ask us in turn. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from panteras_dns.doctor.finding import WARNING, Finding
from panteras_dns.endpoint import Endpoint, endpoint
from panteras_dns.explain.verdict import LET_READ, LET_READ_NOTE

OLDEST = (1, 8)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_MOST = 5


@dataclass(frozen=True, slots=True)
class Agent:
    """What its HTTP API says; *problem*: why it could not be asked, or not for all. *leader*: "" for nobody, None where
    it was not told."""

    problem: str = ""
    leader: str | None = None
    services: Mapping[str, Any] | None = None
    itself: Mapping[str, Any] | None = None


def agent(told: Agent, start: tuple[str, ...], is_gateway: Callable[[Endpoint], bool]) -> Iterator[Finding]:
    """*start*: the command that starts it here."""
    if told.leader is None:
        yield Finding("PAN520", "Consul's HTTP API does not answer", told.problem, start, WARNING)
        return
    if told.problem:
        yield Finding("PAN520", "Consul's HTTP API does not tell all", told.problem, start, WARNING)
    if not told.leader:
        yield Finding("PAN302", "Consul has no leader", "nothing can be changed", ("consul operator raft list-peers",))
    yield from _seen(told)
    yield from _unsayable(told)
    yield from _itself(told, is_gateway)


def _seen(told: Agent) -> Iterator[Finding]:
    if told.services is not None and "consul" not in told.services:
        yield Finding(
            "PAN204",
            "Consul shows no service to this token",
            f"names are hidden in DNS as well, perhaps. The commands let everybody read names; {LET_READ_NOTE}",
            LET_READ,
            WARNING,
        )


def _unsayable(told: Agent) -> Iterator[Finding]:
    odd = sorted(name for name in told.services or () if not _LABEL.fullmatch(name))
    if odd:
        more = f" and {len(odd) - _MOST} more" if len(odd) > _MOST else ""
        shown = ", ".join(repr(name)[:80] for name in odd[:_MOST])
        yield Finding(
            "PAN521", f"services that DNS can't say: {shown}{more}", "expected letters, digits and -", level=WARNING
        )


def _itself(told: Agent, is_gateway: Callable[[Endpoint], bool]) -> Iterator[Finding]:
    config = (told.itself or {}).get("Config") or {}
    version = re.match(r"(\d+)\.(\d+)", str(config.get("Version", "")))
    if version and (int(version[1]), int(version[2])) < OLDEST:
        expected = ".".join(map(str, OLDEST))
        yield Finding(
            "PAN522", f"Consul {config['Version']} is old", f"tested with {expected} and newer", level=WARNING
        )
    recursors = ((told.itself or {}).get("DebugConfig") or {}).get("DNSRecursors") or []
    loops = [str(one) for one in recursors if _is_ours(str(one), is_gateway)]
    if loops:
        yield Finding(
            "PAN523",
            f"Consul sends other names to {', '.join(loops)}, which is a gateway",
            "the gateway asks Consul, and Consul asks the gateway: a loop",
            ("grep -rn recursors /etc/consul.d",),
        )


def _is_ours(recursor: str, is_gateway: Callable[[Endpoint], bool]) -> bool:
    try:
        return is_gateway(endpoint(recursor))
    except ValueError:
        return False
