"""When a server's "no" is not the last word: which question to ask next, and what its answer makes of the first."""

from dataclasses import replace

from panteras_dns.plan import Plan, Planner
from panteras_dns.wire import AAAA, NOERROR, NXDOMAIN, RCODE, A, Reply


def detour(plan: Plan, reply: Reply, planner: Planner) -> Plan | None:
    """The plan that goes on where NXDOMAIN leaves off, or None where it is the answer.

    A reverse name that Consul does not know may be known upstream. A name without AAAA may exist all the same: told
    NXDOMAIN, musl gives up the whole look-up (consul#3439), so its A decides.
    """
    route, query = plan.route, plan.query
    if reply.rcode != NXDOMAIN or route is None or query is None:
        return None
    if route.fallback is not None:
        return planner.along(query, route.fallback)
    repairer = planner.tables.repairers.get(route.name)
    if repairer and repairer.switches.aaaa and query.type == AAAA:
        question = query.question[:-4] + bytes((0, A)) + query.question[-2:]
        return planner.along(replace(query, question=question, type=A), route)
    return None


def judged(held: Reply, by: Reply) -> Reply:
    """*held*, an NXDOMAIN for AAAA, after the answer for A: NODATA if the name exists."""
    if by.rcode != NOERROR:
        return held
    return Reply(held.body, held.flags & ~RCODE, held.question, held.records, held.edns)
