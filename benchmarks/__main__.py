"""`python -m benchmarks`: minutes of measuring, progress on stderr, the tables on stdout."""

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks import upstream
from benchmarks.machine import machine
from benchmarks.peers import PEERS, version_of
from benchmarks.report import tables, targets, write_page
from benchmarks.rounds import Results, measure
from benchmarks.scenarios import SCENARIOS
from benchmarks.targets import all_kept
from benchmarks.trouble import Trouble

Item = TypeVar("Item")

EXAMPLES = """\
while working on the fast path:
  python -m benchmarks --only forward --peers panteras,dnsdist --rounds 1
the page in the manual:
  python -m benchmarks --write docs/performance.md
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 1 when a target is missed and `--check` asked for it, 2 when the run is impossible."""
    options = _parser().parse_args(arguments)
    # So that a run that is ended takes its servers along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run(options)
    except Trouble as trouble:
        print(f"benchmarks: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    peers = _chosen(options.peers, PEERS, "peer")
    scenarios = _chosen(options.only, SCENARIOS, "scenario")
    for peer in peers:
        peer.require()
    rounds, seconds = (
        options.rounds or (1 if options.quick else 3),
        options.seconds or (2 if options.quick else 5),
    )
    results = measure(peers, scenarios, rounds, seconds)
    versions = {peer.name: peer.version() for peer in peers} | {"nsd": version_of(upstream.PROGRAM, "-v")()}
    print(f"{tables(results)}\n\n{targets(results)}".rstrip())
    if options.json:
        options.json.write_text(_as_json(results, versions))
    if options.write:
        write_page(options.write, results, versions, rounds, seconds)
    return 1 if options.check and not all_kept(results) else 0


def _chosen(names: str | None, known: Mapping[str, Item], what: str) -> list[Item]:
    """The items that a list with commas names, or all."""
    chosen: Iterable[str] = names.split(",") if names else known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise Trouble(f"no such {what}: {', '.join(unknown)} (there are {', '.join(known)})")
    return [known[name] for name in chosen]


def _as_json(results: Results, versions: Mapping[str, str]) -> str:
    run = {"machine": machine(), "stolen": results.stolen, "versions": versions, "rounds": results.rounds}
    return json.dumps(run, indent=1) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this server beside its peers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one round of 2 s instead of three of 5 s")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds; the figures are their medians")
    parser.add_argument("--seconds", type=int, metavar="N", help="seconds of load for each figure")
    parser.add_argument("--only", metavar="NAME,…", help=f"scenarios: {', '.join(SCENARIOS)}")
    parser.add_argument("--peers", metavar="NAME,…", help=f"servers: {', '.join(PEERS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page, and its chart beside it")
    parser.add_argument("--check", action="store_true", help="exit with status 1 when a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
