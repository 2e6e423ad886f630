"""When a server's "no" is not the last word: which question to ask next, and what its answer makes of the first."""

from dataclasses import replace

from panteras_dns.answer import ask
from panteras_dns.plan import Plan
from panteras_dns.planner import Planner
from panteras_dns.wire import AAAA, AD, FORMERR, NOERROR, NOTIMP, NXDOMAIN, RCODE, A, Reply

Detour = tuple[Plan, Reply | None]  # the plan that goes on, and the reply that waits for its answer


def detour(plan: Plan, reply: Reply, planner: Planner) -> Detour | None:
    """The way on where *reply* leaves off, or None where it is the answer."""
    route, query = plan.route, plan.query
    if route is None or query is None:
        return None
    if reply.rcode in (FORMERR, NOTIMP) and reply.edns is None and not route.consul and not plan.bare:
        # A server from before EDNS (RFC 6891 6.2.2): the same without an OPT.
        other = planner.along(query, route)
        other.packet, other.bare = ask(query, None, AD), True
        return other, None
    if reply.rcode != NXDOMAIN:
        return None
    if route.fallback is not None:  # a reverse name that Consul does not know may be known upstream
        return planner.along(query, route.fallback), None
    repairer = planner.tables.repairers.get(route.name)
    if repairer and repairer.switches.aaaa and query.type == AAAA:
        # Told NXDOMAIN for AAAA, musl gives up the whole look-up (consul#3439): whether there is an A decides.
        question = query.question[:-4] + bytes((0, A)) + query.question[-2:]
        return planner.along(replace(query, question=question, type=A), route), reply
    return None


def judged(held: Reply, by: Reply) -> Reply:
    """*held*, an NXDOMAIN for AAAA, after the answer for A: NODATA if the name exists."""
    if by.rcode != NOERROR:
        return held
    return replace(held, flags=held.flags & ~RCODE)
