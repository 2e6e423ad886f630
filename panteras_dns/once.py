"""One question, asked with the reactor started for it alone: what commands do that end."""

from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import ensureDeferred

from panteras_dns.consul import Refused
from panteras_dns.rest import Unreachable


class Failed(Exception):
    """It could not be asked; the text says why."""


def now(reactor: Any, work: Awaitable[Any]) -> Any:
    """What comes of *work*; `Failed` when Consul or the engine can't be asked, `KeyboardInterrupt` when it was told to
    stop."""
    outcome: list[Any] = []

    def end(value: Any) -> None:
        outcome.append(value)
        reactor.stop()

    reactor.callWhenRunning(lambda: ensureDeferred(work).addBoth(end))  # type: ignore[arg-type]
    reactor.run()
    if not outcome:
        raise KeyboardInterrupt
    failure = getattr(outcome[0], "value", None)
    if isinstance(failure, Unreachable | Refused):
        raise Failed(str(failure))
    if isinstance(failure, BaseException):
        raise failure
    return outcome[0]
