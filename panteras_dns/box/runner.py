"""HAProxy as our child, where nobody else runs it: started with the file, started again when it ends, ended with us.

Its sockets tell whether one runs already, as after a kill of ours: that one is taken over, and no second one is
started.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from panteras_dns.box.haproxy import LEAST, PROGRAM

log = Logger()

_AGAIN = 1.0  # seconds before the next start


class Unusable(Exception):
    """There is no HAProxy here that can be used; the text says what to do."""


def version() -> str:
    """Of the HAProxy that is here; `Unusable` without one, or with one that is too old."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise Unusable(f"{PROGRAM}: not found: apt install haproxy")
    told = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    found = re.search(r"version (\d+)\.(\d+)\S*", told)
    if found is None or (int(found[1]), int(found[2])) < LEAST:
        raise Unusable(f"{path}: version {found[0] if found else 'unknown'}: expected {LEAST[0]}.{LEAST[1]} or newer")
    return found[0]


def command(run: Path) -> list[str]:
    """How HAProxy is started: a master for reloads, its sockets in *run*."""
    return [PROGRAM, "-W", "-db", "-S", f"{run}/master.sock,mode,600", "-f", f"{run}/haproxy.cfg"]


class Runner(ProcessProtocol):
    transport: Any = None

    def __init__(self, reactor: Any, run: Path) -> None:
        self._reactor = reactor
        self._run = run
        self._stopping = False

    def start(self) -> None:
        """Start it; while one that we did not start answers at the socket, be ready to."""
        if self._stopping:
            return
        if _answers(self._run / "master.sock"):
            self._reactor.callLater(_AGAIN, self.start)
            return
        if not (self._run / "haproxy.cfg").exists():  # written in a moment
            self._reactor.callLater(0.05, self.start)
            return
        path = shutil.which(PROGRAM) or PROGRAM
        # Our own descriptors for what it says: its lines are in our log's stream.
        self._reactor.spawnProcess(self, path, command(self._run), dict(os.environ), "/", childFDs={0: 0, 1: 1, 2: 2})

    def stop(self) -> None:
        self._stopping = True
        if self.transport is not None and self.transport.pid:
            self.transport.signalProcess("TERM")

    def processEnded(self, reason: Failure) -> None:
        if not self._stopping:
            log.warn("HAProxy ended, {reason}: starting it again", reason=reason.getErrorMessage())
            self._reactor.callLater(_AGAIN, self.start)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(1)
        return sock.connect_ex(str(path)) == 0
