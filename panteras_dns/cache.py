"""Replies that may be given again, aged, until their time is over (RFC 2308, 8767, 9520).

Whole replies under the whole question: no record is ever taken out of one answer for another (MaginotDNS).
Bounded in entries; when full, the one that was asked for least recently goes. Time is handed in.
"""

from dataclasses import dataclass

from panteras_dns.answer import with_ttl
from panteras_dns.wire import CNAME, NOERROR, NXDOMAIN, SOA, TC, Query, Reply


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds. *failure* within RFC 9520's 1 s to 5 min; *stale* is how long after its end an entry may serve."""

    min_ttl: float = 0
    max_ttl: float = 86_400
    max_negative: float = 3_600
    stale: float = 86_400
    failure: float = 1


class Entry:
    """One reply and its times. *asked* counts the seconds in which somebody wanted it."""

    __slots__ = ("_aged", "asked", "ends", "refreshing", "reply", "second", "stored")

    def __init__(self, reply: Reply, stored: float, ends: float) -> None:
        self.reply = reply
        self.stored = stored
        self.ends = ends
        self.asked = 0
        self.refreshing = False
        self.second = -1
        self._aged = reply

    def aged(self, now: float) -> Reply:
        """The reply with every TTL as much smaller as it is older, at most once a second made anew."""
        second = int(now - self.stored)
        if second != self.second:
            self.second = second
            self.asked += 1
            self._aged = with_ttl(self.reply, second) if second else self.reply
        return self._aged

    def stale(self) -> Reply:
        """The reply past its end: TTL 30 (RFC 8767 4)."""
        return with_ttl(self.reply, 0, fixed=30)

    def deserves_refresh(self, now: float) -> bool:
        """Popular (wanted in three of its seconds) and in the last tenth of its life."""
        return not self.refreshing and self.asked >= 3 and self.ends - now < (self.ends - self.stored) / 10


class Cache:
    """At most *size* replies, and as many failures."""

    def __init__(self, size: int = 10_000, bounds: Bounds = Bounds()) -> None:
        self.size = size
        self.bounds = bounds
        self._entries: dict[bytes, Entry] = {}
        self._failures: dict[bytes, float] = {}
        self.misses = self.evicted = self.stored = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Entry | None:
        """The entry, fresh or stale, as the one asked for last; None when there is none to give."""
        entry = self._entries.pop(key, None)
        if entry is None and (no := self._entries.get(_for_any_type(key))) and no.reply.rcode == NXDOMAIN:
            key, entry = _for_any_type(key), no  # the name does not exist, whatever the type (RFC 2308 5)
            del self._entries[key]
        if entry is None:
            self.misses += 1
            return None
        if now >= entry.ends + self.bounds.stale:
            self.misses += 1
            return None
        self._entries[key] = entry  # a dict keeps insertion order: the last asked is the last to go
        if now >= entry.ends:
            self.misses += 1
        return entry

    def put(self, key: bytes, reply: Reply, query_type: int, now: float) -> None:
        """Keep a reply for as long as it says, if it may be kept at all."""
        ttl = self._lifetime(reply, query_type)
        if ttl <= 0 or not self.size:
            return
        entries = self._entries
        for old in (key, _for_any_type(key)):  # what was true before must not hide what is true now
            entries.pop(old, None)
        self._failures.pop(key, None)
        if reply.rcode == NXDOMAIN and not any(record.section == 1 for record in reply.records):
            key = _for_any_type(key)  # behind an alias it would be another name that does not exist
        while len(entries) >= self.size:
            del entries[next(iter(entries))]
            self.evicted += 1
        entries[key] = Entry(reply, now, now + ttl)
        self.stored += 1

    def fail(self, key: bytes, now: float) -> None:
        """Remember for a moment that nobody could answer (RFC 9520 3.2)."""
        if len(self._failures) >= self.size:
            self._failures.clear()
        if (entry := self._entries.get(key)) is not None:
            entry.refreshing = False  # a refresh that failed may be tried again
        self._failures[key] = now + self.bounds.failure

    def failed(self, key: bytes, now: float) -> bool:
        """Whether nobody could answer a moment ago."""
        until = self._failures.get(key)
        if until is None:
            return False
        if until <= now:
            del self._failures[key]
            return False
        return True

    def clear(self) -> None:
        self._entries.clear()
        self._failures.clear()

    def _lifetime(self, reply: Reply, query_type: int) -> float:
        if reply.flags & TC:
            return 0  # RFC 2181 9
        answers = [record for record in reply.records if record.section == 1]
        positive = any(record.type != CNAME for record in answers) or (answers and query_type == CNAME)
        if reply.rcode == NOERROR and positive:
            ttl = min(_ttl(reply, record.ttl) for record in reply.records)
            return max(min(ttl, self.bounds.max_ttl), min(self.bounds.min_ttl, self.bounds.max_ttl))
        if reply.rcode in (NOERROR, NXDOMAIN):
            return min(_negative_ttl(reply), self.bounds.max_negative)
        return 0


def cache_key(query: Query) -> bytes:
    """Everything of a query that may change its answer: name, type, class, RD, CD, DO (RFC 8906 6, RFC 4035 4.7).

    AD does not: upstreams are always asked with AD set, and it is taken from those who showed no interest.
    """
    shape = query.flags >> 8 & 1 | query.flags >> 3 & 2 | query.wants_dnssec << 2
    return query.name + query.question[-4:] + bytes((shape,))


def _for_any_type(key: bytes) -> bytes:
    """The key of a name's non-existence: type 0."""
    return key[:-5] + b"\0\0" + key[-3:]


def _ttl(reply: Reply, at: int) -> int:
    ttl = int.from_bytes(reply.body[at : at + 4], "big")
    return 0 if ttl & 0x80000000 else ttl  # RFC 2181 8


def _negative_ttl(reply: Reply) -> int:
    for record in reply.records:
        if record.section == 2 and record.type == SOA and record.end - record.data >= 22:
            return min(_ttl(reply, record.ttl), _ttl(reply, record.end - 4))
    return 0  # RFC 2308 5: without a SOA not kept
