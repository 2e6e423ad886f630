"""The internet's DNS: a real resolver (unbound) before a real server (nsd) of the zone `example.`.

All other names do not exist. Both run on the namespace they are given and know of no other server.
"""

from collections.abc import Sequence
from pathlib import Path

from lab import dig
from lab.namespace import Namespace
from lab.process import Process

AUTHORITY_PORT = 5300
WWW_ADDRESS = "203.0.113.80"
CROWD = 200  # addresses of crowd.example: more than any UDP answer takes

ZONE = f"""\
$ORIGIN example.
$TTL 300
@ SOA ns hostmaster 1 3600 900 604800 60
@ NS ns
ns A 127.0.0.1
www A {WWW_ADDRESS}
www AAAA 2001:db8::80
short 2 A 203.0.113.81
alias CNAME www
"""

NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  database: ""
  zonesdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/nsd.xfrd"
  zonelistfile: "{directory}/nsd.zones"
remote-control:
  control-enable: no
zone:
  name: example.
  zonefile: example.zone
"""

UNBOUND = """\
server:
  interface: {address}@53
  access-control: 0.0.0.0/0 allow
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  logfile: ""
  log-queries: yes
  log-time-ascii: no
  module-config: iterator
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "." static
  local-zone: "example." transparent
remote-control:
  control-enable: no
stub-zone:
  name: example.
  stub-addr: 127.0.0.1@{port}
"""


class Resolver:
    """A resolver on *address* (port 53) of *internet*."""

    def __init__(self, internet: Namespace, address: str, directory: Path) -> None:
        self._internet = internet
        self._address = address
        self._directory = directory
        self._processes: list[Process] = []

    @property
    def running(self) -> bool:
        return bool(self._processes)

    def start(self) -> None:
        """Return when it resolves a name of the zone."""
        values = {"directory": self._directory, "address": self._address, "port": AUTHORITY_PORT}
        crowd = "".join(f"crowd A 203.0.113.{number + 1}\n" for number in range(CROWD))
        for file, text in (
            ("example.zone", ZONE + crowd),
            ("nsd.conf", NSD.format(**values)),
            ("unbound.conf", UNBOUND.format(**values)),
        ):
            (self._directory / file).write_text(text)
        self._run("nsd", ["nsd", "-d", "-c", str(self._directory / "nsd.conf")])
        self._run("unbound", ["unbound", "-d", "-c", str(self._directory / "unbound.conf")])
        self._processes[-1].wait_until(self._resolves, "a resolver that knows www.example")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()

    def asked_for(self, suffix: str) -> Sequence[str]:
        """The lines of its log, in lower case as the case of questions is mixed, that report a question for a name
        that ends in *suffix*."""
        lines = (self._processes[-1].output + self._processes[-1].errors).lower().splitlines()
        return [line for line in lines if f"{suffix}. " in line and " info: " in line]

    def _run(self, name: str, command: Sequence[str]) -> None:
        self._processes.append(Process(command, self._directory / f"{name}.log", self._internet))

    def _resolves(self) -> bool:
        return dig.ask(self._internet, self._address, "www.example", "A", "+time=1").addresses == {WWW_ADDRESS}
