"""Several processes that share the port: made, watched, replaced.

The parent holds every worker's sockets, so that what arrives while a dead worker is replaced waits in them. It
answers no queries itself, and keeps no threads and no reactor: a fork copies neither well.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from panteras_dns.host.process import die_with_parent, notify

_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
_GRACE = 0.9  # seconds between SIGTERM and SIGKILL
_GRACE_ASIDE = 1.5  # the same for those that end last
_PAUSE = 0.5  # seconds before a worker that lived no longer than that is replaced
_LOOK, _LONG = 0.1, 60.0  # seconds between looks at who begins again; the longest pause before that
_START = 10.0  # seconds in which all are expected to be ready


def heed(reactor: Any, end: Callable[[], Any], calls: Mapping[signal.Signals, Callable[[], Any]]) -> None:
    """From now on a signal has the reactor make its call; those that came before are heard now.

    *end* is called once: systemd tells every process to stop, and so does the supervisor."""
    ended: list[bool] = []

    def once() -> None:
        if not ended:
            ended.append(True)
            end()

    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # unless it is among them: the parent tells it to all
    for number, call in {signal.SIGTERM: once, signal.SIGINT: once, **calls}.items():
        signal.signal(number, lambda *_, call=call: reactor.callFromThread(call))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


class Supervisor:
    """Runs *work(index, ready)* in *count* processes until it is told to stop.

    The last *aside* of them only look on: nobody waits until they are ready, and they end after the others."""

    def __init__(self, count: int, work: Callable[[int, Callable[[], None]], None], aside: int = 0) -> None:
        self._work = work
        self._first_aside = count - aside
        self._born: dict[int, tuple[int, float]] = {}  # pid -> index, time
        self._count = count
        self._pauses: dict[int, float] = {}  # of those aside, by index: seconds
        self._due: dict[int, float] = {}  # when they begin again
        self._pipe = os.pipe()

    def run(self, ready: Callable[[], None], died: Callable[[int, int], None]) -> int:
        """Until SIGTERM or SIGINT; returns the exit status: 1 when they do not get ready. *ready* is called when
        all are, *died* with the pid and wait status of each that ends unasked."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        for index in range(self._count):
            self._fork(index)
        if not self._all_ready():
            self._stop()
            return 1
        ready()
        while True:
            heard = signal.sigtimedwait(_WATCHED, _LOOK if self._due else _LONG)
            number = heard.si_signo if heard else 0
            self._begin_again()
            if number in {signal.SIGHUP, signal.SIGUSR1}:
                self._tell(number)
            elif number == signal.SIGCHLD:
                self._replace(died)
            elif number:
                return self._stop()

    def _fork(self, index: int) -> None:
        sys.stdout.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._born[pid] = (index, time.monotonic())
            return
        die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if index < self._first_aside:  # the others call `heed` when they can
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        status = 1
        try:
            self._work(index, self._report)
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _report(self) -> None:
        os.write(self._pipe[1], b".")

    def _all_ready(self) -> bool:
        deadline = time.monotonic() + _START
        seen = 0
        while seen < self._first_aside and time.monotonic() < deadline and not self._lost_one():
            if select.select([self._pipe[0]], [], [], 0.1)[0]:
                seen += len(os.read(self._pipe[0], self._count))
        return seen >= self._first_aside

    def _lost_one(self) -> bool:
        """Whether one of those that have to be ready has ended. The others are replaced later."""
        return any(self._born[pid][0] < self._first_aside for pid, _ in self._ended())

    def _replace(self, died: Callable[[int, int], None]) -> None:
        for pid, status in self._ended():
            index, since = self._born.pop(pid)
            died(pid, status)
            lived = time.monotonic() - since
            if index >= self._first_aside:
                self._pauses[index] = min(2 * self._pauses.get(index, _PAUSE / 2), _LONG) if lived < _LONG else _PAUSE
                self._due[index] = time.monotonic() + self._pauses[index]
                continue
            if lived < _PAUSE:
                time.sleep(_PAUSE)
            self._fork(index)

    def _begin_again(self) -> None:
        """Those aside whose pause is over: one that dies at once must not be forked all the time."""
        for index in [index for index, due in self._due.items() if due <= time.monotonic()]:
            del self._due[index]
            self._fork(index)

    def _ended(self) -> list[tuple[int, int]]:
        found = []
        for pid in list(self._born):
            try:
                done, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:  # heard of before
                done, status = pid, 0
            if done:
                found.append((pid, status))
        return found

    def _tell(self, number: int, below: int | None = None) -> None:
        """All, or those with an index *below* that."""
        for pid, (index, _) in self._born.items():
            if below is None or index < below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _stop(self) -> int:
        notify("STOPPING=1")  # systemd listens to this process alone
        self._tell(signal.SIGTERM, self._first_aside)
        self._bury(_GRACE, self._first_aside)
        self._tell(signal.SIGTERM)
        self._bury(_GRACE_ASIDE, self._count)
        self._tell(signal.SIGKILL)
        return 0

    def _bury(self, grace: float, below: int) -> None:
        """Wait so long for those with an index *below* that."""
        deadline = time.monotonic() + grace
        while any(index < below for index, _ in self._born.values()) and time.monotonic() < deadline:
            for pid, _ in self._ended():
                del self._born[pid]
            time.sleep(0.01)
