"""The command that starts a part of the gateway, or Consul, by what is there: a unit of systemd, or a container."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_UNITS = ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_COMMAND = 5.0  # seconds


def output(*words: str) -> str | None:
    """What a command says; None where it is not there or fails."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, timeout=_COMMAND, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def to_start(
    unit: str, container: str, root: Path = Path("/"), command: Callable[..., str | None] = output
) -> tuple[str, ...]:
    """*container*: a part of its name. Nothing where there is neither."""
    there = [one for one in (f"{unit}.socket", f"{unit}.service") if any((root / at / one).exists() for at in _UNITS)]
    if there:  # the socket first: a service that runs would hold what the socket is to listen at
        return (f"systemctl start {' '.join(there)}",)
    names = (command("docker", "ps", "--all", "--format", "{{.Names}}") or "").split()
    found = next((name for name in names if container in name), "")
    return (f"docker start {found}",) if found and _PLAIN.fullmatch(found) else ()
