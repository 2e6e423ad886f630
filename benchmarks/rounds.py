"""The run itself: every peer in every scenario, round after round, the order rotated; and its medians.

A peer is started anew for each figure, so that none inherits the memory or the caches of another scenario.
"""

import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.client import free_port
from benchmarks.isolation import isolate
from benchmarks.load import Load
from benchmarks.machine import ProcessorTime
from benchmarks.peers import Peer, Work
from benchmarks.process import Process
from benchmarks.scenarios import Bench, Figures, Scenario
from benchmarks.trouble import Trouble
from benchmarks.upstream import upstream


@dataclass
class Results:
    """Figures per scenario and peer, one for each round; *stolen* is what other guests took, from 0 to 1."""

    rounds: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    stolen: float = 0.0

    def add(self, scenario: str, peer: str, figures: Figures) -> None:
        self.rounds.setdefault(scenario, {}).setdefault(peer, []).append(figures)

    def peers(self, scenario: str) -> list[str]:
        return list(self.rounds.get(scenario, {}))

    def median(self, scenario: str, peer: str, figure: str) -> float | None:
        """None when it was not measured."""
        found = self.rounds.get(scenario, {}).get(peer, [])
        return statistics.median(figures[figure] for figures in found) if found else None

    def ratio(self, scenario: str, peer: str, rival: str, figure: str) -> float | None:
        """Of *peer* to *rival*: the median of each round's own, as the machine's speed drifts."""
        both = self.rounds.get(scenario, {})
        pairs = zip(both.get(peer, []), both.get(rival, []), strict=False)
        ratios = [ours[figure] / theirs[figure] for ours, theirs in pairs if theirs[figure]]
        return statistics.median(ratios) if ratios else None


def measure(peers: Sequence[Peer], scenarios: Sequence[Scenario], rounds: int, seconds: float) -> Results:
    """Run it all: servers on one core, the upstream and the load on another; progress goes to stderr."""
    server_core, load_core = isolate()
    results, began = Results(), ProcessorTime.now()
    with tempfile.TemporaryDirectory(prefix="panteras-bench-") as name:
        folder = Path(name)
        with upstream(free_port(), load_core, folder) as source:
            bench = Bench(Load(folder), source.port, seconds)
            for scenario, turn, peer in _turns(peers, scenarios, rounds):
                core = server_core if scenario.apart else load_core
                figures = _measured(peer, scenario, bench, core)
                results.add(scenario.name, peer.name, figures)
                _progress(f"{scenario.name} {turn + 1}/{rounds} {peer.name}", figures)
    results.stolen = ProcessorTime.now().stolen_since(began)
    return results


def _turns(peers: Sequence[Peer], scenarios: Sequence[Scenario], rounds: int) -> Iterator[tuple[Scenario, int, Peer]]:
    """Who is next: the peers one after the other in each round, another one first each time."""
    for scenario, turn in itertools.product(scenarios, range(rounds)):
        there = [one for one in peers if (one.name in scenario.only if scenario.only else one.everywhere)]
        first = turn % max(len(there), 1)
        for peer in [*there[first:], *there[:first]]:
            yield scenario, turn, peer


def _measured(peer: Peer, scenario: Scenario, bench: Bench, core: int) -> Figures:
    """The figures of one peer, started for them and ended after them."""
    with tempfile.TemporaryDirectory(prefix="panteras-bench-") as name:
        work = Work(free_port(), bench.upstream, scenario.cache, Path(name))
        try:
            with Process(peer.command(work), work.port, core, work.folder / "output") as server:
                return scenario.measure(server, bench)
        except Trouble as trouble:
            raise Trouble(f"{peer.name}, {scenario.name}: {trouble}") from trouble


def _progress(what: str, figures: Figures) -> None:
    numbers = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
    print(f"{what:32} {numbers}", file=sys.stderr, flush=True)
