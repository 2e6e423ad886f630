"""The box as its users start it: `docker compose up` on a docker host of its own, and laptops around it."""

import os
import shlex
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import base_image
from lab.docker import Docker
from lab.namespace import command
from lab.patience import eventually

ROOT = Path(__file__).parents[3]
STATE = "/var/lib/panteras/access"
LONGEST_UP = 180.0
CONSUL_IMAGE = "hashicorp/consul:1.20"
CONSUL_DOCKERFILE = f'FROM {base_image.NAME}\nCOPY consul /bin/consul\nENTRYPOINT ["consul"]\n'


def consul_image(docker: Docker, directory: Path) -> str:
    """A stand-in for the public image, with this machine's Consul: no registry is needed."""
    context = directory / "consul-image"
    context.mkdir(exist_ok=True)
    program = shutil.which("consul")
    assert program
    shutil.copy(program, context / "consul")
    (context / "Dockerfile").write_text(CONSUL_DOCKERFILE)
    docker.build(CONSUL_IMAGE, context / "Dockerfile", context)
    return CONSUL_IMAGE


class Compose:
    """The compose.yaml of the repository, with directories of this run in place of those of a host."""

    def __init__(self, docker: Docker, ip: str, directory: Path) -> None:
        self._docker = docker
        self.ip, self.state = ip, directory / "access"
        self.kits = directory / "kits"
        own = directory / "consul.d"
        for path in (self.state, self.kits, own):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = (ROOT / "compose.yaml").read_text().replace(STATE + ":", f"{self.state}:", 1)
        text = text.replace(f"- {STATE}/", f"- {self.state}/").replace("- ./kits:", f"- {self.kits}:")
        text = text.replace("- /var/run/docker.sock:", f"- {docker.place.removeprefix('unix://')}:")
        self._file = directory / "compose.yaml"
        self._file.write_text(text.replace("/etc/consul.d:/", f"{own}:/"))

    def run(self, *words: str, within: float = LONGEST_UP) -> str:
        """A command of `docker compose`, with all that can be asked for."""
        project = ["--project-directory", str(ROOT), *(f"--profile={one}" for one in ("ssh", "vpn"))]
        return self._compose([f"IP={self.ip}"], [*project, *words], within)

    def shell(self, line: str) -> str:
        """A line of the manual that starts `docker compose`, on this host: with its address, from images that are there."""
        words = shlex.split(line.replace("10.0.0.5", self.ip))
        at = words.index("docker")
        project = ["--project-directory", str(ROOT)]
        return self._compose(words[:at], [*project, *words[at + 2 :], "--no-build", "--no-recreate"], LONGEST_UP)

    def _compose(self, environment: Sequence[str], words: Sequence[str], within: float) -> str:
        client = ["env", *environment, *self._docker.client, "compose", "--ansi", "never", "--file", str(self._file)]
        return command(*client, *words, within=within)

    def up(self, *services: str, scale: Mapping[str, int] | None = None) -> None:
        """Start these services, or scale the sample, from images that are there."""
        scaled = [word for name, count in (scale or {}).items() for word in ("--scale", f"{name}={count}")]
        self.run("up", "--detach", "--no-build", "--no-recreate", *scaled, *(services or scale or ()))

    def down(self) -> None:
        self.run("--profile", "access", "down", "--volumes", "--timeout", "3")

    def containers(self, service: str) -> Sequence[str]:
        return self.run("ps", "--quiet", service).split()

    def kill(self, service: str) -> None:
        """SIGKILL to its first process, as a crash or the kernel's out-of-memory killer does it; then it is back."""
        (container,) = self.containers(service)
        before = self.pid(container)
        assert before, f"{service} does not run"  # 0 would be ourselves
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.pid(container) not in {0, before}, f"{service} is back", within=30)

    def pid(self, container: str) -> int:
        return int(self._docker.run("inspect", "--format", "{{.State.Pid}}", container))

    def logs(self) -> str:
        return self.run("logs", "--no-color", "--no-log-prefix", "consul", "dns", "registrator", "balancer", "haproxy")
