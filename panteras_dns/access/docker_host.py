"""What this docker host looks like to its containers: the bridges that docker made, for who names no network."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence

import psutil

from panteras_dns.access.trouble import Misuse

_BRIDGES = ("docker0", "br-", "docker_gwbridge")


def networks() -> Sequence[str]:
    """The networks of docker's bridges."""
    found = [str(one.network) for _, one in _bridges()]
    if not found:
        raise Misuse("no bridge of docker is here: name the networks of the services with --network")
    return found


def address() -> str:
    """This host's address on docker0, or on the first bridge."""
    found = sorted(_bridges(), key=lambda bridge: bridge[0] != "docker0")
    if not found:
        raise Misuse("no bridge of docker is here: name this host's DNS with --dns")
    return str(found[0][1].ip)


def attached() -> Sequence[ipaddress.IPv4Network]:
    """Every network of IPv4 that this host sits in."""
    return [
        ipaddress.IPv4Interface(f"{one.address}/{one.netmask}").network
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family == socket.AF_INET and one.netmask
    ]


def _bridges() -> Iterator[tuple[str, ipaddress.IPv4Interface]]:
    for device, addresses in psutil.net_if_addrs().items():
        if device.startswith(_BRIDGES):
            for one in addresses:
                if one.family == socket.AF_INET:
                    yield device, ipaddress.IPv4Interface(f"{one.address}/{one.netmask}")
