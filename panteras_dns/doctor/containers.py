"""Whom containers ask, and whether they get through."""

import ipaddress
import json
import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from panteras_dns.doctor.finding import Finding, Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.resolver import RESOLV_CONF, need_gateway
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


def firewall(host: Host) -> Iterator[Finding]:
    """What comes from docker's bridge reaches port 53."""
    if not bridge(host):
        return
    told = host.command("iptables", "-S", "INPUT")
    if told is None:
        raise Unseen("the rules can't be seen: run it as root, with iptables")
    if verdict(told.splitlines()) == "ACCEPT":
        return
    yield Finding(
        "PAN511",
        "the firewall drops what containers ask",
        "the chain INPUT takes nothing from docker0 at port 53",
        tuple(f"iptables -I INPUT -i docker0 -p {kind} --dport 53 -j ACCEPT" for kind in ("udp", "tcp")),
    )


def verdict(rules: list[str]) -> str:
    """What becomes of a first datagram from docker0 to port 53: the target of the first rule that takes it, or the
    policy. `Unseen` where a chain of somebody else's decides."""
    policy = "ACCEPT"
    for rule in rules:
        words = rule.split()
        if words[:1] == ["-P"]:
            policy = words[2]
        elif (target := _taken(words)) in ("ACCEPT", "DROP", "REJECT"):
            return "ACCEPT" if target == "ACCEPT" else "DROP"
        elif target:
            raise Unseen(f"the chain {target} decides")
    return policy


def _taken(words: list[str]) -> str:
    """The target of a rule that takes that datagram, or ""."""
    values = dict(pairwise(words))
    interface, states = values.get("-i", ""), values.get("--ctstate") or values.get("--state") or "NEW"
    passes = (
        (not interface or interface in ("docker0", "docker+"))
        and values.get("-p", "udp") in ("udp", "all")
        and values.get("--dport", "53") in ("53", "53:53")
        and "NEW" in states.split(",")
        and not {"-s", "-d", "!"} & set(words)
    )
    return values.get("-j", values.get("-g", "")) if passes and values.get("-j") != "LOG" else ""


def _object(text: str) -> tuple[dict[str, Any], str | None]:
    """A JSON object, and where it ends to be one; "" where it is JSON of another kind, None where all is well."""
    try:
        found = json.loads(text)
    except ValueError as problem:
        return {}, f": {problem}"
    return (found, None) if isinstance(found, dict) else ({}, "")


def _is_loopback(text: str) -> bool:
    return ipaddress.ip_address(text).is_loopback
