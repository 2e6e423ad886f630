"""The SSH door as its users run it: the container of sshd/, kits, and sshuttle from a laptop that reaches nothing else."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import addresses
from lab.docker import Docker
from lab.gateway import command as panteras
from lab.namespace import Namespace
from lab.namespace import command as run
from lab.process import Process

PORT = 2222
LONGEST_TUNNEL = 15.0


class Door:
    """The identities of a host, and its container."""

    def __init__(self, host: Namespace, docker: Docker, image: str, directory: Path) -> None:
        self.state = directory / "access"
        self._kits = directory / "kits"
        self._host = host
        self._docker = docker
        self._image = image
        self.container = ""
        self.access("init", "--network", addresses.SERVICES)

    def access(self, *words: str) -> str:
        """What `panteras access …` prints on the docker host."""
        return self._host.run(*panteras("access", *words, "--state", str(self.state)))

    def create(self, *options: str, dns: Sequence[str] = (addresses.DOCKER0,)) -> str:
        """Start the container as sshd/README.md says; its id."""
        home = "/var/lib/panteras/access"
        # fmt: off
        self.container = self._docker.run(
            "run", "--detach", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run/panteras:mode=0755,uid=10022,gid=10022",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--publish", f"{PORT}:{PORT}",
            *(word for server in dns for word in ("--dns", server)),
            "--volume", f"{self.state}/door:{home}/door:ro", "--volume", f"{self.state}/sessions:{home}/sessions",
            "--health-interval", "1s", *options, self._image,
        )
        # fmt: on
        return self.container

    def logs(self) -> str:
        return self._docker.attempt("logs", self.container)

    def audit(self) -> Sequence[Mapping[str, Any]]:
        """The lines of its audit, oldest first."""
        return [json.loads(line) for line in self.logs().splitlines() if line.startswith("{")]

    def kit(self, who: str, *options: str) -> Path:
        """The directory of a person who was just let in."""
        out = self._kits / who
        self.access("grant", who, *options)
        self.access("kit", who, "--gateway", f"{addresses.VISITED_HOST}:{PORT}", "--out", str(out))
        return out


class Tunnel(Process):
    """sshuttle on the laptop, started with the command of a kit; constructed, it catches what it should."""

    def __init__(self, laptop: Namespace, kit: Path, program: Sequence[str] = (), file: str = "sshuttle.conf") -> None:
        words = [*(program or current()), f"@{file}", "--method", "nat"]
        shell = f"cd {shlex.quote(str(kit))} && exec {shlex.join(words)}"
        super().__init__(["sh", "-c", shell], kit / "sshuttle.log", laptop)
        self._laptop = laptop
        try:
            self.wait_until(self._catches, "connected, with its rules", within=LONGEST_TUNNEL)
        except BaseException:
            self.stop()
            raise

    def _catches(self) -> bool:
        """A packet that comes before the rules makes its whole flow pass by them."""
        if "Connected to server" not in self.output + self.errors:
            return False
        rules = [rule for rule in self._laptop.run("iptables", "-t", "nat", "-S").splitlines() if "REDIRECT" in rule]
        return any("--dport 53" in rule for rule in rules) and any(addresses.SERVICES in rule for rule in rules)


def current() -> Sequence[str]:
    """The sshuttle of the package's own dependencies."""
    return [str(Path(sys.executable).parent / "sshuttle")]


def client(version: str, directory: Path) -> Sequence[str]:
    """Another release of sshuttle, from the package index."""
    target = directory / f"sshuttle-{version}"
    if not target.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        run(*pip, str(target), f"sshuttle=={version}", within=120)
    return ["env", f"PYTHONPATH={target}", sys.executable, "-m", "sshuttle"]


def attempt(laptop: Namespace, kit: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the laptop, run in the kit's directory; whatever comes of it."""
    assert shutil.which(words[0])
    full = [*laptop.prefix, *words]
    return subprocess.run(
        full, cwd=kit, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )
