"""What the dashboard, `/status` and `panteras top` show: one value made of what is known, worst first. Pure.

`VERSION` is that of the shape: fields are added, none changes its meaning. Times are seconds since
the epoch, None is unknown.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from panteras_dns.admin.sums import STEP, WINDOW, Sums, percentile

VERSION = 1
SILENT = 15.0  # seconds without a word until a worker counts as not answering: it is asked every ten
_FEW, _SHARE = 5, 0.001  # failures below these are no problem: nobody loses a night over them
_MOST_CAUSES, _MOST_SERVICES = 50, 200
_CODE = re.compile(r"PAN\d{3}")
# Names that Consul has nothing under, and clients that may not ask: their own doing, as far as the gateway can tell.
_THEIRS = frozenset(
    ("PAN103", "PAN104", "PAN200", "PAN202", "PAN203", "PAN205", "PAN206", "PAN207", "PAN208", "PAN209", "")
)


@dataclass
class Known:
    """*value*, or the *problem* why it is not known."""

    value: list[dict[str, Any]] | None = None
    problem: str = "not asked yet"


@dataclass
class Around:
    """What is not the workers'."""

    host: str = ""
    version: str = ""
    begun: float = 0.0
    services: Known = field(default_factory=Known)
    people: Known = field(default_factory=Known)
    ending: Known = field(default_factory=Known)


def status(sums: Sums, around: Around, now: float) -> dict[str, Any]:
    asked = _queries(sums)
    failed = _failed(sums, now, asked["in_window"])
    path = [_server(one) for one in sums.upstreams().values()]
    workers = [_worker(index, one, now) for index, one in enumerate(sums.workers)]
    services = _services(around.services)
    return {
        "version": VERSION,
        "at": now,
        "gateway": {"host": around.host, "version": around.version, "since": around.begun, "workers": workers},
        "verdict": _verdict(workers, path, failed, services, asked),
        "queries": asked,
        "failed": failed,
        "path": sorted(path, key=lambda one: (one["usable"], one["server"])),
        "cache": _cache(sums),
        "services": services,
        "people": _told(around.people),
        "ending": _told(around.ending),
        "names": [{"name": name, "queries": number} for name, number in sums.most("names")],
        "clients": [{"client": client, "sampled": number} for client, number in sums.most("clients")],
    }


def _queries(sums: Sums) -> dict[str, Any]:
    routes = sums.rates("panteras_queries_total", "route")
    whole: Counter[float] = Counter()
    for points in routes.values():
        for at, rate in points:
            whole[at] += rate  # type: ignore[assignment]
    history = [[at, round(rate, 2)] for at, rate in sorted(whole.items())]
    asked = {route: sums.counted("panteras_queries_total", route=route) for route in routes}
    by_route = [
        {
            "route": route,
            "total": asked[route],
            "per_second": round(points[-1][1], 2),
            "history": [[at, round(rate, 2)] for at, rate in points],
        }
        for route, points in sorted(routes.items(), key=lambda one: -asked[one[0]])
    ]
    return {
        "total": sums.counted("panteras_queries_total"),
        "per_second": history[-1][1] if history else None,
        "in_window": _in_window(sums),
        "window": WINDOW,
        "step": STEP,
        "history": history,
        "by_route": by_route,
    }


def _in_window(sums: Sums) -> int:
    if not sums.points:
        return 0
    old = sums.points[0][1]
    return sum(number - old[one] for one, number in sums.total.items() if one[0] == "panteras_queries_total")


def code_of(row: Mapping[str, Any]) -> str:
    """The code of a failure's reason; "" without one."""
    found = _CODE.match(row["reason"])
    return found[0] if found else ""


def _ours(row: Mapping[str, Any]) -> bool:
    return row["rcode"] != "FORMERR" and (code_of(row) not in _THEIRS or row["rcode"] == "SERVFAIL")


def _failed(sums: Sums, now: float, of: int) -> dict[str, Any]:
    """Failures of the window by cause, the most frequent first; names that do not exist are counted apart."""
    causes: dict[tuple[str, str], dict[str, Any]] = {}
    theirs = 0
    for row in sums.failed_since(now - WINDOW):
        if not _ours(row):
            theirs += 1
            continue
        key = code_of(row) or row["rcode"], row["name"]
        known = causes.setdefault(key, {"code": key[0], "name": row["name"], "count": 0, "first": row["at"]})
        known.update(count=known["count"] + 1, last=row["at"], text=row["reason"] or row["rcode"], type=row["type"])
    count = sum(one["count"] for one in causes.values())
    found = sorted(causes.values(), key=lambda one: -one["count"])
    history = sums.rates("panteras_failures_total").get("", [])
    return {
        "count": count,
        "of": max(of, count),
        "no_such_name": theirs,
        "causes": found[:_MOST_CAUSES],
        "history": [[at, round(rate, 2)] for at, rate in history],
    }


def _server(one: Mapping[str, Any]) -> dict[str, Any]:
    p95 = percentile(one["buckets"], 0.95)
    return {
        "server": one["server"],
        "usable": one["usable"],
        "reason": one["reason"],
        "since": one["since"],
        "answers": sum(number for _, number in one["buckets"]),
        "lost": one["lost"],
        "p95": p95,
    }


def _worker(index: int, worker: Any, now: float) -> dict[str, Any]:
    heard = worker.heard or None
    answers = heard is not None and now - heard < SILENT
    return {"index": index, "pid": worker.told.get("pid"), "heard": heard, "answers": answers}


def _cache(sums: Sums) -> dict[str, Any]:
    hits, misses = (sums.counted(f"panteras_cache_{what}_total") for what in ("hits", "misses"))
    entries = sum(number for (name, _), number in sums.samples().items() if name == "panteras_cache_entries")
    share = round(hits / (hits + misses), 3) if hits + misses else None
    return {"entries": entries, "hits": hits, "misses": misses, "hit_share": share}


def _services(known: Known) -> dict[str, Any]:
    if known.value is None:
        return {"known": None, "down": None, "problem": known.problem, "list": []}
    worst = sorted(known.value, key=lambda one: (not _is_down(one), one["passing"] == one["instances"], one["name"]))
    down = sum(map(_is_down, worst))
    return {"known": len(worst), "down": down, "problem": "", "list": worst[:_MOST_SERVICES]}


def _is_down(service: Mapping[str, Any]) -> bool:
    """Without checks nothing is known of it."""
    return bool(service["instances"]) and not service["passing"]


def _told(known: Known) -> dict[str, Any]:
    return {"problem": known.problem, "list": (known.value or [])[:_MOST_SERVICES]}


def _verdict(
    workers: Iterable[Mapping[str, Any]],
    path: Iterable[Mapping[str, Any]],
    failed: Mapping[str, Any],
    services: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """One sentence: the worst that is known, and how much else there is."""
    problems: list[tuple[str, str, float | None]] = [
        ("", f"worker {one['index']} does not answer the admin", one["heard"])
        for one in workers
        if not one["answers"] and one["heard"] is not None
    ]
    problems += [
        ("", f"{one['server']} {one['reason'] or 'is down'}", one["since"]) for one in path if not one["usable"]
    ]
    if failed["count"] >= _FEW and failed["count"] > _SHARE * failed["of"]:
        for one in islice(failed["causes"], 3):
            text = one["text"].removeprefix(one["code"]).strip()
            problems.append((one["code"], f"{one['name']} {text} ({one['count']} failed)", one["first"]))
    named = {one["name"].partition(".")[0] for one in failed["causes"]} if problems else set()
    for one in services["list"]:
        if _is_down(one) and one["name"] not in named:
            problems.append(("PAN201", f"{one['name']} has no passing instance", None))
    if not problems:
        text = f"all is well: {asked['total']} queries, none of the last {WINDOW / 60:.0f} minutes failed"
        if failed["count"]:
            text = (
                f"all is well: {failed['count']} of {failed['of']} queries failed in the last {WINDOW / 60:.0f} minutes"
            )
        return {"state": "ok", "code": "", "text": text, "since": None, "problems": 0, "others": []}
    code, text, since = problems[0]
    return {
        "state": "FAIL",
        "code": code,
        "text": text,
        "since": since,
        "problems": len(problems),
        "others": [f"{other} {what}".strip() for other, what, _ in problems[1:6]],
    }
