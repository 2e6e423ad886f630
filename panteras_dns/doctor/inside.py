"""What a container gets when it asks: a look-up in its own network, of the server that its resolv.conf names first."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from panteras_dns.doctor.containers import servers
from panteras_dns.doctor.finding import WARNING, Finding
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.resolver import need_gateway
from panteras_dns.host.resolv import nameservers

MOST = 5  # containers that are looked at, each in another network
_SHOWN = "{{.State.Pid}}\t{{.Name}}\t{{.HostConfig.NetworkMode}}\t{{.ResolvConfPath}}\t{{len .HostConfig.Dns}}"
_NETWORK = '{{.Internal}}\t{{.Driver}}\t{{.Id}}\t{{index .Options "com.docker.network.bridge.name"}}'
_ID = re.compile(r"[0-9a-f]{12,64}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OUTSIDE = ("host", "none")  # no network of its own, or none at all; and `container:…`, which has another's


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs. *network*: as Docker calls it; *bridge*: the interface of this host that it asks through, "" where
    that is not known; *own*: it was started with servers of its own (`--dns`)."""

    pid: int
    name: str
    network: str
    bridge: str
    resolv_conf: str
    own: bool


def running(host: Host) -> list[Container]:
    """One of each network, the first that Docker tells of."""
    ids = [one for one in (host.command("docker", "ps", "--quiet") or "").split() if _ID.fullmatch(one)]
    told = host.command("docker", "inspect", "--format", _SHOWN, *ids[:100]) if ids else ""
    found: list[Container] = []
    seen = set(_OUTSIDE)
    for line in (told or "").splitlines():
        pid, name, network, path, own = (*line.split("\t"), "", "", "", "")[:5]
        if network in seen or ":" in network or not pid.isdigit() or not int(pid):
            continue
        seen.add(network)
        if (bridge := _bridge(host, network)) is not None:
            found.append(Container(int(pid), name.lstrip("/"), network, bridge, path, own != "0"))
        if len(found) == MOST:
            break
    return found


def _bridge(host: Host, network: str) -> str | None:
    """The interface that leads from a network to this host; None from one that was made `--internal`: there is none."""
    name = "bridge" if network == "default" else network
    told = host.command("docker", "network", "inspect", "--format", _NETWORK, name) or ""
    internal, driver, identity, option = (*told.strip("\n").split("\t"), "", "", "")[:4]
    if internal == "true":
        return None
    found = {"bridge": option or f"br-{identity[:12]}", "overlay": "docker_gwbridge"}.get(driver, "")
    return found if _PLAIN.fullmatch(found) else ""


def lookup(host: Host) -> Iterator[Finding]:
    """Containers that run now reach the gateway with the server that they have."""
    for one in running(host):
        server = next(iter(nameservers(host.read(one.resolv_conf) or "")), "")
        if not server:
            continue
        found = host.ask_inside(one.pid, server)
        if found is None:
            need_gateway(host)
            yield Finding(
                "PAN513",
                f"the container {one.name} gets no answer from {server}, in the network {one.network}",
                "nothing resolves in it, nor in others of that network",
            )
        elif not found:
            need_gateway(host)
            yield _elsewhere(host, one, server)


def _elsewhere(host: Host, one: Container, server: str) -> Finding:
    """It asks somebody else. To start it again helps only where it would be given the gateway now."""
    fix: tuple[str, ...] = ()
    if one.own:
        why = "it was started with servers of its own (--dns): make it anew without them"
    elif list(servers(host)):
        why = "as all that Docker starts now"
    else:
        why = "it was started before Docker was given the gateway's address"
        fix = (f"docker restart {one.name}",) if _PLAIN.fullmatch(one.name) else ()
    what = f"the container {one.name} asks {server}, which does not lead to the gateway"
    return Finding("PAN513", what, why, fix, WARNING)
