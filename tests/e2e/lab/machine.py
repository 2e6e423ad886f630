"""A machine with a real systemd: the only one of a container, on the host's network or with one of its own."""

from collections.abc import Sequence
from pathlib import Path

from lab.docker import Docker
from lab.patience import eventually

# What systemd itself needs to mount, and to start units with less; not --privileged, which has rights that a CI machine may lack.
RIGHTS = ("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined")
# What an engine inside of it needs as well: a network of its own, a /proc/sys that is not read-only, control groups by their
# real names; and as on any host, root sees who listens.
ENGINE = (
    *("--cgroupns", "host", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "systempaths=unconfined", "--volume", "/var/lib/docker"),
)
IMAGE = """\
FROM panteras-box
RUN apt-get update \\
 && apt-get install -y --no-install-recommends systemd {packages} \\
 && rm -rf /var/lib/apt/lists/*
"""
# systemd-resolved, which its package can't put in force where resolv.conf is mounted: the test does.
RESOLVED = """\
RUN cd /tmp && apt-get update && apt-get download systemd-resolved && rm -rf /var/lib/apt/lists/* \\
 && dpkg --fsys-tarfile systemd-resolved_*.deb | tar --extract --directory / --keep-directory-symlink \\
 && rm systemd-resolved_*.deb && useradd --system --no-create-home systemd-resolve
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
    """Constructed, it has started all it starts. *engine*: it has a network and a Docker engine of its own, instead of
    the host's."""

    def __init__(self, docker: Docker, image: str, *options: str, engine: bool = False) -> None:
        self._docker = docker
        socket = docker.place.removeprefix("unix://")
        on_host = ("--cgroupns", "private", "--network", "host", "--volume", f"{socket}:/run/docker.sock")
        words = ("--detach", "--name", "machine", *RIGHTS, *(ENGINE if engine else on_host))
        mounts = ("--tmpfs", "/run", "--tmpfs", "/tmp", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup")
        docker.run("run", *words, *mounts, *options, image)
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
