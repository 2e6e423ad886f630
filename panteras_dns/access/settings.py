"""What the SSH door is for: `door.toml`, read by the commands that write kits and by the door itself."""

import ipaddress
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from panteras_dns.access.trouble import Misuse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FILE = "door.toml"

_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.ASCII)
_TEXT = """\
# What the SSH door leads to. Read when a session begins and when a kit is written; edit it at will.

# Networks of the services. They must not be those of people's homes.
networks = {networks}
# The DNS server of this docker host, as the container reaches it.
dns = {dns}
# Consul's domain.
domain = {domain}
# The account of the container.
account = {account}
"""


@dataclass(frozen=True)
class Settings:
    """One field a key of the file."""

    networks: tuple[Network, ...]
    dns: Address
    domain: str = "consul"
    account: str = "tunnel"

    def as_text(self) -> str:
        return _TEXT.format(
            networks=json.dumps([str(one) for one in self.networks]),
            dns=json.dumps(str(self.dns)),
            domain=json.dumps(self.domain),
            account=json.dumps(self.account),
        )


def settings(
    networks: Sequence[object], dns: object, domain: object = "consul", account: object = "tunnel", origin: str = ""
) -> Settings:
    """Checked values; Misuse names the key, and *origin* before it."""
    if not networks:
        raise Misuse(f"{origin}networks: none, expected those of the services, like 172.17.0.0/16")
    read = tuple(network(one, f"{origin}networks[{index}]") for index, one in enumerate(networks))
    if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
        raise Misuse(f"{origin}domain: {domain!r}, expected a name like 'consul'")
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        raise Misuse(f"{origin}account: {account!r}, expected an account like 'tunnel'")
    return Settings(read, _server(dns, f"{origin}dns"), domain, account)


def network(value: object, key: str) -> Network:
    """A network that services may live in."""
    try:
        found = ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise Misuse(f"{key}: not a network: {value!r}, expected one like 172.17.0.0/16; a name is not one") from None
    if found.is_loopback or found.is_link_local or found.is_multicast:
        raise Misuse(f"{key}: {found} can't be reached from another host")
    return found


def _server(value: object, key: str) -> Address:
    try:
        found = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise Misuse(f"{key}: not an address: {value!r}, expected one like 172.17.0.1") from None
    if found.is_loopback:
        raise Misuse(f"{key}: {found} is the container itself there, expected an address of the docker host")
    return found


def read(data: bytes, origin: str) -> Settings:
    """Read the file; *origin* is its path, for the message of a Misuse."""
    try:
        found: dict[str, Any] = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Misuse(f"{origin}: not TOML: {problem}") from None
    known = {one.name for one in fields(Settings)}
    for key in found:
        if key not in known:
            raise Misuse(f"{origin}: {key}: unknown key, expected one of {', '.join(sorted(known))}")
    networks = found.pop("networks", [])
    if not isinstance(networks, list):
        raise Misuse(f"{origin}: networks: expected a list")
    return settings(networks, found.pop("dns", None), **found, origin=f"{origin}: ")
