"""What this machine says of itself: files, commands, ports. Each look has an end; what can't be seen is None."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from panteras_dns.config import Config
from panteras_dns.doctor.finding import Unseen
from panteras_dns.endpoint import Endpoint
from panteras_dns.host.interfaces import addresses, holder, listener
from panteras_dns.host.starting import output, to_start, to_start_consul
from panteras_dns.options import RESOLV_CONF
from panteras_dns.query import Found, attempt

_PATIENCE = 2.0  # seconds for an answer
_LONG = 20.0


@dataclass(frozen=True)
class Host:
    """*root*: where its files are, `/` but in tests."""

    root: Path = Path("/")
    config: Config = field(default_factory=Config)  # the gateway's

    @property
    def has_upstreams(self) -> bool:
        """Whether the gateway has upstream servers of its own, or else those of resolv.conf."""
        others = [route for route in self.config.route if "." in route.domains]
        return any(RESOLV_CONF not in route.servers for route in others)

    def read(self, path: str) -> str | None:
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def target(self, path: str) -> str:
        """Where a link leads; "" for none."""
        found = self.root / path.lstrip("/")
        return str(found.readlink()) if found.is_symlink() else ""

    def command(self, *words: str) -> str | None:
        """What a command says; None where it is not there or fails."""
        return output(*words)

    def ending(self, state: str) -> list[dict[str, Any]]:
        """What `panteras access status` tells of certificates that end soon; nothing where nobody was let in yet."""
        if not (self.root / state.lstrip("/") / "index.db").exists():
            return []
        # -P: nothing is imported from the directory where root happens to be.
        words = [sys.executable, "-P", "-m", "panteras_dns", "access", "status", "--json", "--state", state]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LONG, check=False, cwd="/")
        if done.returncode not in (0, 1):
            raise RuntimeError((done.stderr.strip() or "no word of certificates").partition("\n")[0])
        return list(json.loads(done.stdout))

    def ask(self, server: Endpoint, name: str, kind: str = "A") -> Found | None:
        return attempt(name, kind, server, timeout=_PATIENCE)

    def is_gateway(self, server: Endpoint) -> bool:
        found = self.ask(server, "localhost")
        return bool(found and found.route)

    def ask_inside(self, pid: int, server: str) -> bool | None:
        """Whether a process's network has a gateway at *server*; None without an answer. `Unseen` without rights."""
        enter = shutil.which("nsenter")
        if enter is None or os.geteuid() != 0:
            raise Unseen("a container's network can't be entered: run it as root, with nsenter")
        query = ("query", "localhost", "--server", server, "--timeout", str(_PATIENCE), "--json")
        words = [enter, f"--net=/proc/{pid}/ns/net", sys.executable, "-P", "-m", "panteras_dns", *query]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LONG, check=False, cwd="/")
        if done.returncode == 3:
            return None
        try:
            return bool(json.loads(done.stdout)["route"])
        except (ValueError, KeyError):
            raise Unseen((done.stderr.strip() or "no look-up in a container").partition("\n")[0]) from None

    def addresses(self) -> list[str]:
        return addresses()

    def holder(self, address: str, port: int) -> str:
        """Who listens at a UDP port; "" for nobody."""
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind((address, port))
            except PermissionError:
                raise Unseen("who listens at port 53 can't be seen: run it as root") from None
            except OSError:
                return holder(address, port, socket.SOCK_DGRAM)
        return ""

    def open_files(self, port: int) -> tuple[int, int] | None:
        """The process that listens at a UDP port, and how many files it may open; None where it can't be seen."""
        found = listener(port, socket.SOCK_DGRAM)
        try:
            return None if found is None else (found, psutil.Process(found).rlimit(psutil.RLIMIT_NOFILE)[1])
        except (psutil.Error, OSError, AttributeError):
            return None

    def accepts(self, address: str, port: int) -> bool:
        try:
            with socket.create_connection((address, port), _PATIENCE):
                return True
        except OSError:
            return False

    def start(self, unit: str) -> tuple[str, ...]:
        """The command that starts it here: a unit of systemd, or a container."""
        return to_start(unit, self.root, self.command)

    def start_consul(self, problem: str) -> tuple[str, ...]:
        """The same for the agent that could not be asked for *problem*."""
        return to_start_consul(problem, self.root, self.command)
