"""The first process of the SSH door's container: looks whether all is there, starts sshd, keeps the log.

What is missing is said in one line before anyone knocks. sshd and its children tell their stories on standard error;
the gates' audit lines go to standard output.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from panteras_dns.access import lookup
from panteras_dns.access.settings import Settings
from panteras_dns.access.ssh import krl, sessions, sshd
from panteras_dns.access.ssh.gate import AUDIT_SOCKET, HEALTH, PURPOSE
from panteras_dns.access.ssh.wire import Malformed
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vault import Vault

RESOLV_CONF = Path("/etc/resolv.conf")

_DOCKERS_OWN = "127.0.0.11"  # on networks that docker made, in front of the one it was given
_ANSWER = 5.0  # seconds for the DNS to answer at start
_LOOK = 0.5  # seconds between two looks at what could break
_LINE = 65_536
_FAREWELL = 2.0  # seconds


def keep(vault: Vault, place: sshd.Place, chosen: Settings, resolv_conf: Path = RESOLV_CONF) -> int:
    """Run the door until it is told to end; the exit status."""
    check(vault, chosen, resolv_conf)
    config = place.run / "sshd_config"
    config.write_text(sshd.render(sshd.installed(), place))
    place.banner.write_text(f"{PURPOSE}\n")
    _make_health_key(place)
    sshd.verify(config)
    with _audit(place.run / AUDIT_SOCKET) as audit:
        server = subprocess.Popen([sshd.binary(), "-D", "-e", "-f", config])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.terminate())
        _say(f"the SSH door is open on port {place.port}; names come from {chosen.dns}")
        return _until_it_ends(server, audit, vault)


def check(vault: Vault, chosen: Settings, resolv_conf: Path) -> None:
    """Trouble with the first thing that would make the door useless, or lock everybody out."""
    for path in (vault.host_key, vault.host_certificate, vault.user_ca_public):
        vault.read(path)
    check_revoked(vault)
    if not os.access(vault.sessions, os.W_OK | os.X_OK):
        raise Trouble(f"{vault.sessions}: can't be written by uid {os.geteuid()}: mount it, owned by that account")
    check_resolver(chosen, resolv_conf)


def check_revoked(vault: Vault) -> None:
    """Trouble when the list of revoked keys is missing or damaged: sshd would refuse everybody, and not say why."""
    hint = "without it sshd refuses everybody; write it anew with: panteras access repair"
    try:
        krl.read(vault.read(vault.revoked))
    except Malformed as problem:
        raise Trouble(f"{vault.revoked}: {problem}; {hint}") from None
    except Trouble as problem:
        raise Trouble(f"{problem}; {hint}") from None


def check_resolver(chosen: Settings, resolv_conf: Path) -> None:
    """Trouble unless *resolv_conf* names the docker host's DNS alone, and that answers."""
    run = f"run the container with --dns {chosen.dns}"
    try:
        words = [line.split() for line in resolv_conf.read_text(errors="replace").splitlines()]
    except OSError as problem:
        raise Trouble(f"{resolv_conf}: {problem.strerror}, expected nameserver {chosen.dns} in it; {run}") from None
    servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    if len(servers) != 1:
        raise Trouble(f"{resolv_conf}: {len(servers)} nameservers, expected {chosen.dns} alone; {run}")
    if servers[0].partition("%")[0] not in {str(chosen.dns), _DOCKERS_OWN}:
        raise Trouble(f"{resolv_conf}: nameserver {servers[0]}, expected {chosen.dns}; {run}, or change door.toml")
    name, deadline = f"consul.service.{chosen.domain}", time.monotonic() + _ANSWER
    try:
        lookup.reply(str(chosen.dns), name, "A", deadline)
    except lookup.Unknown as problem:
        raise Trouble(
            f"the DNS at {chosen.dns} does not answer ({problem}); is panteras serve running on the docker host, and "
            f"does its access list allow this container?"
        ) from None


def knock(place: sshd.Place) -> str:
    """Log in as the container itself, and have a name resolved: what HEALTHCHECK runs; Trouble when that fails."""
    # fmt: off
    command = [
        "ssh", "-F", "none", "-T", "-i", str(place.health_key), "-p", str(place.port), "-o", "IdentitiesOnly=yes",
        "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
        "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", f"{place.account}@127.0.0.1", HEALTH,
    ]
    # fmt: on
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        raise Trouble("the door does not answer within 10 seconds") from None
    if done.returncode:
        raise Trouble(f"the door does not let its own key in: {' '.join(done.stderr.split()) or 'no reason given'}")
    return done.stdout.strip()


def _until_it_ends(server: "subprocess.Popen[bytes]", audit: socket.socket, vault: Vault) -> int:
    trouble = ""
    while True:
        with contextlib.suppress(TimeoutError):
            _keep_line(audit)
            continue
        if (status := server.poll()) is not None:
            _see_out(audit, vault)
            _say(f"sshd ended with status {status}")
            return 0 if status in {0, -signal.SIGTERM} else 1
        _reap(server.pid)
        trouble = _new_trouble(vault, trouble)


def _see_out(audit: socket.socket, vault: Vault) -> None:
    """End the sessions that live, and keep their last lines."""
    for told in sessions.live(vault.sessions):
        if isinstance(pid := told.get("pid"), int) and pid > 1:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _FAREWELL
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < deadline:
            _keep_line(audit)


def _keep_line(audit: socket.socket) -> None:
    sys.stdout.write(audit.recv(_LINE).decode("utf-8", "replace") + "\n")
    sys.stdout.flush()


def _new_trouble(vault: Vault, before: str) -> str:
    """What is wrong now, said once when it changes."""
    try:
        check_revoked(vault)
        now = ""
    except Trouble as problem:
        now = str(problem)
    if now != before:
        _say(now or f"{vault.revoked}: is back; people may log in again")
    return now


def _reap(keep_pid: int) -> None:
    """End what the first process of a container inherits; sshd's own status is left to be read by its owner."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ChildProcessError):
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        while found is not None and found.si_pid != keep_pid:
            os.waitpid(found.si_pid, 0)
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)


@contextlib.contextmanager
def _audit(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        path.chmod(0o600)
        sock.settimeout(_LOOK)
        yield sock


def _make_health_key(place: sshd.Place) -> None:
    """A key that lives as long as this container, good from its own loopback for the question after its health."""
    from panteras_dns.access.ssh import ca  # noqa: PLC0415  (after the checks: cryptography takes a while)

    private, public = ca.new_key("health")
    place.health_key.unlink(missing_ok=True)
    descriptor = os.open(place.health_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    authorized = Path(f"{place.health_key}.authorized")
    authorized.write_text(f'restrict,from="127.0.0.1,::1" {public}\n')
    authorized.chmod(0o600)


def _say(text: str) -> None:
    sys.stderr.write(f"panteras: {text}\n")  # in one piece: sshd writes there, too
    sys.stderr.flush()
