"""Whom this machine asks, and who answers at its port 53."""

import ipaddress
import re
import shlex
from collections.abc import Collection, Iterator

from panteras_dns.doctor.finding import WARNING, Finding, Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.endpoint import Endpoint
from panteras_dns.host.resolv import STUBS, nameservers

RESOLV_CONF = "/etc/resolv.conf"
HERE = Endpoint("127.0.0.1", 53)
_RESOLVED = "/run/systemd/resolve/resolv.conf"
_DROP_IN = "/etc/systemd/resolved.conf.d/panteras.conf"
# Units that are DNS servers and nothing else: what else holds the port may be what keeps the machine on the network.
_SERVERS = {f"{name}.service" for name in ("bind9", "coredns", "dnsmasq", "named", "pdns-recursor", "unbound")}
_UNIT = re.compile(r"\(pid \d+, ([A-Za-z0-9@_.-]+\.service)\)$")
_FIRST_UPSTREAMS = (
    f'before you change {RESOLV_CONF}, give the gateway servers for all other names (a route for "."): '
    "it has them from there"
)


def port(host: Host) -> Iterator[Finding]:
    """Port 53 of loopback is the gateway's."""
    if host.is_gateway(HERE):
        return
    who = host.holder(HERE.host, HERE.port)
    start = host.start("panteras-dns")
    if not who:
        yield Finding("PAN101", f"no gateway answers at {HERE}", "nobody listens there", start)
        return
    unit = _UNIT.search(who)
    stop = (f"systemctl disable --now {unit[1]}",) if unit and unit[1] in _SERVERS else ()
    why = f"no gateway answers at {HERE}"
    if unit and unit[1] == "dnsmasq.service":
        why += "; look first whether it gives out addresses (DHCP), too"
    # Not one without the other: a host has DNS after each of our commands.
    yield Finding("PAN501", f"port 53 is held by {who}", why, (*stop, *start) if stop and start else ())


def resolv_conf(host: Host) -> Iterator[Finding]:
    """The only server in resolv.conf is a gateway."""
    text = host.read(RESOLV_CONF) or ""
    servers = nameservers(text)
    if servers and servers[0] in STUBS:
        yield from _behind_the_stub(host, servers[0])
        return
    if servers == [HERE.host]:
        need_gateway(host)
    known = [one for one in servers if host.is_gateway(Endpoint(one, 53))]
    if not servers or servers[0] not in known:
        asked = f"asks {servers[0]}, which is no gateway" if servers else "names no DNS server"
        new = _without(text, servers) + f"nameserver {HERE.host}\n"
        yield Finding("PAN102", f"{RESOLV_CONF} {asked}", *_advice(host, "nobody who knows Consul is asked", new))
    elif strangers := [one for one in servers if one not in known]:
        why = "resolvers ask all of them, some at once: names of services leave for strangers, whose answers count"
        what = f"{RESOLV_CONF} names {', '.join(strangers)} beside the gateway"
        yield Finding("PAN502", what, *_advice(host, why, _without(text, strangers)))


def need_gateway(host: Host) -> None:
    """`Unseen` where none answers here: that is told once, and what follows from it is not."""
    if not host.is_gateway(HERE):
        raise Unseen(f"no gateway answers at {HERE}")


def _advice(host: Host, why: str, new: str) -> tuple[str, tuple[str, ...]]:
    """Commands only where the machine has DNS after them: a gateway here, with upstream servers of its own."""
    if not host.is_gateway(HERE):
        return f"{why}; first let a gateway answer at {HERE}", ()
    if not host.has_upstreams:
        return f"{why}; {_FIRST_UPSTREAMS}", ()
    unlink = (f"rm {RESOLV_CONF}",) if host.target(RESOLV_CONF) else ()
    return why, (*unlink, f"printf %s {shlex.quote(new)} > {RESOLV_CONF}")


def _without(text: str, servers: Collection[str]) -> str:
    """resolv.conf(5) without the lines that name one of *servers*."""

    def names_one(line: str) -> bool:
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            return False
        try:
            return str(ipaddress.ip_address(words[1])) in servers
        except ValueError:
            return False

    return "".join(f"{line}\n" for line in text.splitlines() if not names_one(line))


def _behind_the_stub(host: Host, stub: str) -> Iterator[Finding]:
    if host.ask(Endpoint(stub, 53), "localhost") is None:
        new = f"nameserver {HERE.host}\n"
        why, instead = _advice(host, f"{RESOLV_CONF} names it: no name resolves on this host", new)
        what = f"the stub of systemd-resolved, {stub}, does not answer"
        yield Finding("PAN101", what, why, host.start("systemd-resolved") or instead)
        return
    behind = nameservers(host.read(_RESOLVED) or "")
    if not behind:
        raise Unseen(f"{_RESOLVED} does not tell whom systemd-resolved asks")
    if host.is_gateway(Endpoint(behind[0], 53)):
        return
    text = f"[Resolve]\nDNS={HERE.host}\nDomains=~.\n"
    fix = (
        f"mkdir -p {_DROP_IN.rpartition('/')[0]}",
        f"printf %s {shlex.quote(text)} > {_DROP_IN}",
        "systemctl restart systemd-resolved",
    )
    yield Finding(
        "PAN102",
        f"systemd-resolved asks {behind[0]}, which is no gateway",
        f"{RESOLV_CONF} names its stub, {stub}: nobody who knows Consul is asked",
        fix if host.is_gateway(HERE) else (),
    )


def names(host: Host) -> Iterator[Finding]:
    """Consul's names and others get an answer from the gateway."""
    need_gateway(host)
    found = host.ask(HERE, "consul.service.consul")
    if found is None or found.rcode == "SERVFAIL":
        why = found.reason if found else "no answer"
        yield Finding("PAN301", "the gateway gets no answer from Consul", why, host.start_consul(why))
    other = host.ask(HERE, ".", "NS")
    if other is None or other.rcode == "SERVFAIL":
        why = other.reason if other else "no answer"
        yield Finding("PAN310", "the gateway gets no answer from its upstream servers", why, level=WARNING)
