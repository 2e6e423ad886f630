"""What the commands print: tables for people, JSON for programs. Times are UTC."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from panteras_dns.access.index import Entry

_DAY = 86_400


def now() -> float:
    return time.time()


def day(moment: float) -> str:
    """A date as people write it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def _moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _object(entry: Entry, moment: float) -> Mapping[str, Any]:
    return {
        "name": entry.name,
        "device": entry.device,
        "serial": entry.serial,
        "state": entry.state(moment),
        "fingerprint": entry.fingerprint,
        "services": entry.services.split(",") if entry.services else None,
        "issued": _moment(entry.issued),
        "not_before": _moment(entry.not_before),
        "not_after": _moment(entry.not_after),
        "revoked": _moment(entry.revoked) if entry.revoked else None,
    }


def as_json(entries: Iterable[Entry]) -> str:
    """A list of certificates."""
    moment = now()
    return json.dumps([_object(entry, moment) for entry in entries])


def granted(entry: Entry) -> str:
    reach = entry.services or "all services"
    return (
        f"{entry.id}: certificate {entry.serial}, good until {day(entry.not_after)}, for {reach}\n"
        f"next: panteras access kit {entry.id} --gateway HOST[:PORT]"
    )


def table(entries: Sequence[Entry], whole: bool) -> str:
    """The certificates that count now; all of them if *whole*."""
    moment = now()
    last = {entry.id: entry.serial for entry in entries}
    shown = [
        entry
        for entry in entries
        if whole or (entry.serial == last[entry.id] and entry.state(moment) in {"valid", "waiting"})
    ]
    rows = [("NAME", "DEVICE", "SERIAL", "STATE", "UNTIL", "SERVICES")]
    for entry in shown:
        until = day(entry.not_after)
        rows.append((entry.name, entry.device, str(entry.serial), entry.state(moment), until, entry.services or "all"))
    rest = len({entry.id for entry in entries}) - len({entry.id for entry in shown})
    more = f"; {rest} more expired or revoked: --all" if rest else ""
    return f"{_columns(rows)}\n{len(shown)} certificate{'' if len(shown) == 1 else 's'}{more}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def revocation(who: str, done: Any) -> str:
    count = len(done.entries)
    shut = f"{who}: {count} certificate{'' if count == 1 else 's'} revoked"
    if not done.proved:
        return f"{shut}, but a session still lives after {done.seconds:.2f} s: stop the container of the door"
    ended = {0: "no session was live", 1: "1 session ended"}.get(done.ended, f"{done.ended} sessions ended")
    return f"{shut}, {ended}; looked again: none is live, {done.seconds:.2f} s"


def revocation_as_json(done: Any) -> str:
    serials = [entry.serial for entry in done.entries]
    return json.dumps(
        {"serials": serials, "sessions_ended": done.ended, "proved": done.proved, "seconds": round(done.seconds, 3)}
    )


def ending(entries: Iterable[Entry], door: int, warn: int) -> Sequence[Mapping[str, Any]]:
    """What ends within *warn* days or has ended, soonest first; what was revoked is nobody's worry."""
    limit = now() + warn * _DAY
    last = {entry.id: entry for entry in entries}.values()
    found = [(e.not_after, e.id, f"panteras access renew {e.id}") for e in last if not e.revoked]
    found.append((door, "the door's host certificate", "panteras access renew gateway:"))
    return [
        {"what": what, "not_after": _moment(end), "days": int((end - now()) // _DAY), "renew": command}
        for end, what, command in sorted(found)
        if end < limit
    ]


def ending_as_json(found: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(found)


def ending_as_text(found: Sequence[Mapping[str, Any]], warn: int) -> str:
    if not found:
        return f"ok: nothing ends within {warn} days"
    rows = [("WHAT", "UNTIL", "DAYS", "RENEW")]
    rows += [(one["what"], one["not_after"][:10], str(one["days"]), one["renew"]) for one in found]
    return f"{_columns(rows)}\n{len(found)} end{'s' if len(found) == 1 else ''} within {warn} days"


def sessions(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [("IDENTITY", "DEVICE", "DOOR", "FROM", "SINCE")]
    rows += [
        tuple(str(one.get(key, "-")) for key in ("identity", "device", "door", "from", "since"))  # type: ignore[misc]
        for one in found
    ]
    return f"{_columns(rows)}\n{len(found)} session{'' if len(found) == 1 else 's'}"


def sessions_as_json(found: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(list(found))


def step(tried: Any) -> str:
    """One step of a check."""
    shown = f"{tried.what:9} {'ok  ' if tried.ok else 'FAIL'}  {tried.detail}"
    return f"{shown}\nfix:  {tried.remedy}" if tried.remedy else shown


def steps_as_json(tried: Sequence[Any]) -> str:
    return json.dumps([{"what": s.what, "ok": s.ok, "detail": s.detail, "remedy": s.remedy or None} for s in tried])
