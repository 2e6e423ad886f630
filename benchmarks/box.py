"""How soon a page opens: after Consul knows of an instance, beside HAProxy's own resolver, and after `docker start`.

`python -m benchmarks.box --write docs/balancer.md` puts the figures into the manual. As root; needs the packages of
`.ci/install`.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.box_stage import PANTERAS, PORTS, RESOLVER, Stage
from benchmarks.figures import number, publish, verdicts
from benchmarks.machine import ProcessorTime, machine
from benchmarks.report import table
from benchmarks.rounds import Results
from benchmarks.targets import Target

MARK = "<!-- figures: make bench-box -->\n"
TARGETS = [
    Target("Consul's change to the first page, one more instance, ms", "instance", PANTERAS, "ms", 20),
    Target("Consul's change to the first page, a new service, ms", "service", PANTERAS, "ms", 250),
    Target("`docker start` to the first page, ms", "container", PANTERAS, "ms", 2000),
]
WHAT = {"instance": "one more instance", "service": "a new service", "container": "`docker start`"}
PAGE = """\
## Measured

Milliseconds until the first page of what is new: median, and the slowest.

{arrivals}

{targets}

* One docker host in a network namespace with Consul in development mode, `panteras registrator`, `panteras balancer`,
  and beside them HAProxy with `server-template` and Consul's SRV records, asked every second, which knows only services
  that its file names. Both balancers run all the time and are measured in turn, {rounds} rounds of {count}.
* {machine}. While it ran, the host took {stolen:.1%} of the processor time for other guests.
"""


def measure(rounds: int, count: int) -> Results:
    results, began = Results(), ProcessorTime.now()
    with tempfile.TemporaryDirectory(prefix="panteras-box-", dir="/var/tmp") as name, Stage(Path(name)) as stage:
        stage.set()
        for turn in range(rounds):
            for kind, who in (("instance", PANTERAS), ("instance", RESOLVER), ("service", PANTERAS)):
                _add(results, kind, who, stage.arrivals(kind, str(PORTS[who]), str(count)))
            _add(results, "container", PANTERAS, [stage.container(f"bench-{turn}-{one}") for one in range(count)])
    results.stolen = ProcessorTime.now().stolen_since(began)
    return results


def _add(results: Results, kind: str, who: str, found: object) -> None:
    assert isinstance(found, list)
    for seconds in found:
        results.add(kind, who, {"ms": seconds * 1000})
    told = " ".join(f"{seconds * 1000:.0f}" for seconds in found)
    print(f"{kind:10} {who:20} {told}", file=sys.stderr, flush=True)


def page(results: Results, rounds: int, count: int) -> str:
    """The figures, as they stand in the manual."""
    rows = [
        [WHAT[kind], who, number(results.median(kind, who, "ms")), number(max(one["ms"] for one in found))]
        for kind, peers in results.rounds.items()
        for who, found in peers.items()
    ]
    return PAGE.format(
        arrivals=table(["what is new", "balancer", "median", "slowest"], rows),
        targets=verdicts(TARGETS, results),
        rounds=rounds,
        count=count,
        machine=re.sub(r"[ \t]+", " ", machine()),
        stolen=results.stolen,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.box", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--count", type=int, default=10, metavar="N", help="arrivals of each kind a round")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures into the page of the manual")
    options = parser.parse_args(arguments)
    chosen = (options.rounds, options.count)
    needed = {"ip": "iproute2", "haproxy": "haproxy", "consul": "consul"}
    return publish(needed, lambda: page(measure(*chosen), *chosen), options.write, MARK)


if __name__ == "__main__":
    sys.exit(main())
