"""The server under test, as its users start it: `panteras serve` with a command line."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lab.namespace import Namespace
from lab.process import Process

LONGEST_START = 10.0


def command(*words: str) -> Sequence[str]:
    """A `panteras` command line for the package that these tests belong to."""
    return [sys.executable, "-m", "panteras_dns", *words]


class Gateway(Process):
    """A running `panteras serve`; constructed, it is ready."""

    def __init__(self, host: Namespace, log: Path, *options: str) -> None:
        super().__init__(command("serve", *options), log, host)
        try:
            self.wait_until(self._ready, "ready", within=LONGEST_START)
        except BaseException:
            self.stop()
            raise

    @property
    def listening(self) -> Sequence[str]:
        """What it says it listens on, one line each."""
        return [line for line in self.output.splitlines() if line.startswith("listening on ")]

    def verify_log(self) -> None:
        """Fail if it tells of an exception: nothing that comes from the network may lead to one."""
        told = self.output + self.errors
        assert "Traceback" not in told and "Unhandled" not in told, told

    def _ready(self) -> bool:
        return any(line.startswith("ready") for line in self.output.splitlines())
