"""Who is connected now: one file a session, locked by the process that carries it.

The kernel gives up the lock when that process is gone, however it ended: a lock is the proof that a session lives,
and its absence that it does not, also across containers that share the directory.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panteras_dns.access.trouble import Trouble

_LOOK = 0.02  # seconds between two looks


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
        if serial.isdecimal() and (serials is None or int(serial) in serials) and _locked(path):
            found.append(_told(path) | {"serial": int(serial)})
    return found


def gone(directory: Path, serials: Collection[int], patience: float) -> tuple[bool, float]:
    """Wait until no session of *serials* lives: whether that is so, and how many seconds it took."""
    began = time.monotonic()
    while live(directory, serials):
        if time.monotonic() - began > patience:
            return False, time.monotonic() - began
        time.sleep(_LOOK)
    return True, time.monotonic() - began


def _locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        if os.fstat(descriptor).st_size:  # an empty one may be about to be locked
            path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _told(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # half written, or just gone
    return told if isinstance(told, dict) else {}
