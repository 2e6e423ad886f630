"""Whom this machine asks, and who answers at its port 53."""

from collections.abc import Iterator, Sequence

from panteras_dns.doctor.finding import WARNING, Finding
from panteras_dns.doctor.host import Host
from panteras_dns.endpoint import Endpoint
from panteras_dns.host.resolv import STUBS, nameservers

RESOLV_CONF = "/etc/resolv.conf"
_RESOLVED = "/run/systemd/resolve/resolv.conf"
_DROP_IN = "/etc/systemd/resolved.conf.d/panteras.conf"
_TO_GATEWAY = f"printf 'nameserver 127.0.0.1\\n' > {RESOLV_CONF}"


def port(host: Host) -> Iterator[Finding]:
    """Port 53 of loopback is the gateway's."""
    here = Endpoint("127.0.0.1", 53)
    if host.is_gateway(here):
        return
    who = host.holder(here.host, here.port)
    if not who:
        yield Finding(
            "PAN101", "no gateway answers at 127.0.0.1:53", "nobody listens there", ("systemctl start panteras-dns",)
        )
        return
    yield Finding("PAN501", f"port 53 is held by {who}", "the gateway can't answer at 127.0.0.1", _freed(who))


def _freed(who: str) -> tuple[str, ...]:
    """The commands that end who holds the port, where it is a service; what it is can be read before they are run."""
    unit = next((word.strip("),") for word in who.split() if word.strip("),").endswith(".service")), "")
    if unit == "systemd-resolved.service":
        return (
            f"mkdir -p {_DROP_IN.rpartition('/')[0]}",
            f"printf '[Resolve]\\nDNSStubListener=no\\n' > {_DROP_IN}",
            "systemctl restart systemd-resolved",
            "systemctl restart panteras-dns",
        )
    if unit:
        return (f"systemctl disable --now {unit}", "systemctl restart panteras-dns")
    return ()


def resolv_conf(host: Host) -> Iterator[Finding]:
    """The only server in resolv.conf is a gateway."""
    servers = nameservers(host.read(RESOLV_CONF) or "")
    if servers and servers[0] in STUBS:
        behind = nameservers(host.read(_RESOLVED) or "")
        if behind and not host.is_gateway(Endpoint(behind[0], 53)):
            yield Finding(
                "PAN102",
                f"systemd-resolved asks {behind[0]}, which is no gateway",
                f"{RESOLV_CONF} names its stub, {servers[0]}: nobody who knows Consul is asked",
                (
                    f"mkdir -p {_DROP_IN.rpartition('/')[0]}",
                    f"printf '[Resolve]\\nDNS=127.0.0.1\\nDomains=~.\\n' > {_DROP_IN}",
                    "systemctl restart systemd-resolved",
                ),
            )
        return
    known = [one for one in servers if host.is_gateway(Endpoint(one, 53))]
    unlink = (f"rm {RESOLV_CONF}",) if host.target(RESOLV_CONF) else ()
    if not servers or servers[0] not in known:
        asked = f"asks {servers[0]}, which is no gateway" if servers else "names no DNS server"
        yield Finding("PAN102", f"{RESOLV_CONF} {asked}", "nobody who knows Consul is asked", (*unlink, _TO_GATEWAY))
        return
    if strangers := [one for one in servers if one not in known]:
        yield Finding(
            "PAN502",
            f"{RESOLV_CONF} names {', '.join(strangers)} beside the gateway",
            "resolvers ask all of them, some at once: names of services leave for strangers, and their answers count",
            (f"printf '%s\\n' \"$(grep -vE '^nameserver ({_either(strangers)})$' {RESOLV_CONF})\" > {RESOLV_CONF}",),
        )


def _either(texts: Sequence[str]) -> str:
    return "|".join(text.replace(".", "[.]") for text in texts)


def names(host: Host) -> Iterator[Finding]:
    """Consul's names and others get an answer from the gateway."""
    here = Endpoint("127.0.0.1", 53)
    if not host.is_gateway(here):
        return
    found = host.ask(here, "consul.service.consul")
    if found is None or found.rcode == "SERVFAIL":
        why = found.reason if found else "no answer"
        yield Finding("PAN301", "the gateway gets no answer from Consul", why, ("systemctl start consul",))
    other = host.ask(here, ".", "NS")
    if other is None or other.rcode == "SERVFAIL":
        why = other.reason if other else "no answer"
        yield Finding("PAN310", "the gateway gets no answer from its upstream servers", why, level=WARNING)
