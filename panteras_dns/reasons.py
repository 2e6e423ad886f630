"""Why names of Consul's fail, as far as it is known. Told with the answer; found out afterwards, by others."""

from collections.abc import Callable
from typing import Any

MOST = 1000  # names; the oldest give way
OLD = 12  # rounds of `age` that a reason is told without being found out anew, or kept without being asked for


class _Known:
    """A reason, and how many rounds ago it was told and asked for."""

    __slots__ = ("asked", "text", "told")

    def __init__(self, text: str) -> None:
        self.text = text
        self.told = self.asked = 0


class Reasons:
    """`why` is on the way of an answer: it looks into a dict, and notes what is not in it as *wanted*, if somebody
    listens."""

    def __init__(self, most: int = MOST) -> None:
        self.wanted: dict[bytes, None] = {}
        self.noticed: Callable[[], None] | None = None  # called when a name becomes wanted
        self.found: Callable[[bytes, str], None] = lambda name, reason: None  # called with every reason
        self._known: dict[bytes, _Known] = {}
        self._last: dict[bytes, str] = {}  # what was told last, for longer
        self._most = most

    def why(self, name: bytes) -> str:
        """The reason why *name* (wire form, lower case) fails, with its code; "" where it is not known yet."""
        found = self._known.get(name)
        if found is None:
            self._want(name)
            return ""
        found.asked = 0
        return found.text

    def known(self, name: bytes) -> str:
        """The same for those who only look on."""
        found = self._known.get(name)
        return found.text if found is not None else ""

    def tell(self, name: bytes, reason: str) -> bool:
        """From now on that is the reason; whether it is another than the last one."""
        _put(self._known, name, _Known(reason), self._most)
        before = self._last.get(name)
        self.found(name, reason)
        _put(self._last, name, reason, self._most)
        return reason != before

    def age(self) -> None:
        """A round is over: what was asked for in it is found out anew, and what is old is forgotten."""
        for name, known in list(self._known.items()):
            if known.asked == 0:
                self._want(name)
            known.told += 1
            known.asked += 1
            if known.told > OLD or known.asked > OLD:
                del self._known[name]

    def forget(self) -> None:
        self.wanted.clear()
        self._known.clear()

    def _want(self, name: bytes) -> None:
        if self.noticed is not None and name not in self.wanted and len(self.wanted) < self._most:
            self.wanted[name] = None
            self.noticed()


def _put(table: dict[bytes, Any], name: bytes, value: Any, most: int) -> None:
    table.pop(name, None)
    table[name] = value
    if len(table) > most:
        del table[next(iter(table))]
