"""Whom containers ask, and whether they get through."""

import ipaddress
import json
from collections.abc import Iterator

from panteras_dns.doctor.finding import Finding
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.resolver import RESOLV_CONF
from panteras_dns.endpoint import Endpoint
from panteras_dns.host.resolv import nameservers

_DAEMON = "/etc/docker/daemon.json"


def bridge(host: Host) -> str:
    """The address of docker's bridge, where containers can ask; "" without one."""
    told = host.command("ip", "-4", "-brief", "address", "show", "dev", "docker0") or ""
    parts = told.split()
    return parts[2].partition("/")[0] if len(parts) > 2 else ""


def servers(host: Host) -> Iterator[Finding]:
    """Containers ask the gateway."""
    address = bridge(host)
    if not address:
        return
    text = host.read(_DAEMON)
    config = host.json(_DAEMON)
    if text is not None and not isinstance(config, dict):
        yield Finding("PAN512", f"{_DAEMON} is no JSON object", "Docker does not start with it")
        return
    said = (config or {}).get("dns") or []
    asked = said or [one for one in nameservers(host.read(RESOLV_CONF) or "") if not _is_loopback(one)]
    if asked and all(host.is_gateway(Endpoint(one, 53)) for one in asked):
        return
    if said:
        why = f"{_DAEMON} has other servers for them: {', '.join(map(str, said))}"
    elif asked:
        why = f"they get those of {RESOLV_CONF}: {', '.join(asked)}"
    else:
        why = f"they can't use the loopback addresses of {RESOLV_CONF}: Docker gives them servers of Google's"
    wanted = json.dumps({**(config or {}), "dns": [address]})
    fix = (
        f"mkdir -p {_DAEMON.rpartition('/')[0]}",
        f"printf '%s\\n' '{wanted}' > {_DAEMON}",
        "systemctl restart docker",
    )
    yield Finding("PAN510", "containers do not ask the gateway", why, fix if "'" not in wanted else ())


def firewall(host: Host) -> Iterator[Finding]:
    """What comes from docker's bridge reaches port 53."""
    if not bridge(host):
        return
    rules = (host.command("iptables", "-S", "INPUT") or "").splitlines()
    if "-P INPUT DROP" not in rules and not any(rule.startswith("-A INPUT -j") for rule in rules):
        return
    if any(_lets_in(rule) for rule in rules):
        return
    yield Finding(
        "PAN511",
        "the firewall drops what containers ask",
        "the chain INPUT takes nothing from docker0 at port 53",
        tuple(f"iptables -I INPUT -i docker0 -p {kind} --dport 53 -j ACCEPT" for kind in ("udp", "tcp")),
    )


def _lets_in(rule: str) -> bool:
    if not rule.endswith("-j ACCEPT"):
        return False
    other = "-i " in rule and "-i docker" not in rule and "-i br-" not in rule
    return (
        not other and ("--dport 53" in rule or "-p " not in rule) and "--ctstate" not in rule and "--state" not in rule
    )


def _is_loopback(text: str) -> bool:
    return ipaddress.ip_address(text).is_loopback
