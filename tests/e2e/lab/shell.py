"""A shell on a host of the lab, in which a line of the manual does what it says.

It has the machine's files, but for the directories that the manual writes to: these are its own, empty or a copy, and gone at
the end. It starts in a clone of the repository.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.docker import Docker
from lab.manual import ROOT
from lab.namespace import Namespace
from lab.process import Process

LONGEST_LINE = 120.0
_EMPTY = ("opt", "root", "run", "srv", "var/lib", "var/log")
_PATH = "/opt/panteras/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_CLONED = shutil.ignore_patterns(
    ".venv", "build", ".git", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "*.so"
)


class Shell:
    """*said*: what stands on the pages, and what it is in the lab."""

    def __init__(self, directory: Path, docker: Docker | None = None, said: Mapping[str, str] | None = None) -> None:
        self.home = directory / "clone"
        self._said = said or {}
        self._bin = directory / "bin"
        shutil.copytree(ROOT, self.home, ignore=_NOT_CLONED)
        self._bin.mkdir()
        own = directory / "own"
        for place in _EMPTY:
            (own / place).mkdir(parents=True)
        shutil.copytree("/etc", own / "etc", symlinks=True, ignore_dangling_symlinks=True)
        self._program("sudo", 'exec "$@"')
        mounts = [f"mount --bind {own}/{place} /{place}" for place in (*_EMPTY, "etc")]
        if docker:
            (own / "run" / "docker.sock").symlink_to(docker.place.removeprefix("unix://"))
            self._program("docker", f'exec {" ".join(docker.client)} "$@"')
        script = " && ".join([*mounts, "echo mounted", "exec sleep infinity"])
        self._holder = Process(["unshare", "--mount", "sh", "-c", script], directory / "holder.log")
        self._holder.wait_until(lambda: "mounted" in self._holder.output, "mounted")

    def run(self, line: str, host: Namespace | None = None, status: int = 0) -> str:
        """What a line prints, with its errors where it is to fail; its exit status must be *status*."""
        done = subprocess.run(
            self._words(line, host), capture_output=True, text=True, timeout=LONGEST_LINE, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == status, f"{line}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if status else "")

    def start(self, line: str, host: Namespace, log: Path, ready: str) -> Process:
        """A line that goes on, once it has said *ready*."""
        process = Process(self._words(f"exec {line}", host), log)
        try:
            process.wait_until(lambda: ready in process.output + process.errors, ready, within=20)
        except BaseException:
            process.stop()
            raise
        return process

    def put(self, path: str, text: str) -> None:
        """A file of its own directories."""
        self.run(f"mkdir -p {Path(path).parent}")
        words = self._words(f"cat > {path}", None)
        subprocess.run(words, input=text, text=True, check=True, timeout=LONGEST_LINE)

    def close(self) -> None:
        self._holder.stop()

    def _words(self, line: str, host: Namespace | None) -> Sequence[str]:
        for word, here in self._said.items():
            line = line.replace(word, here)
        network = (f"--net={host.path}",) if host else ()
        enter = ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", *network, "--wdns=" + str(self.home))
        clean = ("env", "-i", f"PATH={self._bin}:{_PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb")
        return (*enter, *clean, "bash", "-c", line)

    def _program(self, name: str, script: str) -> None:
        file = self._bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
