"""The stage for the box: a docker host with Consul, the registrator and the balancer, and HAProxy with a recipe.

The parts are those of the end-to-end lab.
"""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.trouble import Trouble

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from lab import base_image
from lab.box import Program
from lab.consul import Consul
from lab.docker import Docker
from lab.namespace import Namespace
from lab.process import Process

ROOT = Path(__file__).parents[1]
LONGEST = 120
PANTERAS, RESOLVER = "panteras balancer", "HAProxy's resolver"
PORTS = {PANTERAS: 80, RESOLVER: 8080}
EXAMPLE = "panteras-example"
# The recipe without any other program: SRV records of Consul, asked every second, as often as is usual at most.
RECIPE = """\
global
    log stdout format raw local0 err
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
resolvers consul
    nameserver local 127.0.0.1:8600
    accepted_payload_size 8192
    timeout resolve 1s
    hold valid 1s
frontend names
    bind 127.0.0.1:8080
    default_backend bench
backend bench
    balance roundrobin
    default-server resolvers consul resolve-prefer ipv4 init-addr none check inter 1s
    server-template bench 20 _bench._tcp.service.consul
"""


class Stage(contextlib.ExitStack):
    """A docker host with everything; leaving it ends all of it, in reverse."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def set(self) -> "Stage":
        self.host = Namespace("bench")
        self.callback(self.host.delete)
        root = self._folder / "docker"
        root.mkdir()
        self.docker = Docker(root)
        self.callback(self.docker.remove)
        self.docker.start(self.host.path)
        self.callback(self.docker.stop)
        self.docker.load(base_image.make(root), base_image.NAME)
        self.docker.build(EXAMPLE, ROOT / "examples/python/Dockerfile", ROOT / "examples/python")
        consul = Consul(self.host, self._folder)
        consul.start()
        self.callback(consul.stop)
        self._run("registrator", "--docker", self.docker.place, "--ip", "127.0.0.1")
        self._run("balancer", "--run-dir", str(self._folder / "balancer"), "--listen", "127.0.0.1")
        recipe = self._folder / "recipe.cfg"
        recipe.write_text(RECIPE)
        haproxy = Process(["haproxy", "-db", "-f", str(recipe)], self._folder / "recipe.log", self.host)
        self.callback(haproxy.stop)
        return self

    def _run(self, name: str, *options: str) -> None:
        program = Program(self.host, self._folder / f"{name}.log", name, *options)
        self.callback(program.stop)

    def arrivals(self, *words: str) -> list[float] | float:
        told = self._begin(*words).communicate(timeout=LONGEST)[0]
        if not told:
            raise Trouble(f"arrivals {' '.join(words)}: no figures")
        return json.loads(told)  # type: ignore[no-any-return]

    def container(self, name: str) -> float:
        """Seconds from `docker start` to the first page."""
        said = ("--env", f"SERVICE_NAME={name}", "--env", "SERVICE_TAGS=http")
        self.docker.run("create", "--name", name, "--publish", "8000", *said, EXAMPLE)
        waiting = self._begin("page", str(PORTS[PANTERAS]), name)
        time.sleep(1)  # it knocks already
        begun = time.monotonic()
        self.docker.run("start", name)
        came = json.loads(waiting.communicate(timeout=LONGEST)[0])
        self.docker.run("rm", "--force", name)
        return float(came) - begun

    def _begin(self, *words: str) -> "subprocess.Popen[str]":
        program = [sys.executable, "-m", "benchmarks.arrivals", *words]
        return subprocess.Popen([*self.host.prefix, *program], stdout=subprocess.PIPE, text=True, cwd=ROOT)
