"""Verdicts about this host: nobody answers at its port 53, somebody else does, Consul does not; with commands that are
right here, and none for another host. Each look takes a while: not for the reactor's thread."""

import ipaddress
import socket
from collections.abc import Sequence

from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.verdict import Verdict
from panteras_dns.host.interfaces import addresses, holder
from panteras_dns.host.starting import to_start
from panteras_dns.query import Unanswered, is_gateway

_DOCTOR = ("panteras doctor",)
_THERE = "it is another host: `panteras doctor` there says more"


def silent(server: Endpoint, problem: str) -> Verdict:
    """Nobody answers at *server*."""
    if not _is_here(server):
        return Verdict("PAN101", problem, note=_THERE)
    return Verdict("PAN101", problem, fix=to_start("panteras-dns", "dns") or _DOCTOR)


def stranger(server: Endpoint) -> Verdict:
    """Somebody answers there, and is no gateway."""
    nobody = "nobody who knows Consul was asked"
    if _is_here(server):
        who = holder(server.host, server.port, socket.SOCK_DGRAM)
        return Verdict("PAN501", f"port {server.port} of this host is held by {who}: {nobody}", fix=_DOCTOR)
    note = "`--server` asks another; on a docker host, `panteras doctor` says how to ask the gateway"
    return Verdict("PAN102", f"{server} is no gateway: {nobody}", note=note)


def no_consul(server: Endpoint, reason: str) -> Verdict:
    """The gateway at *server* gets no answer from its agent, for *reason*."""
    told = f"Consul does not answer: {reason}"
    if not _is_here(server):
        return Verdict("PAN301", told, note=_THERE)
    start = to_start("consul", "consul")
    log = ("journalctl -u consul -n 50",) if start and start[0].startswith("systemctl") else ()
    return Verdict("PAN301", told, fix=(*start, *log) or _DOCTOR)


def strangers(servers: Sequence[str], timeout: float) -> list[str]:
    """Those of *servers* that are no gateways."""
    return [one for one in servers if not _is_gateway(Endpoint(one, 53), timeout)]


def _is_gateway(server: Endpoint, timeout: float) -> bool:
    try:
        return is_gateway(server, timeout)
    except Unanswered:
        return False


def _is_here(server: Endpoint) -> bool:
    return ipaddress.ip_address(server.host.partition("%")[0]).is_loopback or server.host in addresses()
