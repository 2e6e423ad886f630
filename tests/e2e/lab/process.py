"""A program of the lab: started with a log of its own, ended by its own id."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.namespace import Namespace
from lab.patience import eventually

LONGEST_STOP = 10.0


class Process:
    """One program from start to stop, in *namespace* or, without one, in the machine's own network."""

    def __init__(self, command: Sequence[str], log: Path, namespace: Namespace | None = None) -> None:
        self.log = log
        self._errors = log.with_suffix(".err")
        with log.open("wb") as out, self._errors.open("wb") as err:
            # A session of its own: the terminal's Ctrl-C is for the tests, which then stop the lab in order.
            self._popen = subprocess.Popen(
                [*(namespace.prefix if namespace else ()), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",  # what runs is what is installed, wherever the tests are started
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def errors(self) -> str:
        return self._errors.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def children(self) -> list[int]:
        """The ids of its direct children that are alive now."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def owners(self) -> set[int]:
        """The effective user ids under which it and its children run."""
        return {_owner(pid) for pid in (self.pid, *self.children())}

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def wait(self, within: float) -> int:
        """Its exit status, once it has ended by itself."""
        return self._popen.wait(within)

    def wait_until(self, look: Callable[[], object], what: str, within: float = 15.0) -> None:
        """Wait until *look* returns something true, but not longer than the program lives."""
        eventually(lambda: not self.running or look(), what, within)
        assert self.running, f"ended with {self._popen.returncode} before it was {what}:\n{self.output}{self.errors}"

    def stop(self) -> int:
        """End it, by force if need be, and return its exit status (negative: the signal that ended it)."""
        children = self.children()
        self.signal(signal.SIGCONT)  # a frozen program would sleep through its end
        self.signal(signal.SIGTERM)
        try:
            return self._popen.wait(LONGEST_STOP)
        except subprocess.TimeoutExpired:
            for pid in children:
                _kill(pid)
            self._popen.kill()
            return self._popen.wait(LONGEST_STOP)


def _owner(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[2])


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
