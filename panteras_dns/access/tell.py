"""Who is connected and what ends soon, written to a file for the dashboard: names and times, nothing that is secret.

The dashboard's process may read nothing of the doors' state; this is all it hears of it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from panteras_dns.access.trouble import Trouble

WARN = 30  # days: ends are shown so long before


def picture(sessions: Sequence[Mapping[str, Any]], ending: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """What is written, at *now*, seconds since the epoch."""
    return {
        "at": now,
        "sessions": [
            {
                "id": "/".join(filter(None, (str(one.get("identity", "")), str(one.get("device", ""))))),
                "door": str(one.get("door", "")),
                "since": _seconds(one.get("since")),
            }
            for one in sessions
        ],
        "ending": [{"what": str(one["what"]), "not_after": _seconds(one["not_after"])} for one in ending],
    }


def write(path: Path, told: Mapping[str, Any]) -> None:
    """Put it there by rename, for everybody to read."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
            json.dump(told, file)
            os.fchmod(file.fileno(), 0o644)
        fresh.rename(path)
    except OSError as problem:
        raise Trouble(f"{path}: {problem.strerror}: expected a file in a directory that can be written") from None


def _seconds(moment: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return None
