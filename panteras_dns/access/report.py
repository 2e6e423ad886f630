"""What the commands print: tables for people, JSON for programs. Times are UTC."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from panteras_dns.access.door import Ending
from panteras_dns.access.index import Entry

if TYPE_CHECKING:
    from panteras_dns.access.identities import Revocation

_DAY = 86_400


def now() -> float:
    return time.time()


def day(moment: float) -> str:
    """A date as people write it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def instant(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _object(entry: Entry, moment: float) -> Mapping[str, Any]:
    return {
        "name": entry.name,
        "device": entry.device,
        "door": entry.door,
        "serial": entry.serial,
        "state": entry.state(moment),
        "fingerprint": entry.fingerprint,
        "services": entry.services.split(",") if entry.services else None,
        "issued": instant(entry.issued),
        "not_before": instant(entry.not_before),
        "not_after": instant(entry.not_after),
        "revoked": instant(entry.revoked) if entry.revoked else None,
    }


def as_json(entries: Iterable[Entry]) -> str:
    """A list of certificates."""
    moment = now()
    return json.dumps([_object(entry, moment) for entry in entries])


def granted(entries: Sequence[Entry]) -> str:
    lines = [
        f"{entry.id}: certificate {entry.serial} for the door {entry.door}, good until {day(entry.not_after)}, "
        f"for {entry.services or 'all services'}"
        for entry in entries
    ]
    return "\n".join([*lines, f"next: panteras access kit {entries[-1].id} --gateway HOST[:PORT]"])


def own(found: Iterable[Ending]) -> str:
    """What was renewed of the doors themselves."""
    lines = [f"{one.what} is good until {day(one.not_after)}" for one in found]
    return "\n".join([*lines, "restart the doors"])


def table(entries: Sequence[Entry], whole: bool) -> str:
    """The certificates that count now; all of them if *whole*."""
    moment = now()
    last = {(entry.id, entry.door): entry.serial for entry in entries}
    shown = [
        entry
        for entry in entries
        if whole or (entry.serial == last[entry.id, entry.door] and entry.state(moment) in {"valid", "waiting"})
    ]
    rows = [("NAME", "DEVICE", "DOOR", "SERIAL", "STATE", "UNTIL", "SERVICES")]
    for entry in shown:
        state, until = entry.state(moment), day(entry.not_after)
        rows.append((entry.name, entry.device, entry.door, str(entry.serial), state, until, entry.services or "all"))
    rest = len(last) - len({(entry.id, entry.door) for entry in shown})
    more = f"; {rest} more expired or revoked: --all" if rest else ""
    return f"{_columns(rows)}\n{len(shown)} certificate{'' if len(shown) == 1 else 's'}{more}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def revocation(who: str, done: "Revocation") -> str:
    count = len(done.entries)
    shut = f"{who}: {count} certificate{'' if count == 1 else 's'} revoked"
    if not done.proved:
        return f"{shut}, but {'; '.join(one.why for one in done.ended if one.why)}"
    ended = {0: "no session was live", 1: "1 session ended"}.get(done.sessions, f"{done.sessions} sessions ended")
    return f"{shut}, {ended}; looked again: none is live, {done.seconds:.2f} s"


def revocation_as_json(done: "Revocation") -> str:
    told = {
        "serials": [entry.serial for entry in done.entries],
        "sessions_ended": done.sessions,
        "proved": done.proved,
        "why": [one.why for one in done.ended if one.why],
        "seconds": round(done.seconds, 3),
    }
    return json.dumps(told)


def ending(entries: Iterable[Entry], warn: int, own: Iterable[Ending], warn_own: int) -> Sequence[Mapping[str, Any]]:
    """What ends within *warn* days, of the doors' own within *warn_own*, or has ended; soonest first. What was revoked
    is nobody's worry."""
    moment = now()
    last = {(entry.id, entry.door): entry for entry in entries}.values()
    found = [(e.not_after, f"{e.id} ({e.door})", f"panteras access renew {e.id}", warn) for e in last if not e.revoked]
    found += [(one.not_after, one.what, one.renew, warn_own) for one in own]
    return [
        {"what": what, "not_after": instant(end), "days": int((end - moment) // _DAY), "renew": command}
        for end, what, command, days in sorted(found)
        if end < moment + days * _DAY
    ]


def ending_as_json(found: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(found)


def ending_as_text(found: Sequence[Mapping[str, Any]], warn: int) -> str:
    if not found:
        return f"ok: nothing ends within {warn} days"
    rows = [("WHAT", "UNTIL", "DAYS", "RENEW")]
    rows += [(one["what"], one["not_after"][:10], str(one["days"]), one["renew"]) for one in found]
    return f"{_columns(rows)}\n{len(found)} end{'s' if len(found) == 1 else ''} soon"


def sessions(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [("IDENTITY", "DEVICE", "DOOR", "FROM", "ADDRESS", "SINCE", "BYTES")]
    keys = ("identity", "device", "door", "from", "address", "since", "bytes")
    rows += [tuple(str(one.get(key, "-")) for key in keys) for one in found]  # type: ignore[misc]
    return f"{_columns(rows)}\n{len(found)} session{'' if len(found) == 1 else 's'}"


def sessions_as_json(found: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(list(found))


def step(tried: Any) -> str:
    """One step of a check."""
    shown = f"{tried.what:9} {'ok  ' if tried.ok else 'FAIL'}  {tried.detail}"
    return f"{shown}\nfix:  {tried.remedy}" if tried.remedy else shown


def steps_as_json(tried: Sequence[Any]) -> str:
    return json.dumps([{"what": s.what, "ok": s.ok, "detail": s.detail, "remedy": s.remedy or None} for s in tried])
