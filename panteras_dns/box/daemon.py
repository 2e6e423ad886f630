"""The life of a program of the box: log, reactor, signals; it runs until SIGTERM."""

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from panteras_dns.host import process
from panteras_dns.host.journal import begin

log = Logger()


class CannotStart(Exception):
    """Something that must be there is not; the text is the reason, in one line."""


class Part(Protocol):
    """What is run. `start()` fires with a line that says what is ready; `stop()` is the last that is called.

    `failed`: whether it ended for a bug.
    """

    @property
    def failed(self) -> bool: ...

    def start(self) -> "Deferred[str]": ...

    def stop(self) -> None: ...


def run(reactor: Any, part: Part, log_format: str, log_level: str) -> int:
    """Until SIGTERM or SIGINT; the exit status: 1 when it could not go on."""
    begin(log_format, log_level)
    status = [0]

    def ready(line: str) -> None:
        process.notify("READY=1")
        log.info("ready: {line}", line=line)

    def failed(failure: Any) -> None:
        if failure.check(CannotStart):
            log.error("could not start: {problem}", problem=failure.value)
        else:
            log.failure("could not start", failure)
        status[0] = 1
        reactor.stop()

    def stop() -> None:
        process.notify("STOPPING=1")
        part.stop()

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.callWhenRunning(lambda: part.start().addCallbacks(ready, failed))
    reactor.run()  # with its own handlers: SIGTERM and SIGINT stop it, SIGCHLD tells that a child ended
    return 1 if part.failed else status[0]
