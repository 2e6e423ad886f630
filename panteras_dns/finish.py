"""What a client gets: (plan, reply of a server) -> bytes. The other half of planner.py, and as pure.

Same plan, same reply, same result, so that the forwarder may remember it.
"""

import struct
from itertools import takewhile

from panteras_dns.answer import capped, dress, error
from panteras_dns.cache import Entry
from panteras_dns.plan import TELL, Plan
from panteras_dns.planner import Tables
from panteras_dns.routes import Route, Routes
from panteras_dns.wire import AAAA, EDE, NXDOMAIN, SERVFAIL, A, Malformed, Record, Reply, name_at, read_reply

# Extended errors (RFC 8914).
_OTHER, _STALE, _CACHED_ERROR, _UNREACHABLE, _NETWORK = 0, 3, 13, 22, 23
_LEADER = "leader"
_ROOM = 64  # octets: an OPT, the head of an option, and a SOA that is repaired
_LAST_SAID = struct.pack("!H", _STALE) + b"the servers do not answer; this is what they last said"


def reply_to(plan: Plan, body: bytes) -> Reply | None:
    """A server's packet (without its id) read, if it is a reply to the plan's question."""
    query = plan.query
    assert query is not None
    try:
        reply = read_reply(body)
    except Malformed:
        return None
    # Consul's newer releases give the name back in lower case.
    if reply.question[:-4].lower() != query.name or reply.question[-4:] != query.question[-4:]:
        return None
    return reply if reply.flags & 0x8000 and not reply.flags & 0x7800 else None


def own(reply: Reply, route: Route, routes: Routes) -> Reply:
    """What a general upstream may say on its route: nothing beside the answer about names that are another's
    (MaginotDNS), and no TTL for ever."""

    def ours(record: Record) -> bool:
        found = routes.match(name_at(reply.body, record.start))
        return found is not None and found.name == route.name  # a reload may have made another of that name

    kept = tuple(takewhile(lambda record: record.section == 1 or ours(record), reply.records))
    if len(kept) != len(reply.records):
        reply = Reply(reply.body, reply.flags, reply.question, kept, reply.edns)
    return capped(reply)


def finish(plan: Plan, reply: Reply, source: str, tables: Tables, route: Route | None = None) -> bytes:
    """The body of the answer: repaired if it is Consul's, in the client's own spelling, size and OPT.

    *route*: where the reply came from, if not by the plan's own.
    """
    query, route = plan.query, route or plan.route
    assert route is not None and query is not None
    if query.signed:
        return reply.body
    repairer = tables.repairers.get(route.name)
    if repairer is None:
        return dress(query, reply, plan.limit, _options(plan, reply, source))
    if reply.rcode == SERVFAIL and not (reply.edns and reply.edns.option(EDE)):
        return servfail(plan, f"{source} answered SERVFAIL: Consul may have no {_LEADER}")
    share = query.type in (A, AAAA) and not repairer.switches.truncate
    repaired = repairer.repair(query, reply)
    options = _options(plan, reply, source)
    reason = tables.reasons.why(query.name).encode() if repaired.rcode == NXDOMAIN else b""
    if reason and len(repaired.body) + len(reason) + _ROOM <= plan.limit:  # none is worth a second question over TCP
        options = (*options, (EDE, struct.pack("!H", _OTHER) + reason))
    return dress(query, repaired, plan.limit, options, share)


def insured(plan: Plan, reply: Reply, tables: Tables) -> bytes:
    """The body of Consul's last good answer, marked as such (EDE 3)."""
    query, repairer = plan.query, tables.repairers.get(plan.route.name) if plan.route else None
    assert query is not None
    repaired = repairer.repair(query, reply) if repairer else reply
    return dress(query, repaired, plan.limit, ((EDE, _LAST_SAID),), query.type in (A, AAAA))


def from_cache(plan: Plan, entry: Entry, now: float) -> bytes:
    """The body of an answer from cache, its TTLs aged."""
    assert plan.query is not None
    aged = entry.aged(now)
    return dress(plan.query, aged, plan.limit, _options(plan, aged, "cache"))


def stale(plan: Plan, entry: Entry) -> bytes:
    """The body of an answer whose time is over, marked as such (RFC 8767, EDE 3)."""
    assert plan.query is not None
    return dress(plan.query, entry.stale(), plan.limit, ((EDE, _LAST_SAID),))


def servfail(plan: Plan, reason: str) -> bytes:
    """The body of a SERVFAIL that says why."""
    assert plan.query is not None
    code = _NETWORK if "refused" in reason else _CACHED_ERROR if "a moment ago" in reason else _UNREACHABLE
    return error(plan.query, SERVFAIL, (code, servfail_reason(plan, reason)))


def servfail_reason(plan: Plan, reason: str) -> str:
    """The same in words, with its code."""
    consul = plan.route is not None and plan.route.consul
    number = ("PAN302" if _LEADER in reason else "PAN301") if consul else "PAN310"
    return f"{number} {reason}"


def _options(plan: Plan, reply: Reply, source: str) -> tuple[tuple[int, bytes], ...]:
    if plan.tells and plan.route:
        return ((TELL, f"{plan.route.name}\t{source}".encode()),)
    why = reply.edns.option(EDE) if reply.edns else None
    return ((EDE, why),) if why is not None else ()
