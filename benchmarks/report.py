"""The figures for people: aligned tables that are Markdown as well, and the page in docs/."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.chart import chart
from benchmarks.machine import machine
from benchmarks.rounds import Results
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.targets import judged

PAGE = """\
# Performance

This server beside its peers, on the same work in the same run. `make bench` measures it again;
`python -m benchmarks --write docs/performance.md` writes this page.

![CPU time per query, server by server]({chart})

{tables}

{targets}

## How it is measured

* One worker or thread each, pinned to one core; the upstream ({upstream}, one process) and the load
  (`dnsperf -c 10 -q 100`) on another. All traffic is UDP on loopback, for root in a network namespace
  of its own, without firewall rules. The order of the servers rotates from round to round; the figures
  are the medians of {rounds}, {seconds:g} s each. Ratios are taken within a round.
* CPU per query is user and system time of all processes and threads of the server, from /proc, over the
  queries it completed. It is the figure to trust: queries per second move with the machine. Queries per
  second are also bounded by the core that the load shares with the upstream: *its core in use* is near 1
  when the server was the limit.
* Consul's part is played by `nsd`: 112 services with two to four instances, TTL 0, addresses in rotating
  order, one question in eight for SRV. There are more questions than are ever outstanding, so that no
  server saves work by joining identical ones: *datagrams per query* shows it (4 when every query is
  forwarded, 2 when none is).
* From cache: 1,000 popular names with a long TTL. Memory: 100,000 names, each asked once, through a
  cache of 10,000; then 100,000 others. It is that of all processes, what they share counted once (PSS). By
  default this server has three: one answers, one shows, one starts both; with `--admin off` it is one.
* The query log: a line for every query, written to a file that keeps nothing. Its process shares the core;
  the figure is that of the process that answers.
* Latency: a client that asks 2,000 times a second whether replies come or not; *added* is the percentile
  through the server less the percentile of asking the upstream directly. Everything shares one core
  here, as a host may take milliseconds to wake an idle virtual one, whoever the server is.
* Peers forward with their caches off (dnsmasq `--cache-size=0 --dns-forward-max=10000`, unbound
  `forward-no-cache: yes`, dnsdist without a packet cache, knot-resolver `NO_CACHE`) and answer with them
  on. DNSSEC validation is off everywhere, logs too. Socket buffers are raised where there is an option
  for it. `benchmarks/peers.py` has the whole configuration.

## What it was measured on

{machine}. While it ran, the host took {stolen:.1%} of the processor time for other guests.

{versions}
"""


def tables(results: Results) -> str:
    """One table for each scenario that was run."""
    run = [scenario for scenario in SCENARIOS.values() if results.peers(scenario.name)]
    return "\n\n".join(f"## {scenario.title}\n\n{_scenario_table(results, scenario)}" for scenario in run)


def targets(results: Results) -> str:
    """What was promised, what was measured, and the verdict; empty when nothing of it was measured."""
    rows = [
        [
            f"{target.peer}, {target.scenario}: {target.what}",
            f"≤ {target.most:g}",
            _number(value),
            "pass" if target.is_kept(value) else "MISSED",
        ]
        for target, value in judged(results)
    ]
    return f"## Targets\n\n{table(['target', 'at most', 'measured', 'verdict'], rows)}" if rows else ""


def write_page(path: Path, results: Results, versions: Mapping[str, str], rounds: int, seconds: float) -> None:
    """The page at *path*, and its chart beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".svg")
    picture.write_text(chart(results))
    page = PAGE.format(
        chart=picture.name,
        tables=tables(results),
        targets=targets(results),
        upstream=f"nsd {versions['nsd']}",
        rounds="one round" if rounds == 1 else f"{rounds} rounds",
        seconds=seconds,
        machine=machine(),
        stolen=results.stolen,
        versions=table(["server", "version"], [[name, version] for name, version in versions.items()]),
    )
    path.write_text(page)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown that is aligned for the terminal too: the first column to the left, numbers to the right."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for row in [cells[0], rule, *cells[1:]]:
        first, *others = zip(row, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines)


def _scenario_table(results: Results, scenario: Scenario) -> str:
    header = ["server", *scenario.figures.values(), *(f"of {rival}'s CPU" for rival in scenario.rivals)]
    rows = []
    for peer in results.peers(scenario.name):
        values = [results.median(scenario.name, peer, figure) for figure in scenario.figures]
        values += [results.ratio(scenario.name, peer, rival, "cpu") for rival in scenario.rivals]
        rows.append([peer, *("" if value is None else _number(value) for value in values)])
    return table(header, rows)


def _number(value: float) -> str:
    """Three significant digits or a whole number, no exponent."""
    if value == int(value):
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
