"""Whom containers ask."""

import ipaddress
import json
import shlex
from collections.abc import Iterator
from typing import Any

from panteras_dns.doctor.finding import Finding
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.resolver import RESOLV_CONF, need_gateway
from panteras_dns.endpoint import Endpoint
from panteras_dns.host.resolv import nameservers

DOCKER0 = "docker0"  # the interface of Docker's own bridge
_DAEMON = "/etc/docker/daemon.json"


def bridge(host: Host) -> str:
    """The address of docker's bridge, where containers can ask; "" without one."""
    found = interface(host, DOCKER0)
    return str(found.ip) if found else ""


def interface(host: Host, name: str) -> ipaddress.IPv4Interface | None:
    """The address of an interface, with its network; None without one."""
    parts = (host.command("ip", "-4", "-brief", "address", "show", "dev", name) or "").split()
    return ipaddress.IPv4Interface(parts[2]) if len(parts) > 2 else None


def servers(host: Host) -> Iterator[Finding]:
    """Containers ask the gateway."""
    address = bridge(host)
    if not address:
        return
    text = host.read(_DAEMON)
    config, problem = _object("{}" if text is None else text)
    if problem is not None:
        yield Finding("PAN512", f"{_DAEMON} is no JSON object{problem}", "Docker does not start with it")
        return
    said = config.get("dns") or []
    asked = said or [one for one in nameservers(host.read(RESOLV_CONF) or "") if not _is_loopback(one)]
    if asked and all(host.is_gateway(Endpoint(one, 53)) for one in asked):
        return
    if asked == [address]:
        need_gateway(host)
    if said:
        why = f"{_DAEMON} has other servers for them: {', '.join(map(str, said))}"
    elif asked:
        why = f"they get those of {RESOLV_CONF}: {', '.join(asked)}"
    else:
        why = f"they can't use the loopback addresses of {RESOLV_CONF}: Docker gives them servers of Google's"
    wanted = json.dumps({**config, "dns": [address]}, indent=2)
    fix = (
        f"mkdir -p {_DAEMON.rpartition('/')[0]}",
        f"printf '%s\\n' {shlex.quote(wanted)} > {_DAEMON}",
        "systemctl restart docker",
    )
    if host.is_gateway(Endpoint(address, 53)):
        yield Finding(
            "PAN510", "containers do not ask the gateway", f"{why}. Docker ends containers as it restarts", fix
        )
    else:
        yield Finding("PAN510", "containers do not ask the gateway", f"{why}; nor does one answer at {address}")


def _object(text: str) -> tuple[dict[str, Any], str | None]:
    """A JSON object, and where it ends to be one; "" where it is JSON of another kind, None where all is well."""
    try:
        found = json.loads(text)
    except ValueError as problem:
        return {}, f": {problem}"
    return (found, None) if isinstance(found, dict) else ({}, "")


def _is_loopback(text: str) -> bool:
    return ipaddress.ip_address(text).is_loopback
