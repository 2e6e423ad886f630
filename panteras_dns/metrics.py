"""The counters, read off the objects that count, when somebody asks. Names as Prometheus has them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from dnslib import QTYPE, RCODE

from panteras_dns.cache import Cache
from panteras_dns.forwarder import Forwarder
from panteras_dns.upstream import Health

Sample = tuple[str, tuple[tuple[str, str], ...]]  # a metric's name, and its labels with their values

DOWN = "panteras_upstream_down"  # the only one that is no sum: one lane that is down says it
_LEAKS = "fenced"  # the fate of a name that would have left for a general upstream


def samples(forwarder: Forwarder, cache: Cache, healths: Iterable[Health]) -> Counter[Sample]:
    """What was counted since the start."""
    found: Counter[Sample] = Counter()
    for name, labels, number in (*_queries(forwarder), *_told(forwarder, cache), *_upstreams(healths)):
        key = name, tuple(labels.items())
        found[key] = max(found[key], number) if name == DOWN else found[key] + number
    return found


def counters(found: Mapping[Sample, int]) -> Mapping[str, int]:
    """The same as Prometheus writes them: name with its labels -> number."""
    return {name + _braced(labels): number for (name, labels), number in sorted(found.items())}


def _braced(labels: tuple[tuple[str, str], ...]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


Told = tuple[str, dict[str, str], int]


def _queries(forwarder: Forwarder) -> Iterator[Told]:
    leaks, hits, asked, errors = 0, 0, Counter[str](), Counter[tuple[str, int]](forwarder.errors)
    for transport, planner in (("udp", forwarder.udp), ("tcp", forwarder.tcp)):
        tally = planner.tally()
        for (fate, kind), number in tally.queries.items():
            labels = {"route": fate, "transport": transport, "type": QTYPE.forward.get(kind, "other")}
            yield "panteras_queries_total", labels, number
            asked[fate] += number
            leaks += number if fate == _LEAKS else 0
        hits += tally.cached.total()
        errors += Counter({key: number for key, number in tally.cached.items() if key[1]})
    yield "panteras_cache_hits_total", {}, hits
    yield "panteras_leaks_prevented_total", {}, leaks
    for (fate, rcode), number in errors.items():
        yield "panteras_replies_total", {"route": fate, "rcode": str(RCODE.forward.get(rcode, rcode))}, number
        asked[fate] -= number
    for fate, number in asked.items():  # with those on their way
        yield "panteras_replies_total", {"route": fate, "rcode": "NOERROR"}, max(number, 0)
    for repairer in forwarder.tables.repairers.values():
        for repair, number in repairer.counts.items():
            yield "panteras_repairs_total", {"repair": repair}, number


def _told(forwarder: Forwarder, cache: Cache) -> Iterator[Told]:
    policy = forwarder.policy
    numbers = {
        "joined": forwarder.joined,
        "prefetched": forwarder.prefetched,
        "stale_served": forwarder.rescue.stale_served,
        "insurance_served": forwarder.rescue.insurance.claims,
        "servfails": forwarder.servfails,
        "failures": forwarder.failures.count,
        "replies_mismatched": forwarder.mismatched,
        "clients_refused": policy.refused,
        "clients_limited": policy.limited,
        "clients_slipped": policy.slipped,
        "cache_misses": cache.misses,
        "cache_evicted": cache.evicted,
        "cache_stored": cache.stored,
    }
    for name, number in numbers.items():
        yield f"panteras_{name}_total", {}, number
    yield "panteras_cache_entries", {}, len(cache)


def _upstreams(healths: Iterable[Health]) -> Iterator[Told]:
    for health in healths:
        server = {"server": health.label}
        yield "panteras_upstream_answers_total", server, health.answered
        yield "panteras_upstream_timeouts_total", server, health.timeouts
        yield "panteras_upstream_refused_total", server, health.refused
        yield "panteras_upstream_strays_total", server, health.strays
        yield "panteras_upstream_full_total", server, health.full
        yield DOWN, server, 0 if health.usable else 1


def busiest(forwarder: Forwarder, most: int) -> list[tuple[bytes, int]]:
    """The names that were asked for most, in wire form, with how often; as far as is remembered."""
    found: Counter[bytes] = Counter()
    for planner in (forwarder.udp, forwarder.tcp):
        for plan in planner.plans():
            if plan.query is not None:
                found[plan.query.name] += plan.asked
    return found.most_common(most)
