"""The command that starts a part of the gateway, or Consul, by what is there: a unit of systemd, or a container."""

import ipaddress
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from panteras_dns.host.interfaces import addresses

_UNITS = ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_STOPPED = ("--filter", "status=exited", "--filter", "status=created")
_PLACE = re.compile(r"(?:^|[ /@])\[?([0-9A-Fa-f.:]+?|localhost)\]?:\d+(?=[:/ ]|$)")
_COMMAND = 5.0  # seconds
Output = Callable[..., str | None]


def output(*words: str) -> str | None:
    """What a command says; None where it is not there or fails."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *words[1:]],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_COMMAND,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def to_start(unit: str, root: Path = Path("/"), command: Output = output) -> tuple[str, ...]:
    """A unit of that name, or else a container that was stopped: of that name too, or as compose calls it
    (`box-consul-1`). Nothing where there is neither."""
    there = [one for one in (f"{unit}.socket", f"{unit}.service") if any((root / at / one).exists() for at in _UNITS)]
    if there:  # the socket first: a service that runs would hold what the socket is to listen at
        return (f"systemctl start {' '.join(there)}",)
    names = (command("docker", "ps", "--all", *_STOPPED, "--format", "{{.Names}}") or "").split()
    wanted = re.compile(rf"(.+[-_])?{re.escape(unit)}([-_]\d+)?")
    found = [name for name in names if wanted.fullmatch(name) and _PLAIN.fullmatch(name)]
    return (f"docker start {found[0]}",) if found else ()


def to_start_consul(problem: str, root: Path = Path("/"), command: Output = output) -> tuple[str, ...]:
    """For an agent that could not be asked for *problem*, which says where it was asked: `127.0.0.1:8600 refused …`,
    `http://127.0.0.1:8500: …`. Nothing for one of another host; for one that runs and does not answer a look into its
    log."""
    place = _PLACE.search(problem)
    if place is None or not is_here(place[1]):
        return ()
    start = to_start("consul", root, command)
    log = ("journalctl -u consul -n 50",) if "".join(start).startswith("systemctl") else ()
    return (*start, *log) if "refused" in problem else log


def is_here(address: str) -> bool:
    """Whether that is an address of this host."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback or address in addresses()
    except ValueError:
        return False
