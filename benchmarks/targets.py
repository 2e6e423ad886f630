"""What this server promises, and whether a run keeps it."""

from dataclasses import dataclass

from benchmarks.rounds import Results


@dataclass(frozen=True)
class Target:
    """A figure of one of ours that is to be at most *most*, or at most *most* times that of *rival*."""

    what: str
    scenario: str
    peer: str
    figure: str
    most: float
    rival: str = ""

    def value(self, results: Results) -> float | None:
        """None when this run did not measure it."""
        if self.rival:
            return results.ratio(self.scenario, self.peer, self.rival, self.figure)
        return results.median(self.scenario, self.peer, self.figure)

    def is_kept(self, value: float) -> bool:
        return value <= self.most


def _cpu(scenario: str, peer: str, rival: str, most: float) -> Target:
    return Target(f"CPU per query, of {rival}'s", scenario, peer, "cpu", most, rival)


TARGETS = [
    _cpu("forward", "panteras", "dnsdist", 1.0),
    _cpu("forward", "panteras", "dnsmasq", 0.45),
    _cpu("forward", "panteras-plain", "dnsdist", 1.4),
    _cpu("forward", "panteras-plain", "dnsmasq", 0.65),
    _cpu("cached", "panteras", "unbound", 1.0),
    _cpu("cached", "panteras", "dnsmasq", 0.7),
    _cpu("cached", "panteras-plain", "unbound", 1.3),
    _cpu("cached", "panteras-plain", "dnsmasq", 1.0),
    Target(
        "CPU per query of who answers, with the query log, of that without",
        "querylog",
        "panteras-log",
        "own",
        1.15,
        "panteras",
    ),
    # The dashboard's process and the one that starts both come on top; `--admin off` does without them.
    Target("memory of who answers, after 200 k names, MB", "distinct", "panteras", "own", 80),
    Target("latency added at p50, ms", "latency", "panteras", "added50", 0.15),
    Target("latency added at p99, ms", "latency", "panteras", "added99", 1.0),
    Target("start to first answer, s", "start", "panteras", "start", 0.7),
]


def judged(results: Results) -> list[tuple[Target, float]]:
    """The targets that this run measured, each with its value."""
    values = ((target, target.value(results)) for target in TARGETS)
    return [(target, value) for target, value in values if value is not None]


def all_kept(results: Results) -> bool:
    """Whether every target that this run measured was met."""
    return all(target.is_kept(value) for target, value in judged(results))
