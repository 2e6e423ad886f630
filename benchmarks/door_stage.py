"""The stage for the SSH door: a gateway, a host with services behind it, and three laptops, in network namespaces.

One laptop comes in by plain sshuttle over a plain sshd, one by the door, one by the door with a limit to services.
The parts are those of the end-to-end lab.
"""

import contextlib
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from lab.consul import Consul
from lab.door import Tunnel
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.namespace import Namespace, join
from lab.process import Process

from panteras_dns.access.ssh import sshd

DNS, SERVICE, NETWORK = "10.77.9.1", "10.77.9.11", "10.77.9.0/24"
VISITS, STREAMS = 8000, 5201  # ports
SEARCH = "198.51.100.53"  # an upstream that is never asked
BUFFER = 65_536  # as the kits have it; the same for all
ACCOUNT = "root"  # this Python may be one that no other account can read
PLAIN, DOOR, LIMITED = "plain", "door", "door, 2 services"
_ROOT = "PermitRootLogin"

PLAIN_SSHD = """\
Port {port}
PidFile none
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
UsePAM no
"""
PLAIN_SSH = """\
Host *
    User root
    IdentityFile id
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    ControlPath none
    LogLevel ERROR
"""


@dataclass(frozen=True)
class Way:
    """One way in: *laptop* is where it begins."""

    name: str
    laptop: Namespace


class Stage(contextlib.ExitStack):
    """Everything, from the first namespace to the tunnels; leaving it ends all of it, in reverse."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.ways: list[Way] = []

    def set(self) -> "Stage":
        """Return when all tunnels carry."""
        self._gateway = self._host("gateway")
        self._service = self._host("service")
        join(self._gateway, self._service, [f"{DNS}/24"], [f"{SERVICE}/24"])
        self._gateway.use_resolvers(SEARCH)
        self._serve()
        self._open_plain()
        self._open_door()
        return self

    def _host(self, role: str) -> Namespace:
        made = Namespace(role)
        self.callback(made.delete)
        return made

    def _laptop(self, role: str, number: int) -> tuple[Namespace, str]:
        """A laptop that reaches the gateway and nothing behind it; the gateway's address there."""
        made, near = self._host(role), f"10.77.{number}.1"
        join(self._gateway, made, [f"{near}/24"], [f"10.77.{number}.2/24"])
        made.add_route("default", near)
        made.use_resolvers(near)
        return made, near

    def _run(self, words: list[str], name: str, where: Namespace, ready: str = "") -> Process:
        process = Process(words, self._folder / f"{name}.log", where)
        self.callback(process.stop)
        if ready:
            process.wait_until(lambda: ready in process.output + process.errors, "ready")
        return process

    def _serve(self) -> None:
        greet = f"cd {shlex.quote(str(Path(__file__).parents[1]))} && exec {sys.executable} -m benchmarks.visits serve"
        self._run(["sh", "-c", f"{greet} {SERVICE} {VISITS}"], "visits", self._service, "ready")
        words = ["iperf3", "--server", "--bind", SERVICE, "--port", str(STREAMS), "--forceflush"]
        self._run(words, "iperf3", self._service, "listening")
        consul = Consul(self._gateway, self._folder)
        self.callback(consul.stop)
        consul.start()
        consul.register("python1", SERVICE, port=VISITS)
        consul.register("python2", SERVICE, port=STREAMS)
        self.callback(Gateway(self._gateway, self._folder / "gateway.log").stop)

    def _open_plain(self) -> None:
        laptop, near = self._laptop("plain", 2)
        kit = self._folder / "plain"
        kit.mkdir()
        for key in ("id", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", kit / key], check=True)
        (kit / "id.pub").rename(kit / "authorized_keys")
        (kit / "sshd_config").write_text(PLAIN_SSHD.format(port=2022, folder=kit))
        (kit / "ssh_config").write_text(PLAIN_SSH)
        options = ["--dns", "--ssh-cmd=ssh -F ssh_config", f"--remote=root@{near}:2022", f"--exclude={near}"]
        options += [f"--latency-buffer-size={BUFFER}", f"--python={sys.executable}", NETWORK]
        (kit / "sshuttle.conf").write_text("\n".join([*options, ""]))
        self._sshd(kit / "sshd_config", "plain-sshd")
        self._go(Way(PLAIN, laptop), kit)

    def _open_door(self) -> None:
        state, run = self._folder / "access", self._folder / "run"
        run.mkdir()
        place = sshd.Place(state, run, ACCOUNT)
        self._access("init", "--network", NETWORK, "--dns", DNS, "--account", ACCOUNT, "--uid", "0")
        text = sshd.render(sshd.installed(), place).replace(f"{_ROOT} no", f"{_ROOT} prohibit-password")
        (run / "sshd_config").write_text(text)
        place.banner.touch()
        self.enter_context(_drained(run / "audit"))
        self._sshd(run / "sshd_config", "door-sshd")
        for number, (name, options) in enumerate(((DOOR, ()), (LIMITED, ("--services", "python1,python2"))), 3):
            laptop, near = self._laptop(f"door{number}", number)
            who = f"laptop{number}"
            self._access("grant", who, *options)
            self._access("kit", who, "--gateway", f"{near}:{place.port}", "--out", str(self._folder / who))
            self._go(Way(name, laptop), self._folder / who)

    def _access(self, *words: str) -> None:
        command = [*panteras("access", *words), "--state", str(self._folder / "access")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _sshd(self, config: Path, name: str) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd locks itself up
        self._run([sshd.binary(), "-D", "-e", "-f", str(config)], name, self._gateway, "Server listening")

    def _go(self, way: Way, kit: Path) -> None:
        tunnel = Tunnel(way.laptop, kit)
        self.callback(tunnel.stop)
        self.ways.append(way)


@contextlib.contextmanager
def _drained(path: Path) -> Iterator[None]:
    """A log that takes every line, and keeps none: the container's first process writes them out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        over = threading.Event()

        def drain() -> None:
            log.settimeout(0.2)
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    log.recv(65_536)

        thread = threading.Thread(target=drain)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
