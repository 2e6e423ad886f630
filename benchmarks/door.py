"""What the SSH door costs: beside plain sshuttle over a plain sshd, in one run; and how long its commands take.

`python -m benchmarks.door --write docs/ssh-door.md` puts the figures into the manual. As root; needs the packages of
`.ci/install`.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.door_stage import DNS, DOOR, LIMITED, NETWORK, PLAIN, SERVICE, STREAMS, VISITS, Stage, Way, panteras
from benchmarks.figures import number, publish, verdicts
from benchmarks.machine import ProcessorTime, machine
from benchmarks.report import table
from benchmarks.rounds import Results
from benchmarks.targets import Target
from benchmarks.trouble import Trouble
from panteras_dns.access.index import Index

MARK = "<!-- figures: make bench-door -->\n"
MANY = 10_000
LONGEST = 60  # seconds for one measurement
TRIES = 3
BURSTS = 10
_VISIT = (sys.executable, "-m", "benchmarks.visits")
FIGURES = {
    "connect": "connect, ms",
    "down1": "1 stream, Mbit/s",
    "down50": "50 streams, Mbit/s",
    "up1": "1 up, Mbit/s",
}
# What the door promises: in time of plain sshuttle's, and in throughput, which is turned round.
TARGETS = [
    Target("connect, of plain's", "tunnel", DOOR, "connect", 1.1, PLAIN),
    Target("connect, limited to services, of plain's", "tunnel", LIMITED, "connect", 1.1, PLAIN),
    Target("time for the bytes of 1 stream, of plain's", "tunnel", DOOR, "slow1", 1.0, PLAIN),
    Target("time for the bytes of 50 streams, of plain's", "tunnel", DOOR, "slow50", 1.0, PLAIN),
    Target("`grant`, s", "command", "grant", "seconds", 0.3),
    Target(f"`list` of {MANY:,}, s", "command", "list", "seconds", 1.0),
    Target(f"`list --json` of {MANY:,}, s", "command", "list --json", "seconds", 1.0),
    Target(f"revoked keys of {MANY:,} written anew, s", "command", "repair", "seconds", 2.0),
]
PAGE = """\
## Measured

{tunnel}

{targets}

* Network namespaces on one machine: a laptop for each way in, the gateway, a host with the services. Plain is an sshd
  with seven lines of configuration and what sshuttle uploads by itself; both run the same Python and the same options
  of the client. Every way in is open all the time, each is measured alone, in {rounds} rounds of rotating order; the
  figures are medians, and ratios are taken within a round.
* Connect: {visits} TCP connections one after the other, from the connect to the first byte of the service, in ten
  bursts that take turns.
  Streams: iperf3, {seconds} s, from the service to the laptop, and one the other way.
* Commands: wall time of `panteras access …` from start to exit, the median of five.
* {machine}. While it ran, the host took {stolen:.1%} of the processor time for other guests.
"""


def measure(rounds: int, visits: int, seconds: int) -> Results:
    """Every way in, round after round, another one first each time; then the commands."""
    results, began = Results(), ProcessorTime.now()
    with tempfile.TemporaryDirectory(prefix="panteras-door-", dir="/var/tmp") as name, Stage(Path(name)) as stage:
        stage.set()
        for turn in range(-1, rounds):  # the first warms up
            first = turn % len(stage.ways)
            ways = [*stage.ways[first:], *stage.ways[:first]]
            connects = _connects(ways, visits)
            for way in ways:
                figures = {"connect": connects[way.name], **_streams(way, seconds if turn >= 0 else 1)}
                if turn >= 0:
                    results.add("tunnel", way.name, figures)
                print(f"{turn + 1}/{rounds} {way.name:16} {_inline(figures)}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="panteras-door-", dir="/var/tmp") as name:
        _commands(Path(name) / "access", results)
    results.stolen = ProcessorTime.now().stolen_since(began)
    return results


def _connects(ways: Sequence[Way], visits: int) -> dict[str, float]:
    """Milliseconds of a connect, by way: many short bursts in turn, as the machine's speed drifts."""
    found: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(BURSTS):
        for way in ways:
            words = [*_VISIT, "time", SERVICE, str(VISITS), str(visits // BURSTS)]
            found[way.name] += json.loads(_inside(way, words))
    return {name: statistics.median(each) * 1000 for name, each in found.items()}


def _streams(way: Way, seconds: int) -> dict[str, float]:
    down1, down50 = (_stream(way, seconds, "--reverse", "--parallel", str(count)) for count in (1, 50))
    return {
        "down1": down1,
        "down50": down50,
        "up1": _stream(way, seconds),
        "slow1": 1 / down1,
        "slow50": 1 / down50,
    }


def _stream(way: Way, seconds: int, *options: str) -> float:
    """Mbit/s that arrived."""
    words = ["iperf3", "--client", SERVICE, "--port", str(STREAMS), "--time", str(seconds), "--json", *options]
    why = ""
    for _ in range(TRIES):
        told = json.loads(_inside(way, words))
        if "sum_received" in told["end"]:
            return float(told["end"]["sum_received"]["bits_per_second"]) / 1e6
        why = told.get("error", "no figures")
        time.sleep(1)  # its server may not be done with the last one
    raise Trouble(f"{way.name}: iperf3: {why}")


def _inside(way: Way, words: Sequence[str]) -> str:
    done = subprocess.run([*way.laptop.prefix, *words], capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode:
        raise Trouble(f"{way.name}: {' '.join(words)}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def _commands(state: Path, results: Results) -> None:
    """Wall time of the commands, on an index of many."""
    _timed(state, "init", "--network", NETWORK, "--dns", DNS, "--uid", "0")
    for person in range(5):
        results.add("command", "grant", {"seconds": _timed(state, "grant", f"person{person}")})
    index = Index(state / "index.db")
    (pattern,) = index.of("person0")
    with index.writing():
        index.add(
            replace(pattern, serial=serial, name=f"person{serial}", digest=serial.to_bytes(32))
            for serial in range(1_000_000, 1_000_000 + MANY)
        )
        index.revoke(range(1_000_000, 1_000_000 + MANY), pattern.issued)
    for _ in range(5):
        results.add("command", "list", {"seconds": _timed(state, "list", "--all")})
        results.add("command", "list --json", {"seconds": _timed(state, "list", "--json")})
        results.add("command", "repair", {"seconds": _timed(state, "repair")})


def _timed(state: Path, *words: str) -> float:
    began = time.perf_counter()
    subprocess.run([*panteras("access", *words), "--state", str(state)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _inline(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {figures[name]:.4g}" for name in FIGURES)


def page(results: Results, rounds: int, visits: int, seconds: int) -> str:
    """The figures, as they stand in the manual."""
    rows = [
        [way, *(number(results.median("tunnel", way, figure)) for figure in FIGURES)] for way in results.peers("tunnel")
    ]
    return PAGE.format(
        tunnel=table(["way in", *FIGURES.values()], rows),
        targets=verdicts(TARGETS, results),
        rounds=rounds,
        visits=visits,
        seconds=seconds,
        machine=re.sub(r"[ \t]+", " ", machine()),
        stolen=results.stolen,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.door", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--visits", type=int, default=500, metavar="N", help="connections a round")
    parser.add_argument("--seconds", type=int, default=4, metavar="N", help="of each stream")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures into the page of the manual")
    options = parser.parse_args(arguments)
    chosen = (options.rounds, options.visits, options.seconds)
    needed = {"ip": "iproute2", "iperf3": "iperf3", "consul": "consul"}
    return publish(needed, lambda: page(measure(*chosen), *chosen), options.write, MARK)


if __name__ == "__main__":
    sys.exit(main())
