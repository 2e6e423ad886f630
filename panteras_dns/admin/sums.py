"""What all workers counted together, and what came of it over the last minutes. Pure.

A worker that was replaced counts from zero: what was counted before stays counted.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from panteras_dns.metrics import DOWN, Sample

WINDOW = 900.0  # seconds that charts and lists of failures look back
STEP = 10.0  # seconds between two points of a chart
MOST_FAILURES, MOST_ROWS = 2000, 500

_GAUGES = (DOWN, "panteras_cache_entries")


@dataclass
class _Worker:
    told: dict[str, Any] = field(default_factory=dict)
    counted: Counter[Sample] = field(default_factory=Counter)
    heard: float = 0.0  # when, seconds since the epoch


class Sums:
    """*count* workers. Rows carry a `number`: a reader asks for those after the last one that it has seen."""

    def __init__(self, count: int) -> None:
        self.workers = [_Worker() for _ in range(count)]
        self.total: Counter[Sample] = Counter()
        self.points: deque[tuple[float, Counter[Sample]]] = deque(maxlen=int(WINDOW / STEP) + 1)
        self.failures: deque[dict[str, Any]] = deque(maxlen=MOST_FAILURES)
        self.queries: deque[dict[str, Any]] = deque(maxlen=MOST_ROWS)
        self._number = 0

    def question(self, index: int, named: bool = False) -> Mapping[str, Any]:
        """What to ask that worker: only for what is new; *named*: also for names and clients."""
        told = self.workers[index].told
        return {"failures": told.get("failed", 0), "queries": told.get("latest", 0.0), "named": named}

    def take(self, index: int, told: dict[str, Any], now: float) -> None:
        """A worker has answered; *now* in seconds since the epoch."""
        worker = self.workers[index]
        same = worker.told.get("pid") == told["pid"]
        if same and told["failed"] <= worker.told.get("failed", 0):
            told["failures"] = []
        counted = Counter({(name, tuple(labels.items())): number for name, labels, number in told["counters"]})
        for sample, number in counted.items():
            if sample[0] not in _GAUGES:
                before = worker.counted[sample] if same else 0
                self.total[sample] += number - before if number >= before else number
        for row in told["failures"]:
            self.failures.append(self._numbered(row))
        for row in told["queries"]:
            self.queries.append(self._numbered(row))
        for key in ("names", "clients"):
            told.setdefault(key, worker.told.get(key, []) if same else [])
        worker.told, worker.counted, worker.heard = told, counted, now
        if not self.points and now - told["begun"] < WINDOW:
            self.points.append((told["begun"], Counter()))  # all it has counted falls into the window
        if not self.points or now - self.points[-1][0] >= STEP:
            self.points.append((now, self.total.copy()))

    def _numbered(self, row: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        return {**row, "number": self._number}

    def samples(self) -> Counter[Sample]:
        """Counters and gauges of all workers."""
        found = self.total.copy()
        for worker in self.workers:
            for sample, number in worker.counted.items():
                if sample[0] == DOWN:
                    found[sample] = max(found[sample], number)
                elif sample[0] in _GAUGES:
                    found[sample] += number
        return found

    def upstreams(self) -> dict[str, dict[str, Any]]:
        """Server -> its numbers added up, and the worst that a worker says of it."""
        found: dict[str, dict[str, Any]] = {}
        for one in (one for worker in self.workers for one in worker.told.get("upstreams", ())):
            known = found.setdefault(one["server"], {**one, "buckets": [], "waited": 0.0, "lost": 0})
            known["buckets"] = _added(known["buckets"], one["buckets"])
            known["waited"] += one["waited"]
            known["lost"] += one["lost"]
            if known["usable"] and not one["usable"]:
                known.update(usable=False, reason=one["reason"], since=one["since"])
        return found

    def rates(self, name: str, label: str = "") -> dict[str, list[tuple[float, float]]]:
        """Value of *label* ("" without one) -> (time, number a second) over the window, of that counter."""
        found: dict[str, list[tuple[float, float]]] = {}
        for (before, old), (at, new) in pairwise(self.points):
            sums: Counter[str] = Counter()
            for sample, number in new.items():
                if sample[0] == name:
                    sums[dict(sample[1]).get(label, "")] += number - old[sample]
            for value, number in sums.items():
                found.setdefault(value, []).append((at, number / (at - before)))
        return found

    def counted(self, name: str, **labels: str) -> int:
        """A counter's sum over the labels that are not given."""
        wanted = labels.items()
        return sum(
            number for sample, number in self.total.items() if sample[0] == name and wanted <= dict(sample[1]).items()
        )

    def most(self, key: str) -> list[tuple[str, int]]:
        """The most frequent `names` or `clients` of all workers."""
        found: Counter[str] = Counter()
        for worker in self.workers:
            for value, number in worker.told.get(key, ()):
                found[value] += number
        return found.most_common(20)

    def failed_since(self, at: float) -> Iterator[dict[str, Any]]:
        return (row for row in self.failures if row["at"] >= at)


def _added(one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
    sums: Counter[float] = Counter()
    for bound, number in (*one, *other):
        sums[bound] += number  # type: ignore[assignment]
    return [[bound, number] for bound, number in sorted(sums.items())]


def percentile(buckets: list[list[float]], share: float) -> float | None:
    """Seconds below which that *share* of the answers came, from a count for each bound; None without any."""
    whole = sum(number for _, number in buckets)
    reached = 0.0
    for bound, number in buckets:
        reached += number
        if reached >= share * whole:
            return bound
    return None
