"""What this host's Consul agent has of ours, and the fewest calls that make it what it should be.

Whatever does not carry our mark is not ours: it is never changed and never removed. Checks that we did not make stay,
among them the one that is an operator's maintenance.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from panteras_dns.box.service import OWNER, Service, same
from panteras_dns.consul import Consul, Refused

LESS = (("check",), ("meta",), ("check", "meta"))  # what is left out, in this order, where the agent refuses all
_TOO_BUSY = {429, 503}  # later, not never


class Book:
    """The services that *host* registered. Callers take turns: one call at a time."""

    def __init__(self, consul: Consul, host: str) -> None:
        self._consul = consul
        self._host = host
        self._of: dict[str, dict[str, Service]] = {}  # by container, by id: what is registered
        self._foreign: set[str] = set()
        self._reduced: dict[str, tuple[Service, Service | None]] = {}  # what was refused whole, and what went instead
        self.changes: list[str] = []  # for the log, whoever reads them clears them
        self.complaints: list[str] = []

    def forget(self) -> None:
        """The agent is another now, and may take what the old one refused."""
        self._reduced.clear()

    async def write(self, container: str, services: Sequence[Service]) -> None:
        """Make the services of one container what they should be, from what was written before."""
        before = self._of.get(container, {})
        if any(self._is_chosen(one.id) and one.id not in before for one in services):
            there = await self._consul.services()
            self._foreign = {key for key, other in there.items() if not self._is_ours(other)}
        others = {key for other, some in self._of.items() if other != container for key in some}
        wanted = {one.id: one for one in services if self._may_write(one.id) and not self._is_taken(one, others)}
        for known in [one for one in before.values() if one.id not in wanted]:
            await self._remove(known.id, f"{known.name} at {known.address}:{known.port}")
            del before[known.id]
        self._of[container] = before
        for one in wanted.values():
            written = before.get(one.id)
            if written is None or replace(written, health=one.health) != one:
                await self._register(one)
            elif written.state != one.state:
                await self._consul.tell(one.check_id, one.state, one.health)
                self.changes.append(f"{one.name} at {one.address}:{one.port} is {one.health}, {one.id}")
            before[one.id] = one
        if not before:
            del self._of[container]

    async def compare(self, wanted: Mapping[str, Sequence[Service]]) -> None:
        """Make everything what it should be, from what the agent says."""
        known = await self._consul.services()
        checks = await self._consul.checks()
        self._foreign = {key for key, one in known.items() if not self._is_ours(one)}
        self._reduced = {key: value for key, value in self._reduced.items() if key in known}
        whole: dict[str, dict[str, Service]] = {}
        taken: set[str] = set()
        # Who has an id keeps it: of two that want one the container that was first.
        for container in sorted(wanted, key=lambda one: one not in self._of):
            some = [one for one in wanted[container] if self._may_write(one.id) and not self._is_taken(one, taken)]
            whole[container] = {one.id: one for one in some}
            taken.update(whole[container])
        every = {key: one for some in whole.values() for key, one in some.items()}
        for key, one in known.items():
            if key not in self._foreign and key not in every:
                await self._remove(key, f"{one['Service']} at {one.get('Address')}:{one.get('Port')}, left behind")
        for one in every.values():
            await self._settle(one, known.get(one.id), checks.get(one.check_id))
        self._of = {container: some for container, some in whole.items() if some}

    async def clear(self) -> int:
        """Remove all that carries our mark; how many there were."""
        ours = {key: one for key, one in (await self._consul.services()).items() if self._is_ours(one)}
        for key, one in ours.items():
            await self._remove(key, f"{one['Service']} at {one.get('Address')}:{one.get('Port')}")
        return len(ours)

    async def _settle(self, one: Service, known: Mapping[str, Any] | None, check: Mapping[str, Any] | None) -> None:
        went = self._went(one)
        if went is None:
            return
        definition = went.definition(self._host)
        if known is None or not same(known, definition) or (check is None and "Check" in definition):
            await self._register(one)
            went = self._went(one) or one
        elif check is not None and "Check" not in definition:
            await self._consul.deregister_check(one.check_id)
        if went.state and (check is None or check.get("Status") != went.state):
            await self._consul.tell(went.check_id, went.state, went.health)

    def _went(self, one: Service) -> Service | None:
        """What the agent takes of it: all, or less; None for nothing."""
        asked, went = self._reduced.get(one.id, (one, one))
        return went if asked == one else one

    async def _register(self, one: Service) -> None:
        """Whole, or else without what the agent refuses: a name without its check is worth more than none."""
        reasons: list[str] = []
        for parts in ((), *LESS):
            went = one.without(*parts)
            if parts and went == one:
                continue
            try:
                await self._consul.register(went.definition(self._host))
            except Refused as problem:
                if problem.status in _TOO_BUSY:
                    raise
                reasons.append(str(problem))
                continue
            if parts:
                self.complaints.append(f"{one.id}: registered without its {' and '.join(parts)}: {reasons[0]}")
                self._reduced[one.id] = one, went
            self.changes.append(f"registered {one.name} at {one.address}:{one.port}, {one.id}")
            return
        self.complaints.append(f"{one.id}: not registered: {reasons[0]}")
        self._reduced[one.id] = one, None

    async def _remove(self, key: str, what: str) -> None:
        await self._consul.deregister(key)
        self.changes.append(f"deregistered {what}, {key}")

    def _is_chosen(self, key: str) -> bool:
        """Whether an id is not of our own form: the container's SERVICE_ID."""
        return not key.startswith(f"{self._host}:")

    def _is_ours(self, known: Mapping[str, Any]) -> bool:
        return (known.get("Meta") or {}).get(OWNER) == self._host

    def _is_taken(self, one: Service, taken: Collection[str]) -> bool:
        if one.id in taken:
            self.complaints.append(f"{one.name}: SERVICE_ID {one.id!r}: another container has it: not registered")
            return True
        return False

    def _may_write(self, key: str) -> bool:
        """An id of our own form is adopted; one that a container chose must not be somebody else's."""
        if key in self._foreign and self._is_chosen(key):
            self.complaints.append(f"SERVICE_ID {key!r}: somebody else's service in this agent: not registered")
            return False
        return True
