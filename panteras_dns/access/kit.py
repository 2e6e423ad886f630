"""What a person gets: everything her laptop needs for one device, in one directory, from one source. The SSH door's
part of it; that of the VPN is `vpn.profile`."""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from panteras_dns.access.door import ALIAS
from panteras_dns.access.index import Entry
from panteras_dns.access.report import day
from panteras_dns.access.settings import Network, Settings
from panteras_dns.access.trouble import Misuse, Trouble

_GATEWAY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII)
_TEMPLATES = resources.files("panteras_dns.access") / "kit"
Files = dict[str, bytes]

README = "README.md"
_FILES = (
    README,
    "ssh_config",
    "known_hosts",
    "sshuttle.conf",
    "sshuttle-split.conf",
    "split-dns-macos",
    "split-dns-systemd-resolved",
    "split-dns-dnsmasq.conf",
    "panteras-tunnel.service",
)
# Where laptops sit: a tunnelled network that covers the one at hand cuts the laptop off from its own printer.
_HOMES = {
    "docker's default bridge": "172.17.0.0/16",
    "docker's other bridges": "172.18.0.0/15",
    "home routers": "192.168.0.0/23",
    "home routers of AVM": "192.168.178.0/24",
    "home routers of Apple and Xfinity": "10.0.0.0/23",
    "phones that share their connection": "172.20.10.0/28",
}


@dataclass(frozen=True)
class Gateway:
    """Where the door is, as laptops reach it."""

    host: str
    port: int

    @property
    def remote(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def gateway(text: str, port: int) -> Gateway:
    """Read `HOST[:PORT]`: a name, an IPv4 address, or an IPv6 address in brackets if a port follows."""
    found = re.fullmatch(r"\[(.+)\](?::(\d{1,5}))?|([^:\[\]]+)(?::(\d{1,5}))?|(.+)", text)
    host, number = (found[1] or found[3] or found[5], found[2] or found[4]) if found else ("", None)
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        if not _GATEWAY.fullmatch(host):
            raise Misuse(f"not a gateway: {text[:80]!r}, expected HOST or HOST:PORT") from None
    if number is not None and not 0 < int(number) < 65_536:
        raise Misuse(f"not a gateway: {text[:80]!r}, expected a port from 1 to 65535")
    return Gateway(host, int(number) if number else port)


def overlaps(networks: Sequence[Network]) -> Sequence[str]:
    """A sentence for each network that laptops may sit in themselves."""
    found = []
    for one in networks:
        for who, where in _HOMES.items():
            if one.overlaps(ipaddress.ip_network(where)):
                found.append(f"{one} overlaps with {where}, {who}: a laptop that sits there loses one of the two")
    return found


def files(entry: Entry, door: Gateway, chosen: Settings, host_ca: str, identity_file: str = "") -> Files:
    """What the SSH door needs on a laptop. *identity_file*: the key that the person has herself."""
    found: Files = {"id-cert.pub": f"{entry.certificate}\n".encode()}
    if entry.private_key:
        found["id"] = entry.private_key
    values = _values(entry, door, chosen, host_ca, identity_file)
    for file in _FILES:
        found[file] = Template((_TEMPLATES / file).read_text()).substitute(values).encode()
    return found


def write(out: Path, whole: Files) -> Sequence[Path]:
    """Write the kit to a new directory *out*; the files."""
    try:
        out.mkdir(mode=0o700, parents=True)
        return [_write(out / file, data) for file, data in sorted(whole.items())]
    except FileExistsError:
        raise Trouble(f"{out}: is there already, and is not overwritten; choose another --out") from None
    except OSError as problem:
        raise Trouble(f"{problem.filename or out}: {problem.strerror}; the kit is not complete") from None


def together(kits: Iterable[Files]) -> Files:
    """One kit for all doors, with one README."""
    whole: Files = {}
    for one in kits:
        readme = b"\n".join(text for text in (whole.get(README), one.get(README)) if text)
        whole = {**whole, **one, README: readme}
    return whole


def _write(path: Path, data: bytes) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    return path


def _values(entry: Entry, door: Gateway, chosen: Settings, host_ca: str, identity_file: str) -> Mapping[str, str]:
    networks = [str(one) for one in chosen.networks]
    if not any(chosen.dns in one for one in chosen.networks):
        networks.append(f"{chosen.dns}/{chosen.dns.max_prefixlen}")  # long answers come over TCP, as any connection
    return {
        "id": entry.id,
        "directory": f"{entry.name}-{entry.device}",
        "until": day(entry.not_after),
        "reach": entry.services or "all services",
        "host": door.host,
        "port": str(door.port),
        "remote": f"{chosen.account}@{door.remote}",
        "account": chosen.account,
        "alias": ALIAS,
        "host_ca": " ".join(host_ca.split()[:2]),
        "identity_file": identity_file or "id",
        "domain": chosen.domain,
        "dns": str(chosen.dns),
        "networks": "\n".join(networks),
        "networks_in_line": " ".join(networks),
    }
