"""Verdicts about this host: nobody answers at its port 53, somebody else does, Consul does not; with commands that are
right here, and none for another host. Each look takes a while: not for the reactor's thread."""

import socket
from collections.abc import Sequence

from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.verdict import Verdict
from panteras_dns.host.interfaces import holder
from panteras_dns.host.resolv import STUBS
from panteras_dns.host.starting import is_here, to_start, to_start_consul
from panteras_dns.query import attempt

_DNS = 53
_DOCTOR = ("panteras doctor",)
_THERE = "it is another host: `panteras doctor` there says more"


def silent(server: Endpoint, problem: str) -> Verdict:
    """Nobody answers at *server*."""
    if not is_here(server.host):
        return Verdict("PAN101", problem, note=_THERE)
    if server.host in STUBS:
        return Verdict("PAN101", f"{problem}: it is the stub of systemd-resolved", fix=to_start("systemd-resolved"))
    return Verdict("PAN101", problem, fix=(to_start("panteras-dns") or _DOCTOR) if server.port == _DNS else ())


def stranger(server: Endpoint) -> Verdict:
    """Somebody answers there, and is no gateway."""
    nobody = "nobody who knows Consul was asked"
    if server.port == _DNS and is_here(server.host) and server.host not in STUBS:
        who = holder(server.host, server.port, socket.SOCK_DGRAM)
        return Verdict("PAN501", f"port {server.port} of this host is held by {who}: {nobody}", fix=_DOCTOR)
    note = "`--server` asks another; on a docker host, `panteras doctor` says how to ask the gateway"
    return Verdict("PAN102", f"{server} is no gateway: {nobody}", note=note)


def no_consul(server: Endpoint, reason: str) -> Verdict:
    """The gateway at *server* gets no answer from its agent, for *reason*."""
    told = f"Consul does not answer: {reason}"
    if not is_here(server.host):
        return Verdict("PAN301", told, note=_THERE)
    return Verdict("PAN301", told, fix=to_start_consul(reason) or _DOCTOR)


def answers(server: Endpoint, timeout: float) -> bool:
    """Whether anybody answers there."""
    return attempt("localhost", "A", server, timeout=timeout) is not None


def strangers(servers: Sequence[str], timeout: float) -> list[str]:
    """Those of *servers* that are no gateways."""
    found = {one: attempt("localhost", "A", Endpoint(one, 53), timeout=timeout) for one in servers}
    return [one for one, told in found.items() if not (told and told.route)]
