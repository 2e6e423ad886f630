"""The log: one line for each change of state, on stderr, as text or JSON."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from zope.interface import provider

LEVELS = ("debug", "info", "warn", "error")
FORMATS = ("text", "json")


def begin(form: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
    """Send everything logged from here on to *stream* (stderr)."""
    write = _json if form == "json" else _text
    out = stream or sys.stderr

    @provider(ILogObserver)
    def observer(event: LogEvent) -> None:
        _emit(event, write, out)

    allowed = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(level))
    observers = [FilteringLogObserver(observer, [allowed])]
    globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False, discardBuffer=True)


def _emit(event: LogEvent, write: Callable[[str, str, str], str], out: TextIO) -> None:
    when = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    ours = event.get("log_namespace", "").startswith("panteras_dns")
    if not ours and event["log_level"] < LogLevel.warn:
        return  # Twisted's own "starting on port", said for every address
    message = formatEvent(event)
    if "log_failure" in event:
        message += "\n" + event["log_failure"].getTraceback()
    if message:
        print(write(when, event["log_level"].name, message), file=out, flush=True)


def _text(when: str, level: str, message: str) -> str:
    return f"{when} {level} {message}"


def _json(when: str, level: str, message: str) -> str:
    return json.dumps({"time": when, "level": level, "message": message})
