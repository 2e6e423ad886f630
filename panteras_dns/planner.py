"""What to do with a query, decided from its bytes alone, and remembered.

Same bytes, same plan: the fast path is one dict lookup. A plan is no cached answer: a Consul name is still
asked for every time. Plans belong to one set of tables and go with it when configuration changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from panteras_dns.answer import ask, bare_error, dress, error, truncated
from panteras_dns.cache import cache_key
from panteras_dns.loops import Loops
from panteras_dns.plan import TELL, Plan
from panteras_dns.reasons import Reasons
from panteras_dns.records import Records
from panteras_dns.repair import Repairer
from panteras_dns.routes import Route, Routes
from panteras_dns.tally import Tally
from panteras_dns.wire import (
    AD,
    ANY,
    BADVERS,
    COOKIE,
    DO,
    ECS,
    FORMERR,
    IN,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    OPCODE,
    OUR_UDP,
    QR,
    REFUSED,
    SMALLEST_UDP,
    Edns,
    Malformed,
    Query,
    edns_alone,
    read_query,
)

FROM_CONSUL = 65467  # the largest EDNS size Consul honours
FENCED = "PAN104 a Consul name with a search suffix behind it: it does not leave this host"
UNROUTED = "PAN103 no route for this name"

_SMALL_QUERY = 1024  # bytes; larger ones come over TCP, each time another
_MOST_LOOSE = 100
_TRANSFERS = (251, 252)  # IXFR, AXFR
PROHIBITED, _NOT_SUPPORTED, _BLOCKED = 18, 21, 15  # extended errors (RFC 8914)


@dataclass
class Tables:
    """Everything a plan depends on. Never changed, only replaced."""

    routes: Routes
    records: Records = field(default_factory=Records)
    special: Records = field(default_factory=Records)  # RFC 6761 and its kin, below any route but the root
    repairers: dict[str, Repairer] = field(default_factory=dict)  # by name of the Consul route
    fence: bool = True
    udp_size: int = OUR_UDP
    loops: Loops = field(default_factory=lambda: Loops(b""))
    reasons: Reasons = field(default_factory=Reasons)


class Planner:
    """Makes plans and remembers them, in two generations of *most* each: when the young one is full it
    becomes the old one, and the old one, with all that was not asked since, is forgotten."""

    def __init__(
        self, tables: Tables, limit: int | None = None, most: int = 4096, before: "Planner | None" = None
    ) -> None:
        self.tables = tables
        self.young: dict[bytes, Plan] = {}
        self._old: dict[bytes, Plan] = {}
        self._limit = limit
        self._most = most
        self._loose: list[Plan] = []  # too large to be remembered, not counted yet
        self._tally = before.tally() if before else Tally()

    def plan(self, body: bytes) -> Plan | None:
        """The plan for a query (without its id), or None for what is not to be answered at all."""
        plan = self.young.get(body)
        if plan is not None:
            return plan
        plan = self._old.pop(body, None) or self._make(body)
        if plan is None:
            return None
        if len(self.young) >= self._most:
            self._tally.add(self._old.values())
            self._old = self.young.copy()
            self.young.clear()  # the same dict: the fast path holds its get()
        if len(body) <= _SMALL_QUERY:
            self.young[body] = plan
        else:
            if len(self._loose) >= _MOST_LOOSE:
                self._tally.add(self._loose)
                self._loose.clear()
            self._loose.append(plan)
        return plan

    def plans(self) -> Iterator[Plan]:
        """Those that are remembered."""
        yield from self.young.values()
        yield from self._old.values()
        yield from self._loose

    def tally(self) -> Tally:
        """All that was asked so far."""
        return Tally(self._tally).add(self.plans())

    def _make(self, body: bytes) -> Plan | None:
        flags = int.from_bytes(body[:2], "big")
        if len(body) < 10 or flags & QR:  # RFC 5625 6.3: not even a header, or somebody's reply
            return None
        if flags & OPCODE:
            return Plan("notimp", answer=bare_error(body, NOTIMP))
        try:
            query = read_query(body)
        except Malformed:
            return self._cookie_alone(body) or Plan("formerr", answer=bare_error(body, FORMERR))
        if self._limit is not None:
            query = replace(query, keeps_alive=True)
        plan = self._refused(query) or self._planned(query, body)
        asked = plan.query.edns if plan.query else None
        # A signed reply goes out as it came: what we put in would break the seal.
        plan.cookie = asked.option(COOKIE) if asked and not (query.signed and plan.route) else None
        if plan.cookie is not None:
            plan.direct = None
        return plan

    def _refused(self, query: Query) -> Plan | None:
        if self.tables.loops.is_probe(query.name):
            return Plan("loop", query, error(query, NXDOMAIN))
        if query.edns and query.edns.version:
            return Plan("badvers", query, error(query, BADVERS))
        cookie = query.edns.option(COOKIE) if query.edns else None
        if cookie is not None and len(cookie) != 8 and not 16 <= len(cookie) <= 40:  # RFC 7873 5.2.2
            whole = replace(query, edns=Edns())
            return Plan("formerr", whole, error(whole, FORMERR))
        if query.type in _TRANSFERS:
            reason = (_NOT_SUPPORTED, "zone transfers are not served here")
            return Plan("transfer", query, error(query, REFUSED, reason))
        return None

    def _planned(self, query: Query, body: bytes) -> Plan:
        limit = self._limit or min(query.edns.size if query.edns else SMALLEST_UDP, self.tables.udp_size)
        plan = self._answered_here(query, limit) or self._any(query) or self._sent_on(query)
        plan.limit = limit
        plan.tells = query.edns is not None and query.edns.option(TELL) is not None
        if query.signed and plan.route:
            plan.packet = body
        return plan

    @staticmethod
    def _cookie_alone(body: bytes) -> Plan | None:
        edns = edns_alone(body)
        cookie = edns.option(COOKIE) if edns and not edns.version else None
        if cookie is None or (len(cookie) != 8 and not 16 <= len(cookie) <= 40):
            return None
        query = Query(int.from_bytes(body[:2], "big"), b"", b"\0", 0, IN, edns)
        answer = error(query, NOERROR)
        plan = Plan("cookie", query, answer[:2] + b"\0\0" + answer[4:])  # without a question as well
        plan.cookie = cookie
        return plan

    def _answered_here(self, query: Query, limit: int) -> Plan | None:
        tables = self.tables
        route = tables.routes.match(query.name)
        found, fate = tables.records.find(query), "record"
        if not found and tables.routes.by_root(query.name):
            found, fate = tables.special.find(query), "special"
        if not found and route and route.consul and query.cls == IN:
            found, fate = tables.repairers[route.name].foreign(query), "foreign"
        if not found:
            return None
        told = ((TELL, f"{fate}\there".encode()),) if query.edns and query.edns.option(TELL) is not None else ()
        return Plan(fate, query, dress(query, found, limit, told))

    def _any(self, query: Query) -> Plan | None:
        """ANY over UDP makes large answers for others to suffer: whoever means it asks again over TCP (RFC 8482)."""
        if query.type != ANY or self._limit:
            return None
        return Plan("any", query, truncated(query))

    def _sent_on(self, query: Query) -> Plan:
        tables = self.tables
        route = tables.routes.match(query.name)
        if route is None:
            return Plan("unrouted", query, error(query, REFUSED, (PROHIBITED, UNROUTED)))
        if not route.consul and tables.fence and tables.routes.fenced(query.name):
            return Plan("fenced", query, error(query, NXDOMAIN, (_BLOCKED, FENCED)))
        return self.along(query, route)

    def along(self, query: Query, route: Route) -> Plan:
        """A plan for *query* on that route."""
        plan = Plan(route.name, query)
        plan.route = route
        plan.group = route.group_for(query.name)
        subnet = b""
        if route.consul:
            # The client's subnet is passed on (consul PR#4647), never added. The large size brings
            # every instance, whatever the client takes.
            options = tuple(one for one in (query.edns.options if query.edns else ()) if one[0] == ECS)[:1]
            subnet = b"".join(data for _, data in options)
            plan.packet = ask(query, Edns(size=FROM_CONSUL, options=options))
        else:
            plan.packet = ask(query, Edns(flags=DO if query.wants_dnssec else 0), AD)
            plan.over_tcp = self._limit is not None
        plan.cached = route.cached and not query.signed and query.cls == IN
        plan.question = cache_key(query) + subnet
        if plan.cached or (route.joined and not query.signed):
            plan.key = plan.question
        else:
            plan.direct = plan.group
        return plan
