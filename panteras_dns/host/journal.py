"""The log: one line for each change of state, on stderr, as text or JSON."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogBeginner


def begin(form: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
    """Send everything logged from here on to *stream* (stderr)."""
    write = _json if form == "json" else _text
    out = stream or sys.stderr

    least = LogLevel.levelWithName(level)

    def observer(event: LogEvent) -> None:
        # Twisted's own "starting on port", said for every address, is noise; its warnings are not.
        ours = event.get("log_namespace", "").startswith("panteras_dns")
        if event["log_level"] >= (least if ours else max(least, LogLevel.warn)):
            _emit(event, write, out)

    globalLogBeginner.beginLoggingTo([cast(Any, observer)], redirectStandardIO=False, discardBuffer=True)


def _emit(event: LogEvent, write: Callable[[str, str, str], str], out: TextIO) -> None:
    when = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    message = formatEvent(event)
    if "log_failure" in event:
        message += "\n" + event["log_failure"].getTraceback()
    if message:
        # In one piece, its end included: workers share the pipe, and print() writes the end by itself.
        out.write(f"{write(when, event['log_level'].name, message)}\n")
        out.flush()


def _text(when: str, level: str, message: str) -> str:
    return f"{when} {level} {message}"


def _json(when: str, level: str, message: str) -> str:
    return json.dumps({"time": when, "level": level, "message": message})
