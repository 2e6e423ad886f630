"""`panteras registrator`: the parts put together, to run, to look, or to take back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred

from panteras_dns.box.book import LESS, Book
from panteras_dns.box.container import Rules, name, network_owner, services
from panteras_dns.box.daemon import run
from panteras_dns.box.engine import Engine
from panteras_dns.box.registrator import Registrator
from panteras_dns.box.service import OWNER, Service, same
from panteras_dns.consul import Consul
from panteras_dns.once import now

_RIGHT = {"registered", "without what Consul refuses"}


@dataclass(frozen=True, slots=True)
class Row:
    container: str
    service: Service
    state: str  # one of _RIGHT, differs, missing


@dataclass(frozen=True, slots=True)
class Found:
    """What this host should have in Consul, beside what it has."""

    rows: list[Row]
    left_behind: list[str]
    warnings: list[str]

    @property
    def right(self) -> bool:
        return not self.left_behind and all(row.state in _RIGHT for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        def shown(row: Row) -> dict[str, Any]:
            return {"container": row.container, **asdict(row.service), "state": row.state}

        return {
            "services": list(map(shown, self.rows)),
            "left_behind": self.left_behind,
            "warnings": self.warnings,
            "right": self.right,
        }

    def as_text(self) -> str:
        table = [("CONTAINER", "SERVICE", "PLACE", "TAGS", "CONSUL")]
        for row in self.rows:
            one = row.service
            place = f"[{one.address}]:{one.port}" if ":" in one.address else f"{one.address}:{one.port}"
            table.append((row.container, one.name, place, ",".join(one.tags) or "-", row.state))
        widths = [max(len(line[at]) for line in table) for at in range(5)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        lines += [f"left behind: {key}" for key in self.left_behind]
        lines += [f"warning: {line}" for line in self.warnings]
        count = sum(row.state in _RIGHT for row in self.rows)
        lines.append(f"{count} of {len(self.rows)} registered{', all is as it should be' if self.right else ''}")
        return "\n".join(lines)


class Registering:
    def __init__(self, reactor: Any, options: Mapping[str, Any]) -> None:
        self._reactor = reactor
        self._engine = Engine(reactor, options["docker"])
        self._consul = Consul(reactor, options["consul"], options["token"])
        tags = tuple(tag for tag in options["tags"].split(",") if tag)
        self._rules = Rules(options["host"], "", options["ip"] or "", options["internal"], options["explicit"], tags)

    def run(self, log_format: str, log_level: str) -> int:
        return run(self._reactor, _Part(self), log_format, log_level)

    def registrator(self) -> Registrator:
        return Registrator(self._reactor, self._engine, self._consul, self._rules)

    def clear(self) -> int:
        return now(self._reactor, Book(self._consul, self._rules.host).clear())  # type: ignore[no-any-return]

    def look(self) -> Found:
        return now(self._reactor, self._look())  # type: ignore[no-any-return]

    async def _look(self) -> Found:
        rules = replace(self._rules, node=await self._consul.address())
        known = await self._consul.services()
        rows: list[Row] = []
        warnings: list[str] = []
        for short in await self._engine.running():
            inspected = await self._engine.inspect(str(short["Id"]))
            if inspected is None or (inspected.get("State") or {}).get("Paused"):
                continue
            owner = await self._engine.inspect(other) if (other := network_owner(inspected)) else None
            found, wrong = services(inspected, rules, owner)
            warnings += [f"{name(inspected)}: {line}" for line in wrong]
            rows += [Row(name(inspected), one, _state(known.get(one.id), one, rules.host)) for one in found]
        wanted = {row.service.id for row in rows}
        ours = {key for key, one in known.items() if (one.get("Meta") or {}).get(OWNER) == rules.host}
        return Found(sorted(rows, key=lambda row: (row.service.name, row.service.id)), sorted(ours - wanted), warnings)


class _Part:
    def __init__(self, registering: Registering) -> None:
        self._registrator = registering.registrator()

    def start(self) -> "Deferred[str]":
        return self._registrator.start().addCallback(
            lambda count: f"{count} services of this host's containers are registered"
        )

    @property
    def failed(self) -> bool:
        return self._registrator.failed

    def stop(self) -> None:
        self._registrator.stop()


def _state(known: Mapping[str, Any] | None, one: Service, host: str) -> str:
    if known is None:
        return "missing"
    if same(known, one.definition(host)):
        return "registered"
    reduced = any(same(known, one.without(*parts).definition(host)) for parts in LESS)
    return "without what Consul refuses" if reduced else "differs"
