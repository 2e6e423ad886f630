"""A machine with a real systemd: the only one of a container that has the host's network."""

from collections.abc import Sequence
from pathlib import Path

from lab.docker import Docker
from lab.patience import eventually

# What systemd itself needs to mount, and to start units with less; not --privileged, which has rights that a CI machine may lack.
RIGHTS = ("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined")
IMAGE = """\
FROM panteras-box
RUN apt-get update \\
 && apt-get install -y --no-install-recommends systemd {packages} \\
 && rm -rf /var/lib/apt/lists/*
"""
LAST = """\
ENTRYPOINT ["/lib/systemd/systemd"]
CMD []
"""


def build(docker: Docker, name: str, context: Path, packages: Sequence[str], lines: str = "") -> str:
    """An image of such a machine, with the package installed as the manual says; *lines* of a Dockerfile go on."""
    (context / "Dockerfile").write_text(IMAGE.format(packages=" ".join(packages)) + lines + LAST)
    docker.build(name, context / "Dockerfile", context)
    return name


class Machine:
    """Constructed, it has started all it starts."""

    def __init__(self, docker: Docker, image: str, *options: str) -> None:
        self._docker = docker
        socket = docker.place.removeprefix("unix://")
        mounts = ("--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--volume", f"{socket}:/run/docker.sock")
        words = ("--detach", "--name", "machine", "--network", "host", "--cgroupns", "private", *RIGHTS)
        docker.run("run", *words, "--tmpfs", "/run", "--tmpfs", "/tmp", *mounts, *options, image)
        self.started()

    def started(self) -> None:
        eventually(
            lambda: self.attempt("systemctl", "is-system-running").strip() in {"running", "degraded"}, "systemd", 30
        )

    def restart(self) -> None:
        """As after a power cut: nobody is told before."""
        self._docker.run("kill", "machine")
        self._docker.run("start", "machine")
        self.started()

    def run(self, *words: str) -> str:
        return self._docker.run("exec", "machine", *words)

    def attempt(self, *words: str) -> str:
        return self._docker.attempt("exec", "machine", *words)
