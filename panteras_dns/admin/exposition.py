"""The counters as Prometheus reads them, all workers summed. Written by its own library."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from panteras_dns.admin.sums import Sums
from panteras_dns.upstream import SCALE

BOUNDS = tuple(2**number / SCALE for number in range(17))  # 0.1 ms to 8 s: longer than anybody waits

HELP = {
    "panteras_queries_total": "Queries of clients, by route (or what became of them here), transport and type.",
    "panteras_replies_total": "Replies to clients, by route and rcode; NOERROR with those on their way.",
    "panteras_leaks_prevented_total": "Consul names with a search suffix that did not leave this host.",
    "panteras_repairs_total": "What Consul's answers needed before a client saw them.",
    "panteras_joined_total": "Queries that waited for an answer another one had asked for.",
    "panteras_prefetched_total": "Cached answers renewed before their end.",
    "panteras_stale_served_total": "Answers past their end, given because upstreams failed.",
    "panteras_insurance_served_total": "Last good answers of Consul's, given because it failed.",
    "panteras_servfails_total": "SERVFAIL made here, because nobody answered.",
    "panteras_failures_total": "Answers that were no help to somebody, kept for a while with their reason.",
    "panteras_replies_mismatched_total": "Packets of servers that were no answer to the question.",
    "panteras_clients_refused_total": "Queries of clients that are not on the access list.",
    "panteras_clients_limited_total": "Queries of clients that asked too fast.",
    "panteras_clients_slipped_total": "Failures told short or not at all, because a network got many.",
    "panteras_cache_hits_total": "Queries answered from cache.",
    "panteras_cache_misses_total": "Queries the cache had nothing for.",
    "panteras_cache_evicted_total": "Answers that left the cache for others.",
    "panteras_cache_stored_total": "Answers that were put into the cache.",
    "panteras_cache_entries": "Answers in the cache, of all workers.",
    "panteras_querylog_dropped_total": "Packets the query log was too slow for.",
    "panteras_upstream_answers_total": "Answers of a server.",
    "panteras_upstream_timeouts_total": "Questions a server did not answer in time.",
    "panteras_upstream_refused_total": "Questions a server's host refused: nobody listens.",
    "panteras_upstream_strays_total": "Packets of a server that nobody waited for, or forged in its name.",
    "panteras_upstream_full_total": "Questions a server had no room for.",
    "panteras_upstream_down": "Whether a server is marked as down by a worker.",
}


class _Sums(Collector):
    def __init__(self, sums: Sums) -> None:
        self._sums = sums

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for (name, labels), number in sorted(self._sums.samples().items()):
            if name not in families:
                kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                families[name] = kind(name.removesuffix("_total"), HELP[name], labels=[one for one, _ in labels])
            families[name].add_metric([value for _, value in labels], number)  # type: ignore[attr-defined]
        yield from families.values()
        yield self._latency()
        workers = GaugeMetricFamily("panteras_workers", "Processes that answer, as the admin knows them.")
        workers.add_metric([], len(self._sums.workers))
        yield workers

    def _latency(self) -> HistogramMetricFamily:
        found = HistogramMetricFamily(
            "panteras_upstream_seconds", "Seconds a server took for an answer.", labels=["server"]
        )
        for server, one in self._sums.upstreams().items():
            reached, buckets = 0, []
            for bound in BOUNDS:
                reached = int(sum(number for at, number in one["buckets"] if at <= bound))
                buckets.append((repr(bound), reached))
            whole = int(sum(number for _, number in one["buckets"]))
            found.add_metric([server], [*buckets, ("+Inf", whole)], one["waited"])
        return found


class Exposition:
    """*sums* at the moment of each call."""

    def __init__(self, sums: Sums) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Sums(sums))

    def text(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, in the format that *accept* prefers."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind
