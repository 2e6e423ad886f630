"""How each server is started for the work at hand: one worker, one thread, nothing logged.

*cache* is the number of answers to remember; with 0 every question is forwarded. Peers that can be told to
use large socket buffers are told so, as this server is by default.
"""

import getpass
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import require
from benchmarks.trouble import Trouble


@dataclass(frozen=True)
class Work:
    """Where to listen, whom to ask, how much to remember, and a folder for configuration."""

    port: int
    upstream: int
    cache: int
    folder: Path

    def file(self, name: str, text: str) -> str:
        """Write a configuration file; its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Peer:
    """A server to measure; *package* is Debian's, or empty for this project's own."""

    name: str
    program: str
    package: str
    command: Callable[[Work], list[str]]
    version: Callable[[], str]
    everywhere: bool = True  # or only in scenarios that name it

    def require(self) -> None:
        """Raise Trouble unless it can run."""
        if self.package:
            require(self.program, self.package)
        elif importlib.util.find_spec("panteras_dns") is None:
            raise Trouble("panteras_dns is not importable: run this from the repository")
        elif self.command is panteras and importlib.util.find_spec("panteras_dns._batch") is None:
            raise Trouble("panteras_dns._batch is not built: make it, or leave out the peer 'panteras'")


def panteras(work: Work) -> list[str]:
    # It ignores the cache for Consul routes by itself, and starts with one worker.
    config = work.file("panteras.toml", f"[cache]\nsize = {work.cache or 10_000}\n")
    upstream = f"127.0.0.1:{work.upstream}"
    command = [sys.executable, "-m", "panteras_dns", "serve", "--user", getpass.getuser()]
    command += ["--config", config, "--listen", f"127.0.0.1:{work.port}"]
    return [*command, "--consul", upstream, "--upstream", upstream]


def panteras_plain(work: Work) -> list[str]:
    return ["env", "PANTERAS_BATCH=plain", *panteras(work)]


def panteras_log(work: Work) -> list[str]:
    """With the query log, whole, to a file that keeps nothing."""
    command = panteras(work)
    with Path(command[command.index("--config") + 1]).open("a") as config:
        config.write('[querylog]\nto = "/dev/null"\n')
    return command


def dnsmasq(work: Work) -> list[str]:
    upstream = f"127.0.0.1#{work.upstream}"
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="]
    command += [f"--user={getpass.getuser()}", "--no-resolv", "--no-hosts", "--bind-interfaces"]
    command += ["--listen-address=127.0.0.1", f"--port={work.port}", f"--cache-size={work.cache}"]
    return [*command, "--dns-forward-max=10000", f"--server=/consul/{upstream}", f"--server={upstream}"]


UNBOUND = """\
server:
  interface: 127.0.0.1@{port}
  username: ""
  chroot: ""
  directory: ""
  pidfile: ""
  use-syslog: no
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  outgoing-range: 4096
  num-queries-per-thread: 2048
  so-rcvbuf: 4m
  so-sndbuf: 4m
  minimal-responses: yes
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
  forward-no-cache: {no_cache}
remote-control:
  control-enable: no
"""


def unbound(work: Work) -> list[str]:
    no_cache = "no" if work.cache else "yes"
    text = UNBOUND.format(port=work.port, upstream=work.upstream, no_cache=no_cache)
    return ["unbound", "-d", "-c", work.file("unbound.conf", text)]


DNSDIST = """\
setSecurityPollSuffix("")
setLocal("127.0.0.1:{port}")
setUDPSocketBufferSizes(4194304, 4194304)
setMaxUDPOutstanding(65535)
newServer({{address="127.0.0.1:{upstream}", checkName="python1.service.consul."}})
"""


def dnsdist(work: Work) -> list[str]:
    text = DNSDIST.format(port=work.port, upstream=work.upstream)
    if work.cache:
        text += f'getPool(""):setCache(newPacketCache({work.cache}))\n'
    return ["dnsdist", "--supervised", "--disable-syslog", "-C", work.file("dnsdist.conf", text)]


KRESD = """\
net.listen("127.0.0.1", {port}, {{ kind = "dns" }})
trust_anchors.remove(".")
cache.size = 64 * MB
{no_cache}
policy.add(policy.all(policy.STUB("127.0.0.1@{upstream}")))
"""


def kresd(work: Work) -> list[str]:
    no_cache = "" if work.cache else 'policy.add(policy.all(policy.FLAGS("NO_CACHE")))'
    text = KRESD.format(port=work.port, upstream=work.upstream, no_cache=no_cache)
    folder = work.folder / "kresd"
    folder.mkdir(exist_ok=True)
    return ["kresd", "--noninteractive", "--config", work.file("kresd.conf", text), str(folder)]


def version_of(*command: str) -> Callable[[], str]:
    """A reader of the first number with dots that *command* prints."""

    def version() -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        found = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
        return found[0] if found else "unknown"

    return version


_OWN = (sys.executable, "-m", "panteras_dns", "--version")
PEERS = {
    peer.name: peer
    for peer in (
        Peer("panteras", "panteras", "", panteras, version_of(*_OWN)),
        Peer("panteras-plain", "panteras", "", panteras_plain, version_of(*_OWN)),
        Peer("panteras-log", "panteras", "", panteras_log, version_of(*_OWN), everywhere=False),
        Peer("dnsdist", "dnsdist", "dnsdist", dnsdist, version_of("dnsdist", "--version")),
        Peer("unbound", "unbound", "unbound", unbound, version_of("unbound", "-V")),
        Peer("dnsmasq", "dnsmasq", "dnsmasq-base", dnsmasq, version_of("dnsmasq", "--version")),
        Peer("knot-resolver", "kresd", "knot-resolver", kresd, version_of("kresd", "--version")),
    )
}
