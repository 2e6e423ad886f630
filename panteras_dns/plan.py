"""What becomes of a query: a plan, made of its bytes alone (planner.py) and remembered with what was asked along it."""

from panteras_dns.insurance import Kept
from panteras_dns.routes import Route
from panteras_dns.upstream import Group
from panteras_dns.wire import SMALLEST_UDP, Query

TELL = 65313  # EDNS option (RFC 6891 local use): "say which route and server answered" (`panteras query`)

_ENOUGH_REPLIES = 16  # finished replies a plan remembers: Consul shuffles, four instances have 24 orders
_SMALL_REPLY = 2048  # bytes; and only those that cost little memory


class Plan:
    """Either *answer*, ready-made, or a *query* to send along a *route* as *packet*.

    `fate` says in a word what becomes of the query, `asked` how often it came: metrics are made of both.

    `ready` is the reply from cache as this client takes it, good until `ready_until` (seconds, monotonic).
    `finished` remembers *finish*: reply bytes after the id -> what this client gets.
    """

    __slots__ = (
        "answer",
        "asked",
        "asked_before",
        "bare",
        "cached",
        "cookie",
        "direct",
        "fate",
        "finished",
        "given",
        "group",
        "insured",
        "key",
        "limit",
        "over_tcp",
        "packet",
        "query",
        "question",
        "rcode",
        "ready",
        "ready_until",
        "route",
        "tells",
    )

    def __init__(self, fate: str, query: Query | None = None, answer: bytes | None = None) -> None:
        self.fate = fate
        self.query = query
        self.answer = answer
        self.asked = self.asked_before = 0
        self.rcode: int | None = None  # of what is given from cache since `asked_before`, if something is
        self.given: dict[int, int] = {}  # rcode -> queries that got it from cache before
        self.cookie: bytes | None = None
        self.insured: Kept | None = None
        self.route: Route | None = None
        self.group: Group | None = None  # whom to ask
        self.direct: Group | None = None  # whom to ask without a look into the cache
        self.key: bytes | None = None  # the same for all who may wait for one answer
        self.cached = False
        self.question = b""  # everything that may change the answer
        self.packet = b""
        self.limit = SMALLEST_UDP
        self.tells = False
        self.bare = False  # without an OPT, for a server that knows none
        self.over_tcp = False  # the client came by TCP: so does the question
        self.ready = b""
        self.ready_until = 0.0
        self.finished: dict[bytes, bytes] = {}

    def gives(self, rcode: int | None) -> None:
        """From this query on, until told otherwise, the cache gives that rcode, or nothing. So nothing has to be
        counted each time it does."""
        if rcode != self.rcode:
            self.given = self.from_cache(self.asked - 1)
            self.rcode, self.asked_before = rcode, self.asked - 1

    def from_cache(self, asked: int | None = None) -> dict[int, int]:
        """rcode -> queries that got it from cache, of the first *asked* or of all."""
        given = dict(self.given)
        if self.rcode is not None:
            last = (self.asked if asked is None else asked) - self.asked_before
            given[self.rcode] = given.get(self.rcode, 0) + last
        return given

    def remember(self, body: bytes, finished: bytes) -> None:
        """Keep the result of *finish* for a reply that is likely to come again."""
        if len(body) <= _SMALL_REPLY and not self.tells:
            if len(self.finished) >= _ENOUGH_REPLIES:
                self.finished.clear()
            self.finished[body] = finished
