"""This machine as an installation meets it: where its files are, its commands, who runs. Each command has an end."""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from panteras_dns.host.interfaces import addresses, holder
from panteras_dns.install.trouble import Trouble

HERE = "127.0.0.1"
PORT = 53
_PATIENCE = 60.0  # seconds for a command: a unit that starts, a daemon that restarts


@dataclass(frozen=True)
class System:
    """*root*: where its files are, `/` but in tests."""

    root: Path = Path("/")

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """A file's text, "" where it can't be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def run(self, *words: str) -> str:
        """What a command says; `Trouble` where it fails, with its first line of complaint."""
        program = shutil.which(words[0])
        if program is None:
            raise Trouble(f"{words[0]}: not found, expected it on a host with systemd")
        try:
            done = subprocess.run(
                [program, *words[1:]], capture_output=True, text=True, timeout=_PATIENCE, check=False, cwd="/"
            )
        except subprocess.TimeoutExpired:
            raise Trouble(f"{' '.join(words)}: no end within {_PATIENCE:g} s") from None
        if done.returncode:
            why = next((line for line in (done.stderr + done.stdout).splitlines() if line.strip()), "no reason given")
            raise Trouble(f"{' '.join(words)}: {why.strip()}")
        return done.stdout

    def says(self, *words: str) -> str:
        """The same, "" where it fails."""
        try:
            return self.run(*words)
        except Trouble:
            return ""

    def is_active(self, unit: str) -> bool:
        return self.says("systemctl", "is-active", unit).strip() == "active"

    def is_running(self, program: str) -> bool:
        return any(one.info["name"] == program for one in psutil.process_iter(["name"]))

    def is_mounted(self, name: str) -> bool:
        """Whether something is mounted on exactly that path."""
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        points = (re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), line.split()[4]) for line in lines)
        return str(self.path(name)) in points

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def has_systemd(self) -> bool:
        return self.path("/run/systemd/system").is_dir()

    def addresses(self) -> list[str]:
        return addresses()

    def holder(self) -> str:
        """Who listens at port 53 of loopback; "" for nobody."""
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
                try:
                    sock.bind((HERE, PORT))
                except PermissionError:
                    raise Trouble(f"{HERE}:{PORT}: who listens there can't be seen: run this as root", 3) from None
                except OSError:
                    return holder(HERE, PORT, kind)
        return ""

    def bridge(self) -> str:
        """The address of docker's bridge, where containers can ask; "" without one."""
        own = psutil.net_if_addrs().get("docker0", [])
        return next((one.address for one in own if one.family == socket.AF_INET), "")
