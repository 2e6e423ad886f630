"""Who is connected and what ends soon, written to a file for the dashboard: names and times, nothing that is secret.

The dashboard's process may read nothing of the doors' state; this is all it hears of it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vault import put


def picture(
    sessions: Sequence[Mapping[str, Any]], silent: Sequence[str], ending: Sequence[Mapping[str, Any]], now: float
) -> dict[str, Any]:
    """What is written, at *now*, seconds since the epoch. *silent*: a sentence for each door that does not tell."""
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
        "silent": list(silent),
        "ending": [{"what": str(one["what"]), "not_after": _seconds(one["not_after"])} for one in ending],
    }


def write(path: Path, told: Mapping[str, Any]) -> None:
    """Put it there by rename, for everybody to read."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as problem:
        raise Trouble(f"{path}: {problem.strerror}: expected a file in a directory that can be written") from None
    put(path, json.dumps(told).encode(), 0o644)


def _seconds(moment: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return None
