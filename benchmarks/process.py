"""One server at work: started on its core, watched through /proc, ended by its own id.

CPU time is the figure to trust: queries per second move with the machine, CPU time per query hardly does.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.client import is_answered, query
from benchmarks.trouble import Trouble

PROBE = query("python1.service.consul", "A")  # what every server here answers, once it is ready
TICKS = os.sysconf("SC_CLK_TCK")
LONGEST_START = 15.0
LONGEST_STOP = 5.0


class Process:
    """A command pinned to one core for the length of a `with` block, which begins at its first answer.

    *start* is how long that took, in seconds.
    """

    def __init__(
        self,
        command: list[str],
        port: int,
        core: int,
        log: Path,
    ) -> None:
        self.command = ["taskset", "--cpu-list", str(core), *command]
        self.port = port
        self.log = log
        self.start = 0.0

    def __enter__(self) -> Self:
        began = time.monotonic()
        with self.log.open("wb") as log:
            # A group of its own, so that an end by force reaches the workers and nothing else.
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        try:
            while not is_answered(self.port, PROBE):
                self._check(time.monotonic() - began)
        except BaseException:
            self._stop()
            raise
        self.start = time.monotonic() - began
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def cpu(self) -> float:
        """User and system time of all processes and threads since they started, in seconds."""
        return sum(map(_cpu, _family(self._process.pid)))

    def busiest(self) -> float:
        """The same of the one process that had the most: who answers, where others only write about it."""
        return max(map(_cpu, _family(self._process.pid)))

    def memory(self) -> float:
        """Memory of all processes, in MB (10^6 bytes): resident, what they share counted once (PSS)."""
        return sum(_megabytes(pid, "smaps_rollup", "Pss:") for pid in _family(self._process.pid))

    def own_memory(self) -> float:
        """Resident memory of the one process that answers, in MB: the busiest."""
        return _megabytes(max(_family(self._process.pid), key=_cpu), "status", "VmRSS:")

    def _check(self, waited: float) -> None:
        """Raise Trouble when the process has ended, or has been silent for too long."""
        ended = self._process.poll()
        if ended is None and waited < LONGEST_START:
            return
        fate = f"ended with status {ended}" if ended is not None else "gave no answer"
        last = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        command = " ".join(self.command)
        raise Trouble("\n  ".join([f"{fate} after {waited:.1f} s: {command}", *last]))

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(LONGEST_STOP)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def require(program: str, package: str) -> None:
    """Raise Trouble unless *program* is installed."""
    if shutil.which(program) is None:
        raise Trouble(f"{program} is not installed: apt-get install {package}")


def _family(pid: int) -> Iterator[int]:
    """*pid* and all processes below it."""
    yield pid
    for child in _read(pid, f"task/{pid}/children").split():
        yield from _family(int(child))


def _cpu(pid: int) -> float:
    # Fields 14 and 15 of proc(5), counted after the name: a name may hold spaces and brackets.
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _megabytes(pid: int, entry: str, key: str) -> float:
    return sum(int(line.split()[1]) for line in _read(pid, entry).splitlines() if line.startswith(key)) * 1024 / 1e6


def _read(pid: int, entry: str) -> str:
    """An entry of /proc/PID; a process that has gone is an error, as its time can no longer be told."""
    return Path(f"/proc/{pid}/{entry}").read_text()
