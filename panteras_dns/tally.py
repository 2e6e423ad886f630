"""What was asked, and what came of it from cache, counted off plans when somebody wants to know. Pure.

Nothing is counted on the way of a query but its plan's `asked`: the rest follows from it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

# Clients may ask for 65,536 types: those that nobody uses are one (0), or each would have a counter for ever.
_USUAL = frozenset((1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 43, 46, 48, 52, 64, 65, 255, 257))


class Tally:
    """`queries`: (fate, type) -> how many; `cached`: (fate, rcode) -> those of them that the cache answered so."""

    def __init__(self, before: "Tally | None" = None) -> None:
        self.queries: Counter[tuple[str, int]] = Counter(before.queries if before else ())
        self.cached: Counter[tuple[str, int]] = Counter(before.cached if before else ())

    def add(self, plans: Iterable[Any]) -> "Tally":
        """Count what was asked by these plans."""
        for plan in plans:
            kind = plan.query.type if plan.query else 0
            self.queries[plan.fate, kind if kind in _USUAL else 0] += plan.asked
            for rcode, number in plan.from_cache().items():
                self.cached[plan.fate, rcode] += number
        return self
