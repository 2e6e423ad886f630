"""Whether what containers ask gets past the firewall of this host."""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress

from panteras_dns.doctor.containers import DOCKER0, bridge, interface
from panteras_dns.doctor.finding import PROBLEM, WARNING, Finding, Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.inside import running
from panteras_dns.doctor.iptables import ACCEPT, DROP, Packet, Rules

_ANYWHERE = ipaddress.IPv4Network("0.0.0.0/0")
_KINDS = ("udp", "tcp")
_UFW = "ufw-user-input"  # its chain for what people allow
_LEGACY = "/proc/net/ip_tables_names"
_OWN = ("ip", "filter", "INPUT")  # of iptables, where that writes to nftables


def firewall(host: Host) -> Iterator[Finding]:
    """What comes from docker's bridges reaches port 53."""
    address = bridge(host)
    if not address:
        return
    on_nft = "nf_tables" in (host.command("iptables", "-V") or "")
    filters = _filters(host, on_nft)
    names = dict.fromkeys((DOCKER0, *(one.bridge for one in running(host) if one.bridge)))
    packets = [one for name in names for one in _packets(host, name, address)]
    fates = {(program, one): rules.fate(one) for program, rules in filters.items() for one in packets}
    if shut := [place for place, fate in fates.items() if fate == {DROP}]:
        told = dict.fromkeys(f"{one.protocol} from {one.interface}" for _, one in shut)
        yield Finding(
            "PAN511",
            "the firewall drops what containers ask",
            f"iptables does not take to port 53: {', '.join(told)}",
            tuple(_open(program, one, filters[program]) for program, one in shut),
            PROBLEM if "udp" in {one.protocol for _, one in shut} else WARNING,
        )
    elif set(fates.values()) != {frozenset((ACCEPT,))}:
        raise Unseen("rules of iptables decide by more than is known here")
    elif chain := _other(host, on_nft):
        raise Unseen(f"{chain} of nftables drops what it has no rule for")


def _filters(host: Host, on_nft: bool) -> Mapping[str, Rules]:
    """What each program shows: old ones may have left rules of their own in the kernel's other table."""
    programs = ["iptables"]
    if on_nft and "filter" in (host.read(_LEGACY) or "").split():
        programs.append("iptables-legacy")
    told = {program: host.command(program, "-S") for program in programs}
    if None in told.values():
        raise Unseen("the rules can't be seen: run it as root, with iptables")
    return {program: Rules(text or "") for program, text in told.items()}


def _packets(host: Host, name: str, address: str) -> Iterator[Packet]:
    """The questions from a bridge. docker0's own address is where they go from other bridges, too."""
    found = interface(host, name)
    source = found.network if found else _ANYWHERE
    for kind in _KINDS:
        yield Packet(name, source, ipaddress.IPv4Address(address), kind)


def _open(program: str, packet: Packet, rules: Rules) -> str:
    """The command that lets it in: ufw's, where ufw keeps the rules and decides."""
    name, kind = packet.interface, packet.protocol
    if _UFW in rules and rules.fate(packet, opened=_UFW) == {ACCEPT}:
        return f"ufw prepend allow in on {name} to any port 53 proto {kind}"
    return f"{program} -I INPUT -i {name} -p {kind} --dport 53 -j ACCEPT"


def _other(host: Host, on_nft: bool) -> str:
    """A chain beside those of iptables that drops what it does not know; "" for none that can be seen."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        for one in json.loads(host.command("nft", "-j", "list", "chains") or "")["nftables"]:
            chain = one.get("chain", {})
            place = tuple(chain.get(key) for key in ("family", "table", "name"))
            on_the_way = chain.get("hook") in ("input", "prerouting") and place[0] in ("ip", "inet", "bridge")
            # firewalld's last rule rejects, whatever the policy.
            drops = chain.get("policy") == "drop" or (place[1] == "firewalld" and chain.get("hook") == "input")
            if on_the_way and drops and not (on_nft and place == _OWN):
                return " ".join(place)
    return ""
