"""What the programs of the box are made of: work that goes on until it is stopped, a bell, patience."""

import random
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

_FIRST = 0.1  # seconds before the second try


class Tasks:
    """Work that never ends by itself: an end nobody asked for is logged as *ending*, and stops the program."""

    def __init__(self, reactor: Any, log: Logger, ending: str) -> None:
        self._reactor, self._log, self._ending = reactor, log, ending
        self._running: list[Deferred[Any]] = []
        self.failed = False

    def start(self, *works: Coroutine[Any, Any, Any]) -> None:
        for work in works:
            task = ensureDeferred(work)
            self._running.append(task)
            task.addErrback(self._ended)

    def stop(self) -> None:
        running, self._running = self._running, []
        for task in running:
            task.cancel()

    def _ended(self, failure: Any) -> None:
        # Who stops cancels what is under way, and a connect then fails in words of its own.
        if self._running and not failure.check(CancelledError):
            self._log.failure(self._ending, failure)
            self.failed = True
            self._reactor.stop()


class Bell:
    """Rung any number of times it wakes once; rung while nobody waits it is heard by the next who does."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: Deferred[None] | None = None

    def ring(self) -> None:
        self._rung = True
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    async def wait(self) -> None:
        if not self._rung:
            self._waiting = Deferred()
            await self._waiting
        self._rung = False


def pause(reactor: Any, tries: int, longest: float) -> "Deferred[None]":
    """Longer after each failure, at most *longest* seconds, and never in step with the other hosts."""
    return deferLater(reactor, min(longest, _FIRST * 2 ** min(tries, 10)) * random.uniform(0.5, 1))
