"""What changes under a running server: the addresses of this machine, resolv.conf, the hosts files."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from panteras_dns.config import Config
from panteras_dns.endpoint import Endpoint
from panteras_dns.host import resolv
from panteras_dns.host.interfaces import addresses
from panteras_dns.host.sockets import expand
from panteras_dns.options import RESOLV_CONF

log = Logger()


@dataclass
class World:
    """*upstreams*: the servers of resolv.conf that are not ourselves; *stamps*: by which a changed file is known."""

    own: list[str] = field(default_factory=list)
    upstreams: list[str] = field(default_factory=list)
    stamps: tuple[Any, ...] = ()


def look(config: Config, kept: Collection[Endpoint], old: World) -> World:
    """What is there now; *old* itself where nothing is different. *kept*: sockets that systemd bound for us."""
    own = addresses()
    stamps = tuple(_stamp(path) for path in (*resolv.FILES, *map(Path, config.dns.hosts)))
    if (old.own, old.stamps) == (own, stamps):
        return old
    listening = (*expand(config.dns.listen), *kept)
    found = resolv.upstreams({endpoint.host for endpoint in listening if endpoint.port == 53})
    needed = any(RESOLV_CONF in route.servers for route in config.route)
    if needed and not found:
        log.warn("no upstream in resolv.conf beside ourselves; the last ones stay")
    elif needed and found != old.upstreams:
        log.info("upstreams from resolv.conf: {found}", found=", ".join(found))
    return World(own, found or old.upstreams, stamps)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
