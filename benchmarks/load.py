"""Full load from dnsperf: which questions are asked, and what became of them.

Ten clients with a hundred questions outstanding in all, on the core that the server is not on.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import require
from benchmarks.trouble import Trouble
from benchmarks.upstream import SERVICES

PROGRAM, PACKAGE = "dnsperf", "dnsperf"
OUTSTANDING = 100
LONGEST = 120.0

Question = tuple[str, str]

# More of them than are ever outstanding: a peer that joins identical questions in flight would otherwise be
# spared most of the forwarding. One in eight is for SRV.
CONSUL: list[Question] = [(f"python{n}.service.consul", "A") for n in range(1, SERVICES + 1)]
CONSUL += [(f"python{n}.service.consul", "SRV") for n in range(1, SERVICES // 7 + 1)]
POPULAR: list[Question] = [(f"www{n}.example", "A") for n in range(1000)]


def distinct(part: int, count: int) -> list[Question]:
    """*count* names that no other *part* holds."""
    return [(f"name{part}-{n}.example", "A") for n in range(count)]


@dataclass(frozen=True)
class Outcome:
    """What dnsperf says of a run."""

    sent: int
    completed: int
    lost: int
    good: int  # NOERROR
    seconds: float

    @property
    def bad(self) -> int:
        """Questions that were lost, or answered with an error."""
        return self.sent - self.good

    def require_good(self) -> None:
        """Raise Trouble when the server refused the work: an error is cheaper than an answer."""
        if self.bad > self.sent * 0.01:
            raise Trouble(f"of {self.sent} questions {self.lost} were lost and {self.completed - self.good} failed")


@dataclass(frozen=True)
class Load:
    """dnsperf with its questions in files in *folder*."""

    folder: Path

    def during(self, port: int, questions: list[Question], seconds: float, rate: float | None = None) -> Outcome:
        """Ask *questions* again and again for that long, as fast as may be or at *rate* a second."""
        return self._run(port, questions, ["-l", f"{seconds:.0f}", *(["-Q", f"{rate:.0f}"] if rate else [])])

    def once(self, port: int, questions: list[Question]) -> Outcome:
        """Ask each of *questions* once."""
        return self._run(port, questions, ["-n", "1"])

    def _run(self, port: int, questions: list[Question], bounds: list[str]) -> Outcome:
        require(PROGRAM, PACKAGE)
        file = self.folder / "questions"
        file.write_text("".join(f"{name} {kind}\n" for name, kind in questions))
        command = [PROGRAM, "-s", "127.0.0.1", "-p", str(port), "-d", str(file), *bounds]
        command += ["-c", "10", "-q", str(OUTSTANDING), "-t", "2", "-b", "4096"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
        if done.returncode:
            raise Trouble(f"dnsperf failed: {done.stderr.strip()}")
        return outcome(done.stdout)


def outcome(text: str) -> Outcome:
    """The closing statistics of dnsperf, read."""
    return Outcome(
        sent=int(_figure(text, r"Queries sent: +(\d+)")),
        completed=int(_figure(text, r"Queries completed: +(\d+)")),
        lost=int(_figure(text, r"Queries lost: +(\d+)")),
        good=int(_figure(text, r"NOERROR (\d+)")),
        seconds=_figure(text, r"Run time \(s\): +([\d.]+)"),
    )


def _figure(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0
