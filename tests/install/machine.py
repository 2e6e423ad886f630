"""A machine as a test tells of it: files below a directory of its own, commands that are noted instead of run."""

import os
from pathlib import Path

from panteras_dns.install.files import look
from panteras_dns.install.plan import Options
from panteras_dns.install.system import System
from panteras_dns.install.trouble import Trouble


class Machine(System):
    """*says*: what commands print, by their words; those of *failing* fail; *running*: units and programs."""

    def __init__(self, root: Path, says=None, failing=(), running=(), mounted=(), holder="", bridge=""):
        super().__init__(root)
        given = {
            "told": says or {},
            "failing": failing,
            "running": running,
            "mounted": mounted,
            "held": holder,
            "docker": bridge,
        }
        for key, value in {**given, "ran": []}.items():
            object.__setattr__(self, key, value)
        self.path("/run/systemd/system").mkdir(parents=True, exist_ok=True)
        self.path("/etc/systemd/system").mkdir(parents=True, exist_ok=True)
        self.path("/var/lib").mkdir(parents=True, exist_ok=True)

    def put(self, name: str, text: str) -> "Machine":
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)
        return self

    def run(self, *words):
        line = " ".join(words)
        self.ran.append(line)
        if line in self.failing:
            raise Trouble(f"{line}: it failed")
        return self.told.get(line, "")

    def is_active(self, unit):
        return unit.removesuffix(".service") in self.running

    def is_running(self, program):
        return program in self.running

    def is_mounted(self, name):
        return name in self.mounted

    def addresses(self):
        return ["127.0.0.1", "10.0.0.5"]

    def holder(self):
        return self.held

    def bridge(self):
        return self.docker

    def is_root(self):
        return True


class Answers:
    """A trial that went well, or as *problem* says, at that place."""

    def __init__(self, gateway="", host="", containers=""):
        self.problems = {"gateway": gateway, "host": host, "containers": containers}
        self.tried = []

    def gateway(self):
        self._try("gateway")

    def host(self):
        self._try("host")

    def containers(self):
        self._try("containers")

    def _try(self, what):
        self.tried.append(what)
        if self.problems[what]:
            raise Trouble(self.problems[what])


def tree(root: Path) -> dict[str, object]:
    """All there is: bytes, mode, owner, attributes, links; directories with mode and owner."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder) / name
            status = path.lstat()
            where = str(path.relative_to(root))
            if path.is_dir() and not path.is_symlink():
                found[where] = (status.st_mode, status.st_uid, status.st_gid)
            else:
                state = look(path)
                found[where] = (state, status.st_mode)
    return found


def options(**given) -> Options:
    return Options(**{"program": "/bin/true", **given})
