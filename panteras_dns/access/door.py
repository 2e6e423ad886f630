"""What a door is to the identities: it issues certificates, shuts people out, and tells what of its own will end.

One class a kind: `ssh.door.SshDoor`, `vpn.door.VpnDoor`. Commands use them; what runs the doors does not.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from panteras_dns.access.index import Entry, Index
from panteras_dns.access.ssh.publickey import PublicKey
from panteras_dns.access.trouble import Misuse

DAY = 86_400  # seconds
SLACK = 300  # seconds that the clock of whoever reads a certificate may be behind
ALIAS = "panteras-gateway"  # the name that the doors' own certificates are for, whatever their address


@dataclass(frozen=True)
class Terms:
    """What is given: for how long, for which services (patterns; () for all), for a key of her own or a new one."""

    days: int
    services: Sequence[str] = ()
    key: PublicKey | None = None


@dataclass(frozen=True)
class Ended:
    """Sessions that were live and were ended. *proved*: it was looked again, and none is left; else *why* not."""

    sessions: int
    proved: bool
    why: str = ""


@dataclass(frozen=True)
class Ending:
    """Something of the door's own that ends: when (seconds since 1970), and the command that renews it."""

    what: str
    not_after: int
    renew: str


class Door(Protocol):
    """One way in. Trouble from any of these is a sentence for who ran the command."""

    @property
    def kind(self) -> str:
        """`ssh` or `vpn`, as the index and the command line have it."""

    def issue(self, name: str, device: str, terms: Terms) -> Entry:
        """A certificate that is in no index yet."""

    def renew(self, old: Entry, terms: Terms) -> Entry:
        """Another one for the same key."""

    def shut(self, index: Index) -> None:
        """Write down for the door who is refused, from all that *index* knows."""

    def end(self, entries: Sequence[Entry]) -> Ended:
        """End the live sessions of *entries*, and look again."""

    def sessions(self, entries: Sequence[Entry]) -> Sequence[Mapping[str, Any]]:
        """Who is connected now: identity, device, door, from, since, and what else this door knows."""

    def renew_own(self) -> None:
        """New certificates for the door itself; kits stay as they are."""

    def own(self) -> Sequence[Ending]:
        """What of the door itself will end."""


def checked(days: int, most: int, door: str) -> int:
    """*days*, if a certificate of this door may last so long."""
    if not 1 <= days <= most:
        raise Misuse(f"days: {days}, expected 1 to {most} for the {door} door")
    return days


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())
