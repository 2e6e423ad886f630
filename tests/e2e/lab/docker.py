"""A docker engine of the lab's own: containerd and dockerd with their own data, sockets and network.

It has no part in an engine that the machine may run, and leaves nothing behind: its bridge and its firewall
rules are those of the namespace it is started in.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.namespace import command
from lab.patience import eventually
from lab.process import Process

LONGEST_BUILD = 900.0
LONGEST_CONTAINER = 60.0

CONTAINERD = """\
version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{root}/containerd.sock"
"""


class Docker:
    """An engine with the images that were built or imported, whichever network it is started in."""

    def __init__(self, root: Path, hostname: str = "") -> None:
        self._root = root
        self._hostname = hostname
        self._network: Path | None = None
        self._processes: list[Process] = []
        self._daemon: Sequence[str] = ()

    def start(self, network: Path | None) -> None:
        """Start it in the namespace at *network*, or in the machine's own, without bridge or rules.

        Entered by nsenter: `ip netns exec` would give it a /sys without control groups.
        """
        self._network = network
        (self._root / "containerd.toml").write_text(CONTAINERD.format(root=self._root))
        enter = ("nsenter", f"--net={network}", "--") if network else ()
        self._run("containerd", [*enter, "containerd", "--config", str(self._root / "containerd.toml")])
        sockets = [f"--containerd={self._root}/containerd.sock", f"--host=unix://{self._root}/docker.sock"]
        files = [
            f"--data-root={self._root}/data",
            f"--exec-root={self._root}/exec",
            f"--pidfile={self._root}/docker.pid",
        ]
        own = [] if network else ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        eventually((self._root / "containerd.sock").exists, "containerd's socket")
        named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self._hostname) if self._hostname else ()
        self._daemon = [*enter, *named, "dockerd", *sockets, *files, *own]
        self._run("dockerd", self._daemon)
        self._processes[-1].wait_until(self._answers, "a docker engine that answers", within=60)

    @property
    def place(self) -> str:
        """Where its API is, as a URL."""
        return f"unix://{self._root}/docker.sock"

    def move(self, network: Path | None) -> None:
        """Go on in another namespace, with the same images. Ends all containers."""
        self.stop()
        self.start(network)

    def crash(self) -> None:
        """Kill the daemon and nothing else: the containers run on, and nobody can ask about them."""
        self._processes[-1].signal(signal.SIGKILL)
        self._processes.pop().wait(within=10)

    def recover(self) -> None:
        """Start the daemon again; it ends the containers that ran on without it."""
        (self._root / "docker.pid").unlink(missing_ok=True)
        self._run("dockerd", self._daemon)
        self._processes[-1].wait_until(self._answers, "a docker engine that answers", within=60)

    def stop(self) -> None:
        """End it and all of its containers."""
        if self._processes and self._processes[-1].running:
            self.remove_containers()
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()
        self._unmount()

    def remove(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def load(self, tree: Path, image: str) -> None:
        """Make *image* of a tar file with its tree."""
        self.run("import", "--change", 'CMD ["bash"]', str(tree), image)

    def build(self, image: str, dockerfile: Path, context: Path) -> None:
        """Build in the machine's own network, where packages come from. Ends all containers."""
        network = self._network
        self.stop()
        self.start(network=None)
        try:
            words = ("build", "--network", "host", "--tag", image, "--file", str(dockerfile), str(context))
            self.run(*words, within=LONGEST_BUILD)
        finally:
            self.stop()
            self.start(network)

    def run(self, *words: str, within: float = LONGEST_CONTAINER) -> str:
        """The output of a docker command, to its last line end."""
        return command(*self.client, *words, within=within).rstrip("\n")

    def attempt(self, *words: str) -> str:
        """The same, whatever its exit status says; with what it wrote to standard error."""
        done = subprocess.run(
            [*self.client, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_CONTAINER,
            check=False,
        )
        return done.stdout

    def remove_containers(self) -> None:
        """All of them, running or not."""
        containers = self.run("ps", "--all", "--quiet").split()
        if containers:
            self.run("rm", "--force", *containers)

    @property
    def client(self) -> Sequence[str]:
        """A client of the engine's own release, before others of the machine; the builder that needs no plugin."""
        path = shutil.which("docker", path=f"/usr/bin{os.pathsep}{os.environ['PATH']}")
        assert path
        return ("env", "DOCKER_BUILDKIT=0", path, "--host", f"unix://{self._root}/docker.sock")

    def _run(self, name: str, words: Sequence[str]) -> None:
        self._processes.append(Process(words, self._root / f"{name}.log"))

    def _answers(self) -> bool:
        return "Server Version" in self.attempt("info")

    def _unmount(self) -> None:
        """What the engine leaves mounted below its directories, innermost first."""
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed(mounts):
            if mount.startswith(f"{self._root}/"):
                command("umount", mount)
