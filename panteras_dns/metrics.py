"""The counters, read off the objects that count, when somebody asks. Names as Prometheus has them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from dnslib import QTYPE

from panteras_dns.cache import Cache
from panteras_dns.forwarder import Forwarder
from panteras_dns.upstream import Health

_LEAKS = "fenced"  # the fate of a name that would have left for a general upstream


def counters(forwarder: Forwarder, cache: Cache, healths: Iterable[Health]) -> Mapping[str, int]:
    """Name, with its labels, to number. Counted since the start; those of queries since the last reload."""
    found: Counter[str] = Counter()
    for name, number in (*_queries(forwarder), *_told(forwarder, cache), *_upstreams(healths)):
        found[name] += number
    return dict(sorted(found.items()))


def _queries(forwarder: Forwarder) -> Iterator[tuple[str, int]]:
    leaks = 0
    for transport, planner in (("udp", forwarder.udp), ("tcp", forwarder.tcp)):
        for (fate, kind), number in planner.tally().items():
            shown = QTYPE.forward.get(kind, "other")
            yield f'panteras_queries_total{{fate="{fate}",transport="{transport}",type="{shown}"}}', number
            leaks += number if fate == _LEAKS else 0
    yield "panteras_leaks_prevented_total", leaks
    for repairer in forwarder.tables.repairers.values():
        for repair, number in repairer.counts.items():
            yield f'panteras_repairs_total{{repair="{repair}"}}', number


def _told(forwarder: Forwarder, cache: Cache) -> Iterator[tuple[str, int]]:
    policy = forwarder.policy
    yield "panteras_joined_total", forwarder.joined
    yield "panteras_prefetched_total", forwarder.prefetched
    yield "panteras_stale_served_total", forwarder.stale_served
    yield "panteras_insurance_served_total", forwarder.insurance.claims
    yield "panteras_servfails_total", forwarder.servfails
    yield "panteras_replies_mismatched_total", forwarder.mismatched
    yield "panteras_clients_refused_total", policy.refused
    yield "panteras_clients_limited_total", policy.limited
    yield "panteras_clients_slipped_total", policy.slipped
    yield "panteras_cache_hits_total", cache.hits
    yield "panteras_cache_misses_total", cache.misses
    yield "panteras_cache_evicted_total", cache.evicted
    yield "panteras_cache_stored_total", cache.stored


def _upstreams(healths: Iterable[Health]) -> Iterator[tuple[str, int]]:
    for health in healths:
        label = f'{{server="{health.label}"}}'
        yield f"panteras_upstream_answers_total{label}", health.answered
        yield f"panteras_upstream_timeouts_total{label}", health.timeouts
        yield f"panteras_upstream_refused_total{label}", health.refused
        yield f"panteras_upstream_strays_total{label}", health.strays
        yield f"panteras_upstream_full_total{label}", health.full
        yield f"panteras_upstream_down{label}", 0 if health.usable else 1
