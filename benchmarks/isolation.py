"""A quiet place to measure in: cores of its own, a network of its own, priority, and the usual limits.

What is set here for this process, all that it starts inherits. Root gets all of it, others what they may.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.process import require
from benchmarks.trouble import Trouble

CLONE_NEWNET = 0x40000000
FILES, PRIORITY = 1024, -10


def isolate() -> tuple[int, int]:
    """Settle down; the core for the servers, and the one for the load and for this process."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Trouble("two cores are needed: one for the server, one for the load")
    _wait_for_others()
    os.sched_setaffinity(0, {cores[1]})
    _limit_files()
    with contextlib.suppress(PermissionError):
        _go_ahead()
        _leave_the_network()
    return cores[0], cores[1]


def _wait_for_others() -> None:
    """Two runs at a time would measure each other; the lock on the folder ends with this process."""
    folder = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another run is measuring: waiting for its end", file=sys.stderr, flush=True)
        fcntl.flock(folder, fcntl.LOCK_EX)


def _limit_files() -> None:
    # What systemd and logins give. dnsmasq walks a table of a third of it at every turn: started with 20,000
    # it takes half as much again per query, which would flatter everyone else.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def _go_ahead() -> None:
    """Run ahead of what else this machine does; with autogroups it is the session that has to, not the process."""
    os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    autogroup = Path("/proc/self/autogroup")
    if autogroup.exists():
        autogroup.write_text(str(PRIORITY))


def _leave_the_network() -> None:
    """A namespace with nothing but loopback: no firewall rules, no connection tracking, nobody else's traffic."""
    require("ip", "iproute2")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) == 0:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
