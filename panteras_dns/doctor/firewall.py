"""Whether what containers ask gets past the firewall of this host."""

import ipaddress
import json
from collections.abc import Iterator
from contextlib import suppress

from panteras_dns.doctor.containers import bridge
from panteras_dns.doctor.finding import Finding, Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.inside import running
from panteras_dns.doctor.iptables import ACCEPT, DROP, Packet, Rules

_DOCKER0 = "docker0"
_KINDS = ("udp", "tcp")
_UFW = "ufw-user-input"  # its chain for what people allow


def firewall(host: Host) -> Iterator[Finding]:
    """What comes from docker's bridges reaches port 53."""
    address = bridge(host)
    if not address:
        return
    told = host.command("iptables", "-S")
    if told is None:
        raise Unseen("the rules can't be seen: run it as root, with iptables")
    rules = Rules(told)
    names = dict.fromkeys((_DOCKER0, *(one.bridge for one in running(host) if one.bridge)))
    fates = {name: _fate(rules, host, name, address) for name in names}
    if shut := [name for name, fate in fates.items() if fate == {DROP}]:
        yield Finding(
            "PAN511",
            "the firewall drops what containers ask",
            f"iptables takes nothing from {' and '.join(shut)} at port 53",
            tuple(line for name in shut for line in _open(name, _UFW in rules)),
        )
    elif any(fate != {ACCEPT} for fate in fates.values()):
        raise Unseen("rules of iptables decide by more than is known here")
    elif chain := _other(host):
        raise Unseen(f"{chain} of nftables drops what it has no rule for")


def _fate(rules: Rules, host: Host, name: str, address: str) -> frozenset[str]:
    """Of both kinds of questions; docker0's own address is where they go from other bridges, too."""
    told = (host.command("ip", "-4", "-brief", "address", "show", "dev", name) or "").split()
    source = ipaddress.IPv4Interface(told[2]).network if len(told) > 2 else ipaddress.IPv4Network("0.0.0.0/0")
    server = ipaddress.IPv4Address(address)
    fates = [rules.fate(Packet(name, source, server, kind)) for kind in _KINDS]
    return frozenset((DROP,)) if {DROP} in fates else frozenset().union(*fates)


def _open(name: str, ufw: bool) -> tuple[str, ...]:
    """The commands that let questions from a bridge in, in the words of who keeps the rules."""
    if ufw:
        return (f"ufw allow in on {name} to any port 53",)
    return tuple(f"iptables -I INPUT -i {name} -p {kind} --dport 53 -j ACCEPT" for kind in _KINDS)


def _other(host: Host) -> str:
    """A chain beside those of iptables that drops what it does not know; "" for none that can be seen."""
    with suppress(ValueError, KeyError, TypeError):
        for one in json.loads(host.command("nft", "-j", "list", "chains") or "")["nftables"]:
            chain = one.get("chain", {})
            place = tuple(chain.get(key) for key in ("family", "table", "name"))
            drops = (chain.get("hook"), chain.get("policy")) == ("input", "drop")
            if drops and place[0] in ("ip", "inet") and place[:2] != ("ip", "filter"):
                return " ".join(place)
    return ""
