"""The forced command of every login: sshuttle's server for this identity, and nothing else.

    python -m panteras_dns.access.ssh.gate --state DIR --run DIR

Who knocks is read from the certificate that sshd has verified. Runs without any secret in its hands.
"""

import argparse
import contextlib
import io
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from panteras_dns.access import settings
from panteras_dns.access.ssh import certificate, krl, sessions
from panteras_dns.access.ssh.audit import Audit
from panteras_dns.access.ssh.certificate import Certificate
from panteras_dns.access.ssh.order import Order, Refused, Wishes, read_command, read_upload
from panteras_dns.access.ssh.wire import Malformed
from panteras_dns.access.trouble import Trouble

PURPOSE = "This door is for sshuttle alone: see the README of your kit."
AUDIT_SOCKET = "audit"
HEALTH = "health"  # the only command for who has no certificate: the container itself

_UPLOAD = 20  # seconds for all of it
_WATCH = 0.1  # seconds between two looks at what is revoked
_MEMORY = 1 << 30
_FILES = 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Let one client through; SystemExit always."""
    parser = argparse.ArgumentParser(prog="gate")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    _bound()
    try:
        _welcome(chosen.state, chosen.run)
    except (Refused, Trouble, Malformed) as problem:
        _leave(f"{problem}. {PURPOSE}" if isinstance(problem, Refused) else str(problem))
    except Exception as problem:  # garbage in the tunnel ends it in one line
        _leave(f"the tunnel ended: {type(problem).__name__}: {problem}")


def _welcome(state: Path, run: Path) -> None:
    door = state / "door"
    chosen = settings.read((door / settings.FILE).read_bytes(), settings.FILE)
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    shown = _shown_key(os.environ)
    if shown is None:
        if command != HEALTH:
            raise Refused("who logs in needs a certificate")
        _say_health(chosen)
    who, key = certificate.read(shown)
    watch = Watch(door / "revoked.krl", who, key)
    if watch.revoked():
        raise Trouble("your access was revoked")
    audit = Audit(run / AUDIT_SOCKET, who)
    try:
        order = read_command(command)
        wishes = _upload(order)
    except Refused as problem:
        audit({"event": "refused", "why": str(problem)})
        audit.flush()
        raise
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the container stops: what is open is told first
    with sessions.session(state / "sessions", {**audit.who, "door": "ssh", "pid": os.getpid()}):
        # Looked at again behind the lock: whoever revokes first writes the list and then looks for locks, so that one
        # of the two sees the other, however long the upload took.
        if watch.revoked():
            raise Trouble("your access was revoked")
        _carry(order, wishes, who, watch, audit, chosen)


def _carry(
    order: Order, wishes: Wishes, who: Certificate, watch: "Watch", audit: Audit, chosen: settings.Settings
) -> None:
    """The tunnel itself, from the first packet to the last."""
    from panteras_dns.access import lookup  # noqa: PLC0415  (who is refused need not wait for them)
    from panteras_dns.access.reach import Reach  # noqa: PLC0415
    from panteras_dns.access.ssh import tunnel  # noqa: PLC0415  (who is refused need not wait for them)

    dns = str(chosen.dns)
    until = datetime.fromtimestamp(who.valid_before, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    limit = ",".join(who.services) or "all"
    me = f"identity={audit.who['identity']} device={audit.who['device']} door=ssh until={until} services={limit}"
    reach = Reach(chosen.networks, who.services, chosen.domain, dns, partial(lookup.instances, dns))
    guard = tunnel.Guard(reach, audit, chosen.domain, me)

    def end(why: str) -> NoReturn:
        with contextlib.suppress(OSError):  # a log that is gone or full must not keep anybody in
            guard.close_all()
            audit({"event": "end", "why": why})
            audit.flush()
        _leave(why, hang_up=True)

    audit({"event": "begin"})
    audit.flush()
    threading.Thread(target=watch.until_over, args=(audit.flush, end), daemon=True).start()
    try:
        tunnel.run(wishes, order.verbosity, guard, dns)
    finally:
        audit({"event": "end", "why": "closed"})
        audit.flush()


class Watch:
    """Whether a certificate still counts: it may be revoked, or expire, while its session lives."""

    def __init__(self, path: Path, who: Certificate, key: bytes) -> None:
        import hashlib  # noqa: PLC0415

        self._path, self._who, self._digest = path, who, hashlib.sha256(key).digest()
        self._seen: tuple[int, int] | None = None

    def revoked(self) -> bool:
        """Whether it is on the list; a list that is gone or damaged revokes nobody who is in (sshd lets nobody in)."""
        with contextlib.suppress(OSError, Malformed):
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) == self._seen:
                return False
            listed = krl.read(self._path.read_bytes())
            self._seen = (found.st_ino, found.st_mtime_ns)
            return self._who.serial in listed.serials or self._digest in listed.digests
        return False

    def until_over(self, tell: Callable[[], None], end: Callable[[str], NoReturn]) -> None:
        """Look until there is a reason to *end*; *tell* what waits for the log, OSError when it does not take it."""
        while True:
            if self.revoked():
                end("your access was revoked")
            if time.time() >= self._who.valid_before:
                end("your certificate has expired: ask for a new one")
            try:
                tell()
            except OSError as problem:
                end(f"the door keeps no log ({problem.strerror}): tell who runs it")
            time.sleep(_WATCH)


def _shown_key(environment: Mapping[str, str]) -> str | None:
    """The certificate that sshd accepted, as a line; None for a plain key."""
    try:
        lines = Path(environment["SSH_USER_AUTH"]).read_text().splitlines()
    except (KeyError, OSError):
        raise Trouble("sshd does not tell who logged in: it needs ExposeAuthInfo yes") from None
    for line in lines:
        method, _, shown = line.partition(" ")
        if method == "publickey" and "-cert-" in shown.partition(" ")[0]:
            return shown
    return None


def _say_health(chosen: settings.Settings) -> NoReturn:
    from panteras_dns.access import lookup  # noqa: PLC0415

    name = f"consul.service.{chosen.domain}"
    try:
        reply = lookup.ask(str(chosen.dns), name, "A", time.monotonic() + 2)
    except lookup.Unknown as problem:
        _leave(f"the DNS at {chosen.dns} gives no answer: {problem}")
    print(f"{name}: {', '.join(str(one.rdata) for one in reply.rr) or 'no address'}")
    raise SystemExit(0)


def _upload(order: Order) -> Wishes:
    def late(*_: object) -> None:
        raise Refused("the upload took too long")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(_UPLOAD)
    try:
        # Unbuffered: what follows belongs to the tunnel.
        with io.FileIO(0, closefd=False) as stream:
            return read_upload(order, partial(_take, stream))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def _take(stream: io.FileIO, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (some := stream.read(size - len(data))):
        data += some
    return bytes(data)


def _bound() -> None:
    """Whatever a client sends, it costs no more than this."""
    for kind, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_NOFILE, _FILES), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def _leave(why: str, hang_up: bool = False) -> NoReturn:
    """Say *why* to the person and go, with the whole connection if *hang_up*: nothing else may begin on it."""
    with contextlib.suppress(OSError):
        os.set_blocking(2, False)  # whoever does not read it must not stay for that
        os.write(2, f"panteras: {why}\n".encode())
    if hang_up:
        parent = os.getppid()
        with contextlib.suppress(OSError):
            if Path(f"/proc/{parent}/comm").read_text().startswith("sshd"):
                time.sleep(_WATCH / 2)  # for the sentence to get out
                os.kill(parent, signal.SIGTERM)
        os._exit(1)
    raise SystemExit(1)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as end:
        # At once: what sshuttle leaves behind tells tracebacks while the interpreter takes itself apart.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)
