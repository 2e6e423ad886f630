"""The addresses of this machine, the networks behind them, and who holds a port.

Reads what the kernel says at the moment (psutil); keeps nothing.
"""

import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV4_ADDRESSES, _IPV6_ADDRESSES = 0x10, 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


_PRIVATE = [  # RFC 1918, 6598, 4193, and loopback; Python's is_private has the networks of examples, too
    ipaddress.ip_network(text)
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")
]


def addresses() -> list[str]:
    """Every IPv4 and IPv6 address of every interface, link-local ones with their `%interface`."""
    return [found.address for found in _found()]


def private() -> list[str]:
    """Those that the world does not reach: what listens on them is not exposed."""
    own = [ipaddress.ip_address(text) for text in addresses() if "%" not in text]
    return list(dict.fromkeys(str(one) for one in own if any(one in network for network in _PRIVATE)))


def changes() -> socket.socket | None:
    """A socket that becomes readable when an address comes or goes (rtnetlink(7)); None where there is none."""
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        sock.bind((0, _IPV4_ADDRESSES | _IPV6_ADDRESSES))
    except (AttributeError, OSError):  # another system, or a sandbox without netlink: we look now and then
        return None
    return sock


def networks() -> list[Network]:
    """Loopback and the networks this machine is directly attached to, docker's bridges among them."""
    own: list[Network] = list(_LOOPBACK)
    for found in _found():
        try:
            mask = found.netmask or ("32" if found.family == socket.AF_INET else "128")
            prefix = _prefix(mask)
            own.append(ipaddress.ip_network(f"{found.address.split('%')[0]}/{prefix}", strict=False))
        except ValueError:
            continue
    return list(dict.fromkeys(own))


def _prefix(mask: str) -> str:
    if ":" not in mask:
        return mask
    return str(bin(int(ipaddress.IPv6Address(mask))).count("1"))


def _found() -> list[Any]:
    inet = (socket.AF_INET, socket.AF_INET6)
    return [one for many in psutil.net_if_addrs().values() for one in many if one.family in inet]


def holder(host: str, port: int, kind: int) -> str:
    """Who listens there: `dnsmasq (pid 412, dnsmasq.service)`, or `another program` when that can't be seen."""
    pid = listener(port, kind, (host, "0.0.0.0", "::"))  # noqa: S104  somebody else's
    if pid:
        return _described(_first(pid))
    return f"another program ({'perhaps in a container' if os.geteuid() == 0 else 'run as root to see which'})"


def listener(port: int, kind: int, hosts: Sequence[str] = ()) -> int | None:
    """A process that listens at that port of one of *hosts*, or of any; None where it can't be seen."""
    wanted = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    try:
        found = psutil.net_connections(wanted)
    except (psutil.Error, OSError):
        return None
    for one in found:
        there = one.laddr and one.laddr.port == port and (not hosts or one.laddr.ip in hosts)
        if there and one.pid and (wanted == "udp" or one.status == psutil.CONN_LISTEN):
            return int(one.pid)
    return None


def _first(pid: int) -> int:
    """The process that made this one by fork alone, and shares its sockets: who ends it ends both."""
    try:
        one = psutil.Process(pid)
        while (parent := one.parent()) is not None and parent.cmdline() == one.cmdline():
            one = parent
        return int(one.pid)
    except psutil.Error:
        return pid


def _described(pid: int) -> str:
    try:
        name = psutil.Process(pid).name()
    except psutil.Error:
        name = "a program"
    unit = _unit(pid)
    return f"{name} (pid {pid}{', ' + unit if unit else ''})"


def _unit(pid: int) -> str:
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return ""
    last = groups.strip().rpartition("/")[2]
    return last if last.endswith(".service") else ""
