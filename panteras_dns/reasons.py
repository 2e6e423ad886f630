"""Why names of Consul's fail, as far as it is known. Told with the answer; found out afterwards, by others."""

from collections.abc import Callable

MOST = 1000  # names; the oldest give way


class Reasons:
    """`why` is on the way of an answer: it looks into a dict, and notes what is not in it as *wanted*."""

    def __init__(self, most: int = MOST) -> None:
        self.wanted: dict[bytes, None] = {}
        self.noticed: Callable[[], None] = lambda: None  # called when a name becomes wanted
        self._known: dict[bytes, str] = {}
        self._asked: set[bytes] = set()
        self._most = most

    def why(self, name: bytes) -> str:
        """The reason why *name* (wire form, lower case) fails, with its code; "" where it is not known yet."""
        found = self._known.get(name)
        if found is None:
            self._want(name)
            return ""
        self._asked.add(name)
        return found

    def tell(self, name: bytes, reason: str) -> bool:
        """From now on that is the reason; whether it is another than before."""
        before = self._known.pop(name, "")
        self._known[name] = reason
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return reason != before

    def age(self) -> None:
        """What was asked for since the last time is found out anew, and the rest forgotten."""
        for name in list(self._known):
            if name in self._asked:
                self._want(name)
            else:
                del self._known[name]
        self._asked.clear()

    def _want(self, name: bytes) -> None:
        if name not in self.wanted and len(self.wanted) < self._most:
            self.wanted[name] = None
            self.noticed()
