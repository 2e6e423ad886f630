"""Whether names are answered: by the gateway itself, asked directly; for programs of this host, by a fresh one; and in
the networks of containers.

Answers are looked up anew each time; what was found before says only which names have to be there.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from panteras_dns.doctor.finding import Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.doctor.inside import running
from panteras_dns.endpoint import Endpoint
from panteras_dns.install.system import HERE, PORT
from panteras_dns.install.trouble import Trouble
from panteras_dns.query import Found, attempt

OTHERS = ("example.com",)  # of IANA, for this: expected only where it could be looked up before
_SERVER = Endpoint(HERE, PORT)
_PATIENCE = 2.0  # seconds for an answer
_PAUSE = 1.0
_LONG = 30.0
_LOOK_UP = """\
import json, socket, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = sorted({one[4][0] for one in socket.getaddrinfo(name, None)})
    except (OSError, UnicodeError):
        found[name] = []
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Trial:
    """*domain*: Consul's; *names*: those that this host could look up before; *bridge*: where containers will ask, or
    ""."""

    domain: str = "consul"
    names: tuple[str, ...] = ()
    bridge: str = ""
    server: Endpoint = _SERVER
    machine: Host = field(default_factory=Host)
    tries: int = 5  # a second apart: who was started just now may not know its servers yet

    def gateway(self) -> None:
        """`Trouble` unless it answers over UDP and TCP, for itself, for Consul and for all others."""
        self._patiently(self._gateway)

    def host(self) -> None:
        """`Trouble` unless a fresh process of this host finds what it found before, and Consul's own name."""
        self._patiently(self._host)

    def containers(self) -> None:
        """`Trouble` unless those that run reach the gateway where they are to ask it, from each of their networks."""
        self._patiently(self._containers)

    def _gateway(self) -> str:
        for tcp in (False, True):
            over = "TCP" if tcp else "UDP"
            own = self._ask("localhost", "A", tcp)
            if own is None or not own.route:
                return f"no gateway answers at {self.server} over {over}"
            if not _answers(self._ask(self._consul, "A", tcp)):
                return f"the gateway gets no answer from Consul over {over}: panteras explain {self._consul}"
            if not _answers(self._ask(".", "NS", tcp)):
                return f"the gateway gets no answer from its upstream servers over {over}: panteras query . NS"
        return ""

    def _host(self) -> str:
        told = self._ask(self._consul, "A", False)
        wanted = {record.split()[4] for record in told.records if record.split()[3] == "A"} if told else set()
        found = resolve([self._consul, *self.names])
        if wanted and not wanted & set(found.get(self._consul, [])):
            return f"programs of this host do not find {self._consul}, which the gateway knows"
        lost = [name for name in self.names if not found.get(name)]
        return f"this host could look up {lost[0]} before, and can't any more" if lost else ""

    def _containers(self) -> str:
        host = self.machine
        for one in running(host) if self.bridge else ():
            try:
                reached = host.ask_inside(one.pid, self.bridge)
            except (Unseen, subprocess.TimeoutExpired):  # it has ended meanwhile, or is not for us to look into
                continue
            if not reached:
                return f"the container {one.name} does not reach the gateway at {self.bridge}: look at the firewall"
        return ""

    def _patiently(self, look: Callable[[], str]) -> None:
        for left in range(self.tries - 1, -1, -1):
            problem = look()
            if not problem:
                return
            if left:
                time.sleep(_PAUSE)
        raise Trouble(problem)

    @property
    def _consul(self) -> str:
        return f"consul.service.{self.domain}"

    def _ask(self, name: str, kind: str, tcp: bool) -> Found | None:
        return attempt(name, kind, self.server, tcp, _PATIENCE)


def _answers(found: Found | None) -> bool:
    return found is not None and found.rcode not in ("SERVFAIL", "REFUSED")


def resolve(names: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """What a process that just started finds, as any program of this host: it has no answer from before."""
    words = [sys.executable, "-I", "-c", _LOOK_UP, *names]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LONG, check=True, cwd="/")
        found: Mapping[str, Sequence[str]] = json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return {}
    return found


def known(more: Sequence[str] = (), others: Sequence[str] = OTHERS) -> tuple[str, ...]:
    """The names that this host can look up now: its own, some of the world, and *more*; `Trouble` where one of these
    can't be."""
    names = list(dict.fromkeys([socket.gethostname(), socket.getfqdn(), *others, *more]))
    found = resolve(names)
    for name in more:
        if not found.get(name):
            raise Trouble(f"--name {name}: this host can't look it up now, expected a name that it can", 2)
    return tuple(name for name in names if found.get(name))
