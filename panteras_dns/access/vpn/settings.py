"""What the VPN door is for: `vpn.toml`, read by the commands that write profiles and by the door itself. Pure."""

import ipaddress
import json
import secrets
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from panteras_dns.access.settings import Address, Network, Settings
from panteras_dns.access.settings import settings as checked
from panteras_dns.access.trouble import Misuse

SPLIT, FULL = "split", "full"

_POOL = range(16, 29)  # prefix lengths of `pool`: from 8 clients a transport to 32,000
_POOL_6 = range(48, 124)
_TRIES = 200
_TEXT = """\
# What the VPN door leads to. Read when the door starts and when a kit is written; edit it at will.

# Networks of the services: what profiles route through the tunnel. They must not be those of people's homes.
networks = {networks}
# The DNS server of this docker host, as the container reaches it. Clients ask the door, which asks there.
dns = {dns}
# Consul's domain.
domain = {domain}
# Addresses of the clients: one half for UDP, one for TCP.
pool = {pool}
pool6 = {pool6}
# Ports, as laptops reach them; 0 for none. TCP is for networks that let nothing else out.
udp = {udp}
tcp = {tcp}
# "split": the networks above go through the tunnel, all else as without it. "full": everything goes through.
tunnel = {tunnel}
"""


@dataclass(frozen=True)
class Vpn:
    """One field a key of the file."""

    networks: tuple[Network, ...]
    dns: Address
    domain: str
    pool: ipaddress.IPv4Network
    pool6: ipaddress.IPv6Network
    udp: int = 1194
    tcp: int = 443
    tunnel: str = SPLIT

    @property
    def six(self) -> bool:
        """Whether IPv6 goes through the tunnel: where there is some behind it, or where everything does."""
        return self.tunnel == FULL or any(one.version == 6 for one in self.networks)

    @property
    def transports(self) -> Sequence["Transport"]:
        """The instances of OpenVPN."""
        first, second = self.pool.subnets()
        first6, second6 = self.pool6.subnets()
        both = (Transport("udp", self.udp, first, first6), Transport("tcp", self.tcp, second, second6))
        return [one for one in both if one.port]

    def as_text(self) -> str:
        shown: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(self)}
        shown["networks"] = [str(one) for one in self.networks]
        plain = {key: value if isinstance(value, int | list) else str(value) for key, value in shown.items()}
        return _TEXT.format(**{key: json.dumps(value) for key, value in plain.items()})


@dataclass(frozen=True)
class Transport:
    """One instance of OpenVPN: `udp` or `tcp`, its port, the addresses of its clients."""

    kind: str
    port: int
    pool: ipaddress.IPv4Network
    pool6: ipaddress.IPv6Network

    @property
    def device(self) -> str:
        return f"vpn-{self.kind}"

    @property
    def address(self) -> str:
        """The door's own, where the clients' DNS is."""
        return str(self.pool[1])

    @property
    def address6(self) -> str:
        return str(self.pool6[1])


def new(base: Settings, here: Iterable[Network], pool: str | None, tunnel: str, udp: int, tcp: int) -> Vpn:
    """Settings for a new door: those of the SSH door, and a *pool* or, without one, a free one. *here*: this host's."""
    taken = [*base.networks, *here]
    text = {"pool": pool or _free_pool(taken), "pool6": _new_pool6(), "tunnel": tunnel, "udp": udp, "tcp": tcp}
    return _vpn(base, text, "")


def read(data: bytes, origin: str) -> Vpn:
    """Read the file; *origin* is its path, for the message of a Misuse."""
    try:
        found: dict[str, Any] = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Misuse(f"{origin}: not TOML: {problem}") from None
    known = {one.name for one in fields(Vpn)}
    for key in found:
        if key not in known:
            raise Misuse(f"{origin}: {key}: unknown key, expected one of {', '.join(sorted(known))}")
    networks = found.get("networks", [])
    if not isinstance(networks, list):
        raise Misuse(f"{origin}: networks: expected a list")
    base = checked(networks, found.get("dns"), found.get("domain", "consul"), origin=f"{origin}: ")
    return _vpn(base, found, f"{origin}: ")


def _vpn(base: Settings, found: dict[str, Any], origin: str) -> Vpn:
    pool, pool6 = (
        _pool(found.get("pool"), f"{origin}pool", 4, _POOL),
        _pool(found.get("pool6"), f"{origin}pool6", 6, _POOL_6),
    )
    udp, tcp = (_port(found.get(key, default), f"{origin}{key}") for key, default in (("udp", 1194), ("tcp", 443)))
    if not udp and not tcp:
        raise Misuse(f"{origin}udp, tcp: both are 0, expected a port for one of them")
    tunnel = found.get("tunnel", SPLIT)
    if tunnel not in {SPLIT, FULL}:
        raise Misuse(f"{origin}tunnel: {tunnel!r}, expected 'split' or 'full'")
    for one in base.networks:
        for ours, key in ((pool, "pool"), (pool6, "pool6")):
            if one.overlaps(ours):
                raise Misuse(f"{origin}{key}: {ours} overlaps with {one} of networks, expected addresses of its own")
    if base.dns in pool or base.dns in pool6:
        raise Misuse(f"{origin}dns: {base.dns} lies in the pool of the clients, expected an address of the docker host")
    return Vpn(base.networks, base.dns, base.domain, pool, pool6, udp, tcp, tunnel)


def _pool(value: object, key: str, version: int, lengths: range) -> Any:
    example = "10.98.64.0/23" if version == 4 else "fd12:3456:789a::/63"
    try:
        found = ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise Misuse(f"{key}: not a network: {value!r}, expected one like {example}") from None
    elsewhere = found.is_loopback or found.is_link_local or found.is_unspecified or int(found.network_address) == 0
    if found.version != version or not found.is_private or elsewhere:
        raise Misuse(f"{key}: {found}, expected a private network of IPv{version}, like {example}")
    if found.prefixlen not in lengths:
        raise Misuse(f"{key}: {found}, expected a prefix of {lengths.start} to {lengths.stop - 1} bits, like {example}")
    return found


def _port(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65_536:
        raise Misuse(f"{key}: {value!r}, expected a port from 1 to 65535, or 0 for none")
    return value


def _free_pool(taken: Sequence[Network]) -> str:
    """Somewhere in 10.64.0.0/10, by chance: two companies that meet one day should not meet there."""
    for _ in range(_TRIES):
        found = ipaddress.IPv4Network(f"10.{64 + secrets.randbelow(64)}.{2 * secrets.randbelow(128)}.0/23")
        if not any(found.overlaps(one) for one in taken):
            return str(found)
    raise Misuse("no free addresses for the clients of the VPN: choose some with --pool")


def _new_pool6() -> str:
    """A prefix of one's own (RFC 4193)."""
    first, second, third = (secrets.randbits(bits) for bits in (8, 16, 16))
    return str(ipaddress.IPv6Network(f"fd{first:02x}:{second:x}:{third:x}::/63"))
