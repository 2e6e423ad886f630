"""The registrator and the balancer as programs of a host."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.docker import Docker
from lab.gateway import command as panteras
from lab.namespace import Namespace, command
from lab.patience import eventually
from lab.process import Process

CROWD = Path(__file__).with_name("crowd.py")
SAMPLE = Path(__file__).parents[3] / "examples/python/app.py"


class Program(Process):
    """A `panteras` program that says when it is ready; constructed, it is, unless nobody waits for that."""

    def __init__(self, host: Namespace, log: Path, *words: str, ready: bool = True) -> None:
        super().__init__(panteras(*words), log, host)
        if not ready:
            return
        try:
            self.wait_until(lambda: " ready: " in self.errors, "ready", within=20)
        except BaseException:
            self.stop()
            raise

    def verify_log(self) -> None:
        told = self.output + self.errors
        assert "Traceback" not in told and "Unhandled" not in told, told

    def warnings(self) -> Sequence[str]:
        """What it warned of, without the time."""
        return [line.partition(" warn ")[2] for line in self.errors.splitlines() if " warn " in line]


class Containers:
    """Containers of the sample application on a docker engine, started the way people do."""

    def __init__(self, docker: Docker, image: str) -> None:
        self._docker, self._image = docker, image

    def run(self, name: str, *options: str, service: str = "python1") -> str:
        """Its id. Without a port in *options* it publishes 8000 anywhere."""
        ports = [] if any(word in options for word in ("--publish", "--network")) else ["--publish", "8000"]
        said = ["--env", f"SERVICE_NAME={service}"] if service else []
        return self._docker.run("run", "--detach", "--name", name, *ports, *said, *options, self._image)

    def port(self, name: str, inside: str = "8000/tcp") -> int:
        """The port on the host."""
        return int(self._docker.run("port", name, inside).splitlines()[0].rpartition(":")[2])

    def state(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self._docker.run("inspect", name))[0]["State"]
        return found


class Sample(Process):
    """The sample application as a program of a host, on all of its addresses; constructed, it listens."""

    def __init__(self, host: Namespace, port: int, directory: Path) -> None:
        words = ["env", f"PORT={port}", f"SERVICE_NAME=at-{port}", sys.executable, str(SAMPLE)]
        super().__init__(words, directory / f"sample-{port}.log", host)
        self.port = port
        self.wait_until(lambda: f":{port} " in command("ss", "-N", host.name, "-Htln"), "a listening sample")


class Crowd(Process):
    """Browsers on a laptop that ask for a name, RATE times a second, until told to stop."""

    def __init__(
        self, laptop: Namespace, address: str, name: str, rate: int, directory: Path, longest: float = 120
    ) -> None:
        self._end = directory / f"crowd-{name}.end"
        self._end.unlink(missing_ok=True)
        words = [sys.executable, str(CROWD), address, name, str(rate), str(longest), str(self._end)]
        super().__init__(words, directory / f"crowd-{name}.log", laptop)

    def leave(self) -> Mapping[str, Any]:
        """What they saw: `done`, `failed` by kind, `pages` by text."""
        self._end.touch()
        assert self.wait(within=30) == 0, self.errors
        found: Mapping[str, Any] = json.loads(self.output)
        return found


def page(host: Namespace, address: str, name: str, path: str = "/", *options: str) -> tuple[int, str]:
    """The status and the text of `http://name/path`, asked for at *address*; status 0 where nobody answers."""
    words = [
        "curl",
        "--silent",
        "--max-time",
        "10",
        "--resolve",
        f"{name}:80:{address}",
        "--write-out",
        "\n%{http_code}",
    ]
    full = [*host.prefix, *words, *options, f"http://{name}{path}"]
    text = subprocess.run(full, capture_output=True, text=True, timeout=30, check=False).stdout
    body, _, status = text.rpartition("\n")
    return int(status), body


def opens(host: Namespace, address: str, name: str, within: float = 10.0) -> str:
    """The page of a name, as soon as there is one."""
    return eventually(lambda: (found := page(host, address, name))[0] == 200 and found[1], f"http://{name}", within)  # type: ignore[return-value]
