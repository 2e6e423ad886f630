"""What is measured: five kinds of work, each a function from a running server to its figures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load
from benchmarks.client import latencies, query
from benchmarks.load import Load, Question
from benchmarks.process import Process

Figures = dict[str, float]

CACHED = 10_000
DISTINCT = 100_000
RATE = 2000
LOGS = ("panteras", "panteras-log")
WARM_UP = 1.0
TRIES, BUSY = 3, 0.85


@dataclass(frozen=True)
class Bench:
    """What every scenario needs beside the server: how to load it, whom it asks, and for how long."""

    load: Load
    upstream: int
    seconds: float


@dataclass(frozen=True)
class Scenario:
    """A kind of work; *figures* are its columns: the key in Figures, and the heading with the unit.

    *rivals* are the peers whose CPU time the others' is compared with. With *apart* the server has a core
    of its own. *only* these peers take part, where some are named.
    """

    name: str
    title: str
    cache: int
    measure: Callable[[Process, Bench], Figures]
    figures: dict[str, str]
    rivals: tuple[str, ...] = ()
    apart: bool = True
    only: tuple[str, ...] = ()


def forward(server: Process, bench: Bench) -> Figures:
    return _saturated(server, bench, load.CONSUL)


def cached(server: Process, bench: Bench) -> Figures:
    return _saturated(server, bench, load.POPULAR)


def distinct(server: Process, bench: Bench) -> Figures:
    """Memory after 100 k names and after 100 k more: the second figure shows whether there is a bound."""
    memory, own = [], 0.0
    for part in range(2):
        bench.load.once(server.port, load.distinct(part, DISTINCT)).require_good()
        memory.append(server.memory())
        own = server.own_memory()
    return {"memory": memory[0], "later": memory[1], "own": own}


def latency(server: Process, bench: Bench) -> Figures:
    """The way through the server beside the way around it, asked one right after the other."""
    packets = [query(*question) for question in load.CONSUL]
    bench.load.during(server.port, load.CONSUL, WARM_UP).require_good()
    through = sorted(latencies(server.port, packets, RATE, bench.seconds))
    around = sorted(latencies(bench.upstream, packets, RATE, bench.seconds / 2))
    figures = {f"p{share}": _percentile(through, share) for share in (50, 95, 99)}
    added = {f"added{share}": figures[f"p{share}"] - _percentile(around, share) for share in (50, 99)}
    return figures | added


def start(server: Process, _bench: Bench) -> Figures:
    return {"start": server.start}


def _saturated(server: Process, bench: Bench, questions: list[Question]) -> Figures:
    """CPU time per query under as much load as the server takes: the busiest of a few tries."""
    bench.load.during(server.port, questions, WARM_UP)
    tries: list[Figures] = []
    while len(tries) < TRIES:
        tries.append(_loaded(server, bench, questions))
        # Far below 1 something else took the load's core, and the server's batches were smaller for it.
        if tries[-1]["busy"] > BUSY:
            break
    return max(tries, key=lambda figures: figures["busy"])


def _loaded(server: Process, bench: Bench, questions: list[Question]) -> Figures:
    cpu, busiest, datagrams = server.cpu(), server.busiest(), _datagrams()
    outcome = bench.load.during(server.port, questions, bench.seconds)
    cpu, busiest, datagrams = server.cpu() - cpu, server.busiest() - busiest, _datagrams() - datagrams
    outcome.require_good()
    return {
        "busy": cpu / outcome.seconds,
        "cpu": cpu / outcome.completed * 1e6,
        "own": busiest / outcome.completed * 1e6,
        "rate": outcome.completed / outcome.seconds / 1000,
        "bad": outcome.bad,
        "datagrams": datagrams / outcome.completed,
        "memory": server.memory(),
    }


def _datagrams() -> int:
    """UDP datagrams received on this machine so far: 4 a query when it is forwarded, 2 when it is not."""
    header, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:")
    )
    return int(values[header.index("InDatagrams")])


def _percentile(ordered: list[float], share: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


_LOAD = {
    "cpu": "CPU per query, µs",
    "rate": "queries/s, thousands",
    "bad": "lost or failed",
    "datagrams": "datagrams per query",
    "busy": "its core in use",
    "memory": "memory, MB",
}
_LOGGED = {"own": "CPU per query of who answers, µs", "rate": "queries/s, thousands", "bad": "lost or failed"}
_DISTINCT = {"memory": "memory after 100 k, MB", "later": "after 200 k, MB", "own": "of who answers, MB"}
_LATENCY = {
    "p50": "p50, ms",
    "p95": "p95, ms",
    "p99": "p99, ms",
    "added50": "added at p50, ms",
    "added99": "added at p99, ms",
}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("forward", "Forwarding every query to Consul", 0, forward, _LOAD, ("dnsdist", "dnsmasq")),
        Scenario("cached", "Answering from cache", CACHED, cached, _LOAD, ("unbound", "dnsmasq")),
        Scenario("distinct", "Distinct names through a cache of 10 k", CACHED, distinct, _DISTINCT),
        # On one core: waking an idle virtual core may take the host milliseconds, whoever the server is.
        Scenario("latency", "Forwarding 2,000 queries/s", 0, latency, _LATENCY, apart=False),
        Scenario("querylog", "Forwarding, with a line for every query", 0, forward, _LOGGED, only=LOGS),
        Scenario("start", "From start to first answer", CACHED, start, {"start": "start, s"}),
    )
}
