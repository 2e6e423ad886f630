"""What this process is to the system: its user, its capabilities, systemd, its file descriptors.

Start-up order: bind ports, drop privileges, read the rest. One capability outlives the drop, to bind port 53 on
addresses that appear later (docker's bridges).
"""

import contextlib
import ctypes
import os
import pwd
import resource
import socket
from pathlib import Path

from panteras_dns.options import ConfigError

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 1, 8, 38
_CAP_SETGID, _CAP_NET_BIND_SERVICE = 6, 10
_CAPABILITY_VERSION_3 = 0x20080522
_UNPRIVILEGED = ("panteras", "nobody")
_BESIDE = "beside"
_FIRST_PASSED = 3  # sd_listen_fds(3)

_libc = ctypes.CDLL(None, use_errno=True)


def account(name: str) -> pwd.struct_passwd | None:
    """The account to become: *name*, or an unprivileged default; None when there is nothing to drop."""
    if os.geteuid() != 0 or name == "root":
        return None
    for candidate in (name,) if name else _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(candidate)
    raise ConfigError([f"dns.user: no such account: {name or ' or '.join(_UNPRIVILEGED)!r}"])


def sees(user: pwd.struct_passwd | None, path: Path) -> bool:
    """Whether *user* can go on reading what is below *path*, as far as its directories' modes tell."""
    if user is None:
        return True
    modes = [(found.st_mode, found.st_uid) for found in (one.stat() for one in (path, *path.parents))]
    return all(mode & 0o005 == 0o005 or (owner == user.pw_uid and mode & 0o500 == 0o500) for mode, owner in modes)


def drop(user: pwd.struct_passwd | None) -> None:
    """Become *user* with its groups, for good; of all privileges only the binding of low ports is kept, and until
    `settle` the right to leave the groups."""
    if user is not None:
        _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        _keep_only(1 << _CAP_NET_BIND_SERVICE | 1 << _CAP_SETGID)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def settle(groups: bool = False) -> None:
    """What each process does first, after `drop`. *groups*: only who has a use for those of the account keeps them:
    Docker's is root in all but name, and nothing for who answers strangers."""
    if os.geteuid() == 0:  # as it was told to be
        return
    if not groups:
        with contextlib.suppress(PermissionError):  # whoever started us gave them
            os.setgroups([])
    _keep_only(1 << _CAP_NET_BIND_SERVICE)


def _keep_only(capabilities: int) -> None:
    """capset(2), of those that are ours: in a container root may have fewer."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, of the first 32 and then of the others
    _libc.capget(ctypes.byref(header), ctypes.byref(data))
    kept = capabilities & data[1]
    _libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)))


def raise_file_limit() -> None:
    """As many descriptors as we may have: questions and connections take one each."""
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send that signal when the parent process ends, however it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens when it did not start us."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + path[1:] if path.startswith("@") else path)
        sock.send(state.encode())


def passed_sockets() -> tuple[list[socket.socket], bool]:
    """The sockets systemd bound for us (socket activation); asked once, then forgotten. True when its units call them
    `beside` (FileDescriptorName=): we listen where we are configured to as well."""
    beside = set(os.environ.pop("LISTEN_FDNAMES", "").split(":")) == {_BESIDE}
    count = os.environ.pop("LISTEN_FDS", "")
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()) or not count.isdigit():
        return [], False
    found = [socket.socket(fileno=number) for number in range(_FIRST_PASSED, _FIRST_PASSED + int(count))]
    for sock in found:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
    return [sock for sock in found if sock.family in (socket.AF_INET, socket.AF_INET6)], beside
