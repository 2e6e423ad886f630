"""Who is connected now: one file a session, locked by the process that carries it.

The kernel gives up the lock when that process is gone, however it ended: a lock is the proof that a session lives,
and its absence that it does not, also across containers that share the directory.
"""

import contextlib
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panteras_dns.access.trouble import Trouble

_LOOK = 0.02  # seconds between two looks
_LONGEST = 4096  # bytes that a session may tell
_SERIAL = re.compile(r"\d{1,20}", re.ASCII)


@contextlib.contextmanager
def session(directory: Path, told: Mapping[str, Any]) -> Iterator[None]:
    """Be known as a session for as long as this lasts. *told*: what others may know of it; `serial` is needed."""
    path = directory / f"{told['serial']}.{os.getpid()}.{time.time_ns()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(told).encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def live(directory: Path, serials: Collection[int] | None = None) -> Sequence[Mapping[str, Any]]:
    """What the sessions tell that live now, those of *serials* alone if given. Files of dead ones are cleared away."""
    found = []
    try:
        paths = sorted(directory.iterdir())
    except OSError as problem:
        raise Trouble(f"{directory}: {problem.strerror}: nobody can tell who is connected") from None
    for path in paths:
        serial = path.name.partition(".")[0]
        if _SERIAL.fullmatch(serial) and (serials is None or int(serial) in serials):
            told = _looked_at(path)
            if told is not None:
                found.append(told | {"serial": int(serial)})
    return found


def gone(directory: Path, serials: Collection[int], patience: float) -> tuple[bool, float]:
    """Wait until no session of *serials* lives: whether that is so, and how many seconds it took."""
    began = time.monotonic()
    while live(directory, serials):
        if time.monotonic() - began > patience:
            return False, time.monotonic() - began
        time.sleep(_LOOK)
    return True, time.monotonic() - began


def _looked_at(path: Path) -> dict[str, Any] | None:
    """What a session tells; None when it is dead. The directory is the door's: nothing in it is believed."""
    try:
        # A link could lead anywhere, a pipe would keep whoever revokes waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _told(os.pread(descriptor, _LONGEST, 0))
    else:
        if os.fstat(descriptor).st_size:  # an empty one may be about to be locked
            path.unlink(missing_ok=True)
        return None
    finally:
        os.close(descriptor)


def _told(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {}  # half written
    if not isinstance(told, dict):
        return {}
    return {key: value if isinstance(value, int) else _printable(str(value)) for key, value in told.items()}


def _printable(text: str) -> str:
    """Without what would move the cursor of who reads it."""
    return "".join(one if one.isprintable() else "?" for one in text)
