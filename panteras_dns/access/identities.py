"""Identities: who may come in, with which devices, until when. What the commands do, without a command line."""

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from panteras_dns.access import names
from panteras_dns.access.door import Door, Ended, Ending, Terms, now
from panteras_dns.access.index import Entry, Index
from panteras_dns.access.report import day
from panteras_dns.access.ssh.publickey import PublicKey, public_key
from panteras_dns.access.trouble import Misuse, Trouble
from panteras_dns.access.vault import Vault

Who = tuple[str, str]  # name, device


@dataclass(frozen=True)
class Revocation:
    """What a revoke did: certificates that it shut out, what each door ended, and how long that took."""

    entries: Sequence[Entry]
    ended: Sequence[Ended]
    seconds: float

    @property
    def sessions(self) -> int:
        return sum(one.sessions for one in self.ended)

    @property
    def proved(self) -> bool:
        return all(one.proved for one in self.ended)


class Identities:
    """The identities of one state directory, and the *doors* that they may come in by."""

    def __init__(self, vault: Vault, doors: Sequence[Door]) -> None:
        vault.check()
        self._doors = {door.kind: door for door in doors}
        self._index = Index(vault.index)

    def grant(self, people: Sequence[Who], doors: Sequence[str], terms: Terms) -> Sequence[Entry]:
        """A certificate for each of *people* at each of *doors*: all of them, or none."""
        entries = []
        with self._index.writing():
            for name, device in people:
                for kind in doors:
                    self._refuse_taken(name, device, kind)
                    entry = self._doors[kind].issue(name, device, terms)
                    self._refuse_used(entry)
                    self._index.add([entry])
                    entries.append(entry)
        return entries

    def renew(self, name: str, device: str | None, days: int, services: Sequence[str] | None) -> Sequence[Entry]:
        """New certificates for the same keys; what was revoked stays so."""
        with self._index.writing():
            fresh = [
                self._doors[old.door].renew(old, Terms(days, _listed(old) if services is None else services))
                for old in latest(self._known(name, device))
                if not old.revoked
            ]
            if not fresh:
                raise Trouble(f"{_shown(name, device)}: revoked; what is revoked is not renewed: grant it anew")
            self._index.add(fresh)
        return fresh

    def revoke(self, name: str, device: str | None) -> Revocation:
        """Shut out every certificate and key at every door, end the live sessions, and look again."""
        began = time.monotonic()
        with self._index.writing():
            entries = self._known(name, device)
            self._index.revoke([entry.serial for entry in entries], now())
            theirs = {kind: [entry for entry in entries if entry.door == kind] for kind in self._doors}
            before = {}
            for kind, door in self._doors.items():
                before[kind] = self._live(kind, theirs[kind])
                door.shut(self._index)
        ended = []
        for kind, door in self._doors.items():
            done = door.end(theirs[kind])
            # A door that sees who is revoked may end a session before it is asked to: what is gone by now has ended.
            ended.append(replace(done, sessions=max(done.sessions, before[kind])) if done.proved else done)
        return Revocation(entries, ended, time.monotonic() - began)

    def _live(self, kind: str, entries: Sequence[Entry]) -> int:
        """How many sessions of *entries* there are at a door, as far as it tells."""
        who = {(entry.name, entry.device) for entry in entries}
        with contextlib.suppress(Trouble):
            found = self._doors[kind].sessions(entries) if entries else ()
            return sum((one.get("identity"), one.get("device")) in who for one in found)
        return 0

    def sessions(self) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Who is connected now, and a sentence for each door that does not tell."""
        found: list[Mapping[str, Any]] = []
        silent = []
        entries = self._index.all()
        for door in self._doors.values():
            try:
                found += door.sessions(entries)
            except Trouble as problem:
                silent.append(str(problem))
        return found, silent

    def shut(self) -> None:
        """Tell each door anew who is revoked, from the index."""
        for door in self._doors.values():
            door.shut(self._index)

    def renew_doors(self) -> Sequence[Ending]:
        """New certificates for the doors themselves: kits stay as they are."""
        for door in self._doors.values():
            door.renew_own()
        return self.own()

    def own(self) -> Sequence[Ending]:
        """What of the doors themselves will end."""
        return [one for door in self._doors.values() for one in door.own()]

    def all(self) -> Sequence[Entry]:
        return self._index.all()

    def device(self, name: str, device: str | None) -> Sequence[Entry]:
        """The last certificates of a device, one a door; *device* may be left out where there is one."""
        last = latest(self._known(name, device))
        if len({entry.device for entry in last}) > 1:
            devices = ", ".join(dict.fromkeys(entry.id for entry in last))
            raise Misuse(f"{name}: has several devices, expected one of {devices}")
        return last

    def _known(self, name: str, device: str | None) -> Sequence[Entry]:
        entries = self._index.of(name, device)
        if not entries:
            raise Trouble(f"{_shown(name, device)}: nobody here by that name; see: panteras access list")
        return entries

    def _refuse_taken(self, name: str, device: str, kind: str) -> None:
        for entry in self._index.of(name, device):
            if entry.door == kind and entry.state(now()) in {"valid", "waiting"}:
                raise Trouble(
                    f"{entry.id}: has a certificate for the door {kind} until {day(entry.not_after)}; renew it, "
                    f"revoke it, or name another --device"
                )

    def _refuse_used(self, fresh: Entry) -> None:
        for entry in self._index.with_key(fresh.digest):
            why = "was revoked with" if entry.revoked else "belongs to"
            raise Trouble(
                f"{fresh.fingerprint}: this key {why} {entry.id}; a key is for one device, and never comes back"
            )


def create_index(vault: Vault) -> None:
    """An empty index, the last thing that comes into a new state directory: without it, `init` may run again."""
    fresh = vault.index.with_name(".index.db.new")
    fresh.unlink(missing_ok=True)
    Index(fresh, create=True)
    fresh.rename(vault.index)
    vault.unfinished.unlink(missing_ok=True)


def latest(entries: Iterable[Entry]) -> Sequence[Entry]:
    """The last certificate of each device at each door."""
    return list({(entry.id, entry.door): entry for entry in entries}.values())


def read_public_key(path: Path) -> PublicKey:
    try:
        return public_key(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise Misuse(f"{path}: {getattr(problem, 'strerror', None) or 'not a public key'}") from None


def _listed(entry: Entry) -> tuple[str, ...]:
    return names.services(entry.services)


def _shown(name: str, device: str | None) -> str:
    return name if device is None else f"{name}/{device}"
