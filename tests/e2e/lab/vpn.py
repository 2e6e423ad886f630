"""The VPN door as its users run it: in the container of openvpn/, or as a program of a host; and OpenVPN's clients."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import addresses
from lab.docker import Docker
from lab.door import Door
from lab.gateway import command as panteras
from lab.namespace import Namespace, command
from lab.patience import eventually
from lab.process import Process

OPEN = "the VPN door is open"
RIGHTS = ("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "SETUID", "--cap-add", "SETGID")
TUN = ("--device", "/dev/net/tun")
FORWARDING = ("--sysctl", "net.ipv4.ip_forward=1")
CERTIFICATE_TIME = 10.0

UP = """\
#!/bin/sh
env | grep -E '^(foreign_option_|dns_|route_|ifconfig_)' | sort > "$PANTERAS_TOLD"
"""


class Identities:
    """A state directory, and the commands on it."""

    def __init__(self, directory: Path, dns: str, *options: str) -> None:
        self.state = directory / "access"
        self._kits = directory / "kits"
        self.access("init", "--dns", dns, "--pool", addresses.VPN_POOL, *options)

    def access(self, *words: str, prefix: Sequence[str] = ()) -> str:
        return command(*prefix, *panteras("access", *words, "--state", str(self.state)))

    def attempt(self, *words: str, prefix: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """A command, whatever comes of it."""
        full = [*prefix, *panteras("access", *words, "--state", str(self.state))]
        return subprocess.run(full, capture_output=True, text=True, timeout=60, check=False)

    def profile(self, who: str, gateway: str, *options: str, prefix: Sequence[str] = ()) -> Path:
        """The profile of a person who was just let in."""
        self.access("grant", who, "--device", "laptop", "--door", "both", *options, prefix=prefix)
        return self.kit(f"{who}/laptop", gateway, who) / f"{who}-laptop.ovpn"

    def kit(self, who: str, gateway: str, name: str) -> Path:
        out = self._kits / name
        self.access("kit", who, "--gateway", gateway, "--out", str(out))
        return out

    def sessions(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = json.loads(self.access("sessions", "--json"))
        return found


class Container:
    """The door in its container."""

    def __init__(self, identities: "Identities | Door", docker: Docker, image: str) -> None:
        self.identities, self._docker, self._image = identities, docker, image
        self.id = ""

    def create(self, *options: str, rights: Sequence[str] = (*RIGHTS, *TUN, *FORWARDING)) -> str:
        """Start it as openvpn/README.md says; its id."""
        home, state = "/var/lib/panteras/access", self.identities.state
        # fmt: off
        self.id = self._docker.run(
            "run", "--detach", "--publish", "1194:1194/udp", "--publish", "443:443/tcp",
            "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run/panteras:mode=0755", *rights,
            "--security-opt", "no-new-privileges",
            "--volume", f"{state}/vpn:{home}/vpn:ro", "--volume", f"{state}/vpn-run:{home}/vpn-run",
            "--health-interval", "1s", *options, self._image,
        )
        # fmt: on
        return self.id

    def logs(self) -> str:
        return self._docker.attempt("logs", self.id)

    def audit(self) -> Sequence[Mapping[str, Any]]:
        return list(_audit(self.logs()))


class Program(Process):
    """The door as a program of a host; constructed, it is open."""

    def __init__(self, identities: Identities, host: Namespace, directory: Path, *before: str) -> None:
        self.directory = directory
        words = panteras("access", "door", "vpn", "--state", str(identities.state))
        run = ["--run", str(directory / "run"), "--user", "nobody"]
        super().__init__([*before, *words, *run], directory / f"door-{time.monotonic_ns()}.log", host)
        try:
            self.wait_until(lambda: OPEN in self.errors, "an open VPN door")
            eventually(lambda: self.errors.count("Initialization Sequence Completed") == 2, "OpenVPN, twice")
        except BaseException:
            self.stop()
            raise

    def audit(self) -> Sequence[Mapping[str, Any]]:
        return list(_audit(self.output))


class Client(Process):
    """OpenVPN on a laptop, started with a profile as a person does; what it was pushed is in `told`."""

    def __init__(self, laptop: Namespace, profile: Path, *options: str, before: Sequence[str] = ()) -> None:
        directory = profile.parent
        up, self._told = directory / "up", directory / f"told-{time.monotonic_ns()}"
        up.write_text(UP)
        up.chmod(0o755)
        words = [*before, "openvpn", "--config", profile.name, "--script-security", "2", "--up", str(up)]
        words += ["--setenv", "PANTERAS_TOLD", str(self._told), "--connect-retry", "1", *options]
        shell = f"cd {shlex.quote(str(directory))} && exec {shlex.join(words)}"
        super().__init__(["sh", "-c", shell], directory / f"client-{time.monotonic_ns()}.log", laptop)

    def connect(self, within: float = 20.0) -> "Client":
        self.wait_until(lambda: "Initialization Sequence Completed" in self.output, "a connected client", within)
        return self

    @property
    def told(self) -> str:
        return self._told.read_text()


def _audit(log: str) -> Iterator[Mapping[str, Any]]:
    return (json.loads(line) for line in log.splitlines() if line.startswith('{"time"'))
