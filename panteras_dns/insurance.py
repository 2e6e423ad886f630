"""The last good answer of a route that is never cached, for the moments in which its servers fail.

Off by default: an instance of then may be gone now. Used only on time-out or SERVFAIL, never over a "no", marked
as stale, counted. At most *most* questions; the one that was answered longest ago goes.
"""

import math

from panteras_dns.wire import Malformed, Reply, read_reply


class Kept:
    """The body of a good reply and when it came; the fast path writes both anew."""

    __slots__ = ("at", "body")

    def __init__(self, body: bytes, at: float) -> None:
        self.body = body
        self.at = at


class Insurance:
    """Question (cache key) -> the last good reply."""

    def __init__(self, most: int = 10_000) -> None:
        self._kept: dict[bytes, Kept] = {}
        self._most = most
        self.claims = 0

    def keep(self, key: bytes, body: bytes, now: float) -> Kept:
        """A good reply has come. What is returned may be written to as long as good replies come."""
        kept = self._kept.pop(key, None) or Kept(body, now)
        kept.body, kept.at = body, now
        while len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = kept
        return kept

    def forget(self, key: bytes) -> None:
        """The server has said no: what was true before is not any more."""
        kept = self._kept.get(key)
        if kept is not None:  # it stays in its place: a plan that knows it may write the next good reply
            kept.at = -math.inf

    def claim(self, key: bytes, longest: float, now: float) -> Reply | None:
        """The last good reply, if it is not older than *longest* seconds."""
        kept = self._kept.get(key)
        if kept is None or now - kept.at > longest:
            return None
        try:
            reply = read_reply(kept.body)
        except Malformed:
            return None
        self.claims += 1
        return reply
