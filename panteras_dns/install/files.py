"""The only way to write on the host: a path has its old content or its new one, also after a kill or a power cut.

What was not finished has a name of its own beside the path, so that whoever undoes finds it.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from panteras_dns.install.change import ABSENT, FILE, LINK, State
from panteras_dns.install.trouble import Trouble

_GETFLAGS, _IMMUTABLE = 0x80086601, 0x10  # FS_IOC_GETFLAGS, FS_IMMUTABLE_FL
_UNSUPPORTED = (errno.ENOTSUP, errno.ENODATA)


def look(path: Path) -> State:
    """What stands there; `Trouble` for what could not be put back as it is."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            target = os.fsencode(path.readlink())
            return State(LINK, target, 0o777, found.st_uid, found.st_gid, (), found.st_mtime_ns)
        if not stat.S_ISREG(found.st_mode):
            raise Trouble(f"{path}: expected a file, a link or nothing")
        mode = stat.S_IMODE(found.st_mode)
        return State(FILE, path.read_bytes(), mode, found.st_uid, found.st_gid, _xattrs(path), found.st_mtime_ns)
    except FileNotFoundError:
        return State()
    except NotADirectoryError:
        raise Trouble(f"{path.parent}: expected a directory") from None
    except OSError as problem:
        raise Trouble(f"{path}: {problem.strerror}; run this as root") from None


def obstacle(path: Path, in_place: bool) -> str:
    """Why it can't be replaced and put back exactly; "" for nothing."""
    try:
        found = path.lstat()
    except OSError:
        return ""
    if stat.S_ISREG(found.st_mode) and _immutable(path):
        return "it is immutable, expected one that can be changed: chattr -i"
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and not in_place:
        return f"it has {found.st_nlink} names (hard links), expected one"
    if in_place and os.statvfs(path).f_flag & os.ST_RDONLY:
        return "it is mounted read-only"
    return ""


def put(path: Path, state: State, in_place: bool = False) -> None:
    """Have *state* stand there, on the disk when this returns. `Trouble` leaves the old content, and has a status with
    which the switch tries again: the disk may be full."""
    try:
        if in_place:
            _write_in_place(path, state)
        elif state.kind == ABSENT:
            path.unlink(missing_ok=True)
        else:
            _write_beside(path, state)
        flush(path.parent)
    except OSError as problem:
        raise Trouble(f"{path}: {problem.strerror}; it is as it was", 3) from None


def unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.panteras-new")


def flush(directory: Path) -> None:
    """A name that is on the disk, not only in memory."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_beside(path: Path, state: State) -> None:
    fresh = unfinished(path)
    fresh.unlink(missing_ok=True)
    try:
        if state.kind == LINK:
            fresh.symlink_to(os.fsdecode(state.data))
        else:
            _write_fresh(fresh, state)
        if os.geteuid() == 0:
            os.chown(fresh, state.uid, state.gid, follow_symlinks=False)
        if state.kind == FILE:
            fresh.chmod(state.mode)  # after the owner: chown takes set-id bits away
        if state.written:
            os.utime(fresh, ns=(state.written, state.written), follow_symlinks=False)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _write_fresh(fresh: Path, state: State) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(state.data)
        for name, value in state.xattrs:
            os.setxattr(descriptor, name, value)
        file.flush()
        os.fsync(descriptor)


def _write_in_place(path: Path, state: State) -> None:
    """One write, then the length: never empty in between, not even for a moment."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, state.data, 0)
        os.ftruncate(descriptor, len(state.data))
        os.fsync(descriptor)
        if state.written:
            os.utime(descriptor, ns=(state.written, state.written))
    finally:
        os.close(descriptor)


def _xattrs(path: Path) -> tuple[tuple[str, bytes], ...]:
    try:
        return tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)))
    except OSError as problem:
        if problem.errno in _UNSUPPORTED:
            return ()
        raise


def _immutable(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        flags = fcntl.ioctl(file, _GETFLAGS, struct.pack("l", 0))
        return bool(struct.unpack("l", flags)[0] & _IMMUTABLE)
    return False
