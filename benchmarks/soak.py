"""Hours in minutes: most of what the server can do, with new names all the time, and nothing lost or left behind.

`python -m benchmarks.soak --minutes 10` finds the capacity, then asks at 70 % of it. Exit status 1 when a question
is lost, or when memory still grows after the first quarter.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.client import free_port
from benchmarks.isolation import isolate
from benchmarks.load import CONSUL, Load, Question, distinct
from benchmarks.peers import Work, panteras
from benchmarks.process import Process
from benchmarks.trouble import Trouble
from benchmarks.upstream import upstream

SEGMENT = 30.0  # seconds of load with the same names
NEW_NAMES = 20_000  # a segment: twice what the cache holds
SHARE = 0.7
MOST_GROWTH = 5.0  # MB


def soak(minutes: float) -> int:
    """Run it; the exit status."""
    server_core, load_core = isolate()
    with tempfile.TemporaryDirectory(prefix="panteras-soak-") as name:
        folder = Path(name)
        with upstream(free_port(), load_core, folder) as source:
            work = Work(free_port(), source.port, 10_000, folder)
            with Process(panteras(work), work.port, server_core, folder / "output") as server:
                return _judge(*_segments(server, Load(folder), minutes))


def _segments(server: Process, load: Load, minutes: float) -> tuple[int, list[float]]:
    """Questions that went wrong, and memory after each segment."""
    rate = SHARE * _capacity(server, load)
    bad, memory = 0, []
    for number in range(max(4, round(minutes * 60 / SEGMENT))):
        outcome = load.during(server.port, _names(number), SEGMENT, rate)
        bad += outcome.bad
        memory.append(server.memory())
        print(
            f"{number + 1:3}  {outcome.completed / SEGMENT:8.0f}/s  {outcome.bad} bad  {memory[-1]:.1f} MB", flush=True
        )
    return bad, memory


def _capacity(server: Process, load: Load) -> float:
    outcome = load.during(server.port, _names(-1), 5)
    return outcome.completed / outcome.seconds


def _names(number: int) -> list[Question]:
    """Half Consul's, which are never cached, half names that nobody has asked for."""
    new = distinct(number + 1000, NEW_NAMES)
    return [question for pair in zip(CONSUL * (NEW_NAMES // len(CONSUL) + 1), new, strict=False) for question in pair]


def _judge(bad: int, memory: list[float]) -> int:
    growth = memory[-1] - memory[len(memory) // 4]
    good = not bad and growth < MOST_GROWTH
    print(f"{'ok' if good else 'NOT ok'}: {bad} lost or failed, {growth:+.1f} MB after the first quarter")
    return 0 if good else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, metavar="N")
    try:
        return soak(parser.parse_args(arguments).minutes)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
