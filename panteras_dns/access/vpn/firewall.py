"""The firewall behind the VPN: a table of nftables of its own, sets for the clients, and one NAT.

Pure but for `run`. What it lets through is said once, in `rules`; clients come and go as elements of sets. It judges
what comes from and goes to the VPN's own devices, and nothing else of the host.

A place that is closed closes at once for all but the TCP connections that are under way: UDP, and a SYN on a connection
that the kernel still remembers, would else reach whoever has the address next.
"""

import subprocess
from collections.abc import Iterable, Sequence

from panteras_dns.access.settings import Network
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vpn.openings import Open
from panteras_dns.access.vpn.programs import tool
from panteras_dns.access.vpn.settings import FULL, Vpn

TABLE = "inet panteras_vpn"

_RUNNING = 10  # seconds
_NOTHING = Open()
# The words of each version of IP in a rule, and the type of its addresses.
_FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))


def rules(chosen: Vpn) -> str:
    """A script for nft that replaces the table: closed to all, until clients are let in."""
    devices = ", ".join(f'"{one.device}"' for one in chosen.transports)
    sets = "".join(_sets(version, kind, chosen) for version, _, kind in _FAMILIES)
    checks = "".join(_checks(version, word) for version, word, _ in _FAMILIES)
    return f"""\
table {TABLE}
delete table {TABLE}
table {TABLE} {{
{sets}
	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname {{ {devices} }} goto from_client
		oifname {{ {devices} }} goto to_client
	}}
	chain input {{
		type filter hook input priority filter; policy accept;
		iifname {{ {devices} }} goto to_door
	}}
	chain to_door {{
{_own(chosen)}
		goto from_client
	}}
	chain from_client {{
		ct state related accept
		meta l4proto tcp ct state established tcp flags & (fin | syn | rst | ack) != syn accept
		oifname {{ {devices} }} drop comment "clients do not see each other"
		ip daddr {{ 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4 }} drop comment "this host itself, and a cloud's secrets"
		ip6 daddr {{ ::1, fe80::/10, ff00::/8 }} drop
{checks}
		counter reject with icmpx admin-prohibited
	}}
	chain to_client {{
		ct state established,related accept
		counter drop
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {chosen.pool} oifname != {{ "lo", {devices} }} masquerade
		ip6 saddr {chosen.pool6} oifname != {{ "lo", {devices} }} masquerade
	}}
}}
"""


def changes(before: Open, after: Open) -> str:
    """A script for nft that leads from one to the other; empty when there is nothing to do."""
    lines: list[str] = []
    for verb, more, less in (("delete", before, after), ("add", after, before)):
        for version, _, _ in _FAMILIES:
            free = sorted(one for one in more.free - less.free if _version(one) == version)
            places = sorted(one for one in more.places - less.places if _version(one[0]) == version)
            lines += _elements(verb, f"free{version}", free)
            lines += _elements(verb, f"open{version}", (f"{a} . {b} . {port}" for a, b, port in places))
    return "\n".join((*lines, "")) if lines else ""


def removal() -> str:
    """A script for nft after which nothing of ours is left."""
    return f"table {TABLE}\ndelete table {TABLE}\n"


def run(script: str) -> None:
    """Do it, whole or not at all; Trouble with nft's own words."""
    if script:
        done = _call([tool("nft"), "-f", "-"], script)
        if done.returncode:
            raise Trouble(f"nft: {' '.join(done.stderr.split())[:300]}")


def forget(addresses: Sequence[str]) -> None:
    """Connections that an earlier client of these addresses had are no longer known, and so not let through."""
    for address in addresses:
        family = "ipv6" if _version(address) == 6 else "ipv4"
        done = _call([tool("conntrack"), "-D", "-f", family, "-s", address])
        if done.returncode and "0 flow entries" not in done.stderr:
            raise Trouble(f"conntrack: {' '.join(done.stderr.split())}")


def _sets(version: int, kind: str, chosen: Vpn) -> str:
    networks = ", ".join(_everywhere(version) if chosen.tunnel == FULL else _of(chosen.networks, version))
    elements = f"elements = {{ {networks} }}; " if networks else ""
    return f"""\
	set networks{version} {{ type {kind}; flags interval; {elements}}}
	set free{version} {{ type {kind}; }}
	set open{version} {{ type {kind} . {kind} . inet_service; }}
"""


def _own(chosen: Vpn) -> str:
    """What the door itself answers: names, and whether it is there."""
    lines = []
    for one in chosen.transports:
        for word, address in (("ip", one.address), ("ip6", one.address6)):
            lines.append(f"\t\t{word} daddr {address} meta l4proto {{ tcp, udp }} th dport 53 accept")
            lines.append(f"\t\t{word} daddr {address} icmp{'v6' if word == 'ip6' else ''} type echo-request accept")
    return "\n".join(lines)


def _checks(version: int, word: str) -> str:
    place = f"{word} saddr . {word} daddr . th dport @open{version}"
    return (
        f"\t\t{word} saddr @free{version} {word} daddr @networks{version} accept\n"
        f"\t\tmeta l4proto {{ tcp, udp }} {place} accept\n"
    )


def _everywhere(version: int) -> Sequence[str]:
    # In halves: a set of intervals takes no /0.
    return ("0.0.0.0/1", "128.0.0.0/1") if version == 4 else ("::/1", "8000::/1")


def _of(networks: Iterable[Network], version: int) -> Sequence[str]:
    return [str(one) for one in networks if one.version == version]


def _elements(verb: str, name: str, elements: Iterable[str]) -> Sequence[str]:
    listed = ", ".join(elements)
    return [f"{verb} element {TABLE} {name} {{ {listed} }}"] if listed else []


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _call(words: Sequence[str], script: str = "") -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(words, input=script, capture_output=True, text=True, timeout=_RUNNING, check=False)
    except (OSError, subprocess.SubprocessError) as problem:
        raise Trouble(f"{words[0]}: {problem}") from None
