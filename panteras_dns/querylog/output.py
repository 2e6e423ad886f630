"""Where the lines go: a file, or a socket that somebody reads. Blocking, in a process that has nothing else to do.

A disk that is full or a reader that is gone costs lines, which are counted; it is told once, and tried again.
"""

import contextlib
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from panteras_dns.querylog import dnstap

AGAIN = 5.0  # seconds until it is opened anew
_PATIENCE = 1.0  # seconds for a reader to take what is sent


class Writer(Protocol):
    """An open file or socket."""

    def write(self, data: bytes) -> None: ...

    def moved(self) -> bool: ...

    def close(self) -> None: ...


class _File:
    """*framed*: a stream with a beginning and an end, so a file that holds another one is put aside first."""

    def __init__(self, path: str, framed: bool) -> None:
        self._path, self._framed = path, framed
        if framed:
            _put_aside(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if framed:
            self.write(dnstap.START)

    def write(self, data: bytes) -> None:
        """All of it, or nothing: half a line would spoil the next."""
        before = os.fstat(self._descriptor).st_size
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise

    def moved(self) -> bool:
        """Whether another file, or none, has its name now."""
        try:
            there, ours = Path(self._path).stat(), os.fstat(self._descriptor)
        except OSError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        if self._framed:
            with contextlib.suppress(OSError):
                self.write(dnstap.STOP)
        os.close(self._descriptor)


def _put_aside(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if Path(path).stat().st_size and stat.S_ISREG(Path(path).stat().st_mode):
            Path(path).rename(f"{path}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")


class _Socket:
    def __init__(self, path: str, framed: bool) -> None:
        self._framed = framed
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(_PATIENCE)
        try:
            self._sock.connect(path)
            if framed:
                self._sock.sendall(dnstap.READY)
                if not dnstap.is_accept(self._sock.recv(4096)):
                    raise OSError(0, "what listens there takes no dnstap")
                self._sock.sendall(dnstap.START)
        except OSError:
            self._sock.close()
            raise

    def write(self, data: bytes) -> None:
        self._sock.sendall(data)

    def moved(self) -> bool:
        return False

    def close(self) -> None:
        if self._framed:
            with contextlib.suppress(OSError):
                self._sock.sendall(dnstap.STOP)
        self._sock.close()


class Output:
    """*to*: a path, or unix:///PATH; "" for nowhere. *told* hears of trouble and of its end, in words."""

    def __init__(self, to: str, framed: bool, told: Callable[[str], None]) -> None:
        self.lost = 0
        self._to, self._framed, self._told = to, framed, told
        self._writer: Writer | None = None
        self._failed_at = 0.0
        self._troubled = False

    def write(self, data: bytes, count: int) -> None:
        """*count* lines or messages; lost while there is trouble."""
        if not self._to:
            return
        if self._writer is None and not self._opened():
            self.lost += count
            return
        try:
            assert self._writer is not None
            self._writer.write(data)
        except OSError as problem:
            self.lost += count
            self._fail(problem)

    def look(self) -> None:
        """Go on in the file that has the name now, if it is another (logrotate, a directory that was removed)."""
        if self._writer is not None and self._writer.moved():
            self.close()

    def reopen(self) -> None:
        """The same, and try at once where there was trouble."""
        self.look()
        self._failed_at = 0.0

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _opened(self) -> bool:
        now = time.monotonic()
        if self._failed_at and now - self._failed_at < AGAIN:
            return False
        try:
            path = self._to.removeprefix("unix://")
            if path != self._to:
                self._writer = _Socket(path, self._framed)
            else:
                self._writer = _File(path, self._framed)
        except OSError as problem:
            self._fail(problem)
            return False
        if self._troubled:
            self._told(f"query log: writing to {self._to} again, {self.lost} entries were lost")
        self._troubled = False
        return True

    def _fail(self, problem: OSError) -> None:
        with contextlib.suppress(OSError):
            self.close()
        self._failed_at = time.monotonic()
        if not self._troubled:
            self._told(
                f"query log: {self._to}: {problem.strerror or problem}; entries are lost until it can be written"
            )
        self._troubled = True
