"""The configuration of OpenVPN's server for the version that is there: an older one refuses to start on a word it
does not know."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from panteras_dns.access.settings import Network
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vpn.programs import python, tool
from panteras_dns.access.vpn.settings import Transport, Vpn
from panteras_dns.access.vpn.template import Version, fill, template

HOOKS = "hooks"  # the socket in the run directory that hooks tell of

_OLDEST: Version = (2, 5)
_ASKING = 10  # seconds
_MOST = 4096  # clients of one instance


@dataclass(frozen=True)
class Place:
    """Where things are: what OpenVPN reads, its sockets, files of this run, and the account it turns into."""

    vpn: Path
    sockets: Path
    run: Path
    user: str
    group: str

    def management(self, transport: Transport) -> Path:
        return self.sockets / f"{transport.kind}.sock"

    def status(self, transport: Transport) -> Path:
        return self.run / f"{transport.kind}.status"

    @property
    def hook(self) -> Path:
        """A copy of the program: where it is installed, OpenVPN's account may not get to."""
        return self.run / "hook.py"

    def config(self, transport: Transport) -> Path:
        return self.run / f"{transport.kind}.conf"


def render(version: Version, chosen: Vpn, transport: Transport, place: Place, six: bool) -> str:
    """The text of a server.conf. *six*: this host has IPv6, so that a tunnel may carry it."""
    so = {transport.kind, chosen.tunnel, *(["ipv6"] if six and chosen.six else [])}
    values = {
        "version": ".".join(map(str, version)),
        "kind": transport.kind.upper(),
        "port": transport.port,
        # A socket of IPv6 takes IPv4, too, wherever the kernel knows IPv6 at all.
        "proto": transport.kind + ("6" if six else "4") + ("-server" if transport.kind == "tcp" else ""),
        "device": transport.device,
        "pool": transport.pool.network_address,
        "mask": transport.pool.netmask,
        "pool6": transport.pool6,
        "user": place.user,
        "group": place.group,
        "vpn": place.vpn,
        "most": min(_MOST, transport.pool.num_addresses - 3),
        "routes": "\n".join(_route(one) for one in chosen.networks if one.version == 4 or "ipv6" in so),
        "address": transport.address,
        "address6": transport.address6,
        "blind6": f"{transport.pool6[2]}/{transport.pool6.prefixlen}",
        "domain": chosen.domain,
        "hook": f"{python()} -I -S {place.hook} {place.run / HOOKS}",
        "management": place.management(transport),
        "status": place.status(transport),
    }
    return fill(template("server.conf"), version, so, values)


def _route(network: Network) -> str:
    if network.version == 6:
        return f'push "route-ipv6 {network}"'
    return f'push "route {network.network_address} {network.netmask}"'


def installed() -> Version:
    """The version of the OpenVPN that is there."""
    path = tool("openvpn")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_ASKING, check=False)
    return read_version(done.stdout.partition("\n")[0], path)


def read_version(text: str, origin: str) -> Version:
    """Find `OpenVPN 2.6` (or, from a command line, `2.6`) in *text*."""
    found = re.match(r"(?:OpenVPN )?(\d{1,3})\.(\d{1,3})(?:[.\s_]|$)", text.strip())
    if not found:
        raise Misuse(f"{origin}: not a version of OpenVPN: {text.strip()[:60]!r}, expected one like 2.6")
    version = int(found[1]), int(found[2])
    if version < _OLDEST:
        raise Misuse(f"{origin}: OpenVPN {version[0]}.{version[1]} is too old, expected {_OLDEST[0]}.{_OLDEST[1]}")
    return version
