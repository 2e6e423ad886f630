"""Who is in by the VPN, as OpenVPN's hooks tell it, and what that opens: the firewall and the audit follow.

One rule: nobody is let in before the firewall stands, and whoever cannot be judged is not let in.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from panteras_dns.access.lookup import Place, Unknown
from panteras_dns.access.report import instant
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vpn import firewall
from panteras_dns.access.vpn.openings import Open, Openings
from panteras_dns.access.vpn.roster import Listed, Roster
from panteras_dns.access.vpn.x509 import common_name

_AT_ONCE = 16  # look-ups: when nobody answers, 64 services take two seconds and not half a minute

Audit = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Guest:
    """A client that is in. *connected*: when, as OpenVPN has it, which tells two connections apart; the address outside
    does not, a laptop may take its session along to another network."""

    who: Listed
    device: str  # of this host: which OpenVPN it came by
    outside: str
    connected: str
    addresses: tuple[str, ...]
    since: float


class Wall:
    """The firewall, as far as guests change it."""

    def __init__(self) -> None:
        self._open = Open()

    def follow(self, wanted: Open) -> None:
        """Trouble, and all as it was, when nft does not take it."""
        firewall.run(firewall.changes(self._open, wanted))
        self._open = wanted

    def forget(self, addresses: Sequence[str]) -> None:
        firewall.forget(addresses)


class Guests:
    """*find*: a service's DNS name to its instances, or Unknown."""

    def __init__(
        self, roster: Roster, openings: Openings, wall: Wall, find: Callable[[str], set[Place]], audit: Audit
    ) -> None:
        self._roster, self._openings, self._wall = roster, openings, wall
        self._find, self._audit = find, audit
        self._guests: dict[str, Guest] = {}  # by the first of their addresses

    async def told(self, event: Mapping[str, str]) -> str:
        """What a hook gets for an answer: `ok`, or why not."""
        try:
            match event.get("event"):
                case "client-connect":
                    await self._come(event)
                case "client-disconnect":
                    self._go(event)
                case other:
                    raise Trouble(f"not an event of OpenVPN: {str(other)[:40]!r}")
        except Trouble as problem:
            return self._refused(event, str(problem))
        except (KeyError, ValueError) as problem:
            return self._refused(event, f"not an event of OpenVPN: {problem}")
        return "ok"

    def at(self, address: str) -> Guest | None:
        return next((one for one in self._guests.values() if address in one.addresses), None)

    def over(self, now: float) -> Sequence[tuple[Guest, str]]:
        """Who has to go, and why."""
        found = []
        for guest in self._guests.values():
            if self._roster.revoked(guest.who.serial):
                found.append((guest, "your access was revoked"))
            elif now >= guest.who.not_after:
                found.append((guest, "your certificate has expired"))
        return found

    def lost(self, guest: Guest) -> None:
        """OpenVPN does not know *guest*, and told nobody that it went."""
        if self._guests.get(guest.addresses[0]) is guest:
            self._end(guest, None)

    def asked(self, address: str, name: str) -> str | None:
        return self._openings.asked(address, name)

    def open(self, address: str, service: str, instances: set[Place] | None) -> None:
        """What `asked` named was looked up."""
        self._openings.came_true(address, service, instances or set(), time.monotonic())
        self._wall.follow(self._openings.open())

    def services(self) -> Collection[str]:
        return self._openings.names()

    def look_up(self, names: Collection[str]) -> Mapping[str, set[Place] | None]:
        """Where services are now, None without an answer. Slow: for a thread; changes nothing."""
        if not names:
            return {}
        with ThreadPoolExecutor(min(len(names), _AT_ONCE)) as pool:
            return dict(zip(names, pool.map(self._look_up, names), strict=True))

    def follow(self, found: Mapping[str, set[Place] | None]) -> None:
        """Open what was found, and close what is gone."""
        now, wanted = time.monotonic(), self._openings.names()
        for name, instances in found.items():
            if instances is None:
                self._openings.unknown(name, now)
            elif name in wanted:
                self._openings.found(name, instances, now)
        self._wall.follow(self._openings.open())

    async def _come(self, event: Mapping[str, str]) -> None:
        who = self._roster.find(int(event["serial"]))
        if event["name"] != common_name(who.name, who.device):
            raise Trouble(f"certificate {who.serial} is for {who.id}, not for {event['name'][:80]!r}")
        if time.time() >= who.not_after:
            raise Trouble(f"certificate {who.serial} of {who.id} has expired: panteras access renew {who.id}")
        addresses = tuple(one for one in (event["address"], event["address6"]) if one)
        if not addresses:
            raise Trouble(f"{who.id}: no address is left in the pool")
        guest = Guest(who, event["transport"], _outside(event), event["connected"], addresses, time.time())
        self._wall.forget(addresses)
        self._openings.begin(addresses, who.services)
        try:
            self.follow(await asyncio.to_thread(self.look_up, self._openings.unseen(addresses[0])))
            self._audit({"event": "begin", **_shown(guest)})
        except BaseException:
            self._openings.end(addresses)
            with contextlib.suppress(Trouble):
                self._wall.follow(self._openings.open())
            raise
        self._guests[addresses[0]] = guest

    def _go(self, event: Mapping[str, str]) -> None:
        guest = self._guests.get(event["address"] or event["address6"])
        if guest is not None and guest.connected == event["connected"]:  # else refused, or has come again meanwhile
            self._end(guest, int(event["received"] or 0) + int(event["sent"] or 0))

    def _end(self, guest: Guest, passed: int | None) -> None:
        del self._guests[guest.addresses[0]]
        self._openings.end(guest.addresses)
        self._audit({"event": "end", **_shown(guest), "bytes": passed, "seconds": round(time.time() - guest.since, 3)})
        self._wall.follow(self._openings.open())
        self._wall.forget(guest.addresses)

    def _look_up(self, name: str) -> set[Place] | None:
        try:
            return self._find(name)
        except Unknown:
            return None

    def _refused(self, event: Mapping[str, str], why: str) -> str:
        self._audit({"event": "refused", "door": "vpn", "name": event.get("name"), "why": why})
        return f"refused: {why}"


def me(guest: Guest) -> str:
    """What the door says to a guest who asks who she is."""
    limit = ",".join(guest.who.services) or "all"
    return (
        f"identity={guest.who.name} device={guest.who.device} door=vpn until={instant(guest.who.not_after)} "
        f"services={limit}"
    )


def _shown(guest: Guest) -> Mapping[str, Any]:
    return {
        "identity": guest.who.name,
        "device": guest.who.device,
        "serial": guest.who.serial,
        "door": "vpn",
        "from": guest.outside,
        "address": guest.addresses[0],
        "since": instant(guest.since),
    }


def _outside(event: Mapping[str, str]) -> str:
    return event["from"] or event["from6"]
