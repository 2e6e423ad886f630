"""sshuttle's own server, with a guard at the places where it would reach out: TCP connects, DNS, and all the rest.

Its version is pinned in pyproject.toml: `Mux`, `MuxWrapper`, `DnsProxy`, `SockWrapper`, `Proxy`, `connect_dst` and
`runonce` are what is relied on.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sshuttle import helpers, server, ssnet

from panteras_dns.access import lookup
from panteras_dns.access.reach import Denied, Reach
from panteras_dns.access.ssh import carriage
from panteras_dns.access.ssh.order import Wishes

MOST_CONNECTIONS = 400  # select(), which sshuttle waits with, ends at 1024 sockets
_MOST_QUESTIONS = 100  # in flight; each may hold three sockets
_QUESTION = 30.0  # seconds that one may take, as in sshuttle
_DNS_PORT = 53

Audit = Callable[[Mapping[str, Any]], None]


class Guard:
    """What one session may do, and what it did. *me*: the text of its own TXT record."""

    def __init__(self, reach: Reach, audit: Audit, domain: str, me: str) -> None:
        self.reach = reach
        self._audit = audit
        self._mine = f"me.access.{domain}"
        self._ending = b"".join(bytes([len(label)]) + label.encode() for label in domain.split(".")) + b"\0"
        self._me = me
        self.open: set[Connection] = set()
        self.questions = 0

    def connect(self, place: lookup.Place) -> str:
        """The service at *place*; Denied, and told, when it may not be entered."""
        try:
            if len(self.open) >= MOST_CONNECTIONS:
                raise Denied(f"{MOST_CONNECTIONS} connections are open")
            return self.reach.enter(*place)
        except Denied as problem:
            self._audit({"event": "refused", "address": place[0], "port": place[1], "why": str(problem)})
            raise

    def closed(self, connection: "Connection") -> None:
        """Tell what went through *connection*; once."""
        if connection in self.open:
            self.open.discard(connection)
            self._audit({"event": "connect", **connection.told()})

    def close_all(self) -> None:
        for connection in list(self.open):
            self.closed(connection)

    def answer(self, request: bytes) -> bytes | None:
        """The reply to a question about the session itself: `dig TXT me.access.consul`; None for other questions."""
        return lookup.own_record(request, self._mine, self._me)

    def heard(self, reply: bytes) -> None:
        """A reply went to the person: its addresses have a name now."""
        if self._ending in reply[12:].lower():
            self.reach.learn(*lookup.answers(reply))


class GuardedMux(carriage.Mux):
    """Lets TCP connects and questions through, each after a look; nothing else begins here."""

    def __init__(self, rfile: Any, wfile: Any, guard: Guard) -> None:
        self._guard = guard
        super().__init__(rfile, wfile)

    def got_packet(self, channel: int, cmd: int, data: bytes) -> None:
        if cmd == ssnet.CMD_TCP_CONNECT:
            self._connect(channel, data)
        elif cmd == ssnet.CMD_DNS_REQ:
            if self._guard.questions < _MOST_QUESTIONS and not self.channels.get(channel):
                super().got_packet(channel, cmd, data)
        elif cmd in _FLOW or (cmd in _STREAM and self.channels.get(channel)):
            super().got_packet(channel, cmd, data)
        # UDP, routes and host names: this door has none of them, whatever channel they come on.

    def _connect(self, channel: int, data: bytes) -> None:
        if self.channels.get(channel):
            raise helpers.Fatal(f"channel {channel} is open already")
        try:
            place = _place(data)
            service = self._guard.connect(place)
            family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
            far = Connection(socket.socket(family), place, service, self._guard)
        except (Denied, ValueError, OSError):
            self.send(channel, ssnet.CMD_TCP_STOP_SENDING, b"")
            self.send(channel, ssnet.CMD_TCP_EOF, b"")
            return
        ssnet.connect_dst = lambda *_: far  # new_channel calls it at once
        super().got_packet(channel, ssnet.CMD_TCP_CONNECT, data)


_FLOW = {ssnet.CMD_PING, ssnet.CMD_PONG, ssnet.CMD_EXIT}
_STREAM = {ssnet.CMD_TCP_DATA, ssnet.CMD_TCP_EOF, ssnet.CMD_TCP_STOP_SENDING}


class Connection(carriage.Far):
    """A connection to a service that tells once, when it ends, what went through."""

    def __init__(self, sock: socket.socket, place: lookup.Place, service: str, guard: Guard) -> None:
        self._place, self._service, self._guard = place, service, guard
        self._since = time.monotonic()
        guard.open.add(self)
        super().__init__(sock, place)

    def told(self) -> Mapping[str, Any]:
        return {
            "service": self._service or None,
            "address": self._place[0],
            "port": self._place[1],
            "bytes": self.passed,
            "seconds": round(time.monotonic() - self._since, 3),
            "error": str(self.exc) if self.exc else None,
        }

    def dispose(self) -> None:
        super().dispose()
        self._guard.closed(self)


class GuardedDns(server.DnsProxy):  # type: ignore[misc]
    """One question. A nameserver that can't be reached costs this one, never the tunnel."""

    def __init__(self, mux: Any, channel: int, request: bytes, nameserver: str, guard: Guard) -> None:
        self._guard = guard
        self._until = time.monotonic() + _QUESTION
        guard.questions += 1
        super().__init__(mux, channel, request, nameserver)

    @property
    def timeout(self) -> float:
        """The moment that sshuttle compares with the time of day: past or never, so that the clock may jump."""
        return float("-inf") if time.monotonic() >= self._until else float("inf")

    @timeout.setter
    def timeout(self, moment: float) -> None: ...

    def try_send(self) -> None:
        if (reply := self._guard.answer(self.request)) is not None:
            self.mux.send(self.chan, ssnet.CMD_DNS_RESPONSE, reply)
            self.ok = False
            return
        try:
            super().try_send()
        except OSError as problem:
            helpers.debug1(f"DNS: {problem}")
        if not self.socks:
            self.ok = False

    def callback(self, sock: socket.socket) -> None:
        try:
            reply = sock.recv(65_535, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as problem:  # refused: asked again, as sshuttle does, a few times
            helpers.debug1(f"DNS: {problem}")
            self.socks.remove(sock)
            self.try_send()
            return
        self._guard.heard(reply)  # before the person knows the address: she may come at once
        self.mux.send(self.chan, ssnet.CMD_DNS_RESPONSE, reply)
        self.ok = False

    def dispose(self) -> None:
        self._guard.questions -= 1
        super().dispose()


def run(wishes: Wishes, verbosity: int, guard: Guard, nameserver: str) -> None:
    """Carry the tunnel over standard input and output until the client ends it; SystemExit on its errors."""
    helpers.verbose = min(verbosity, 2)
    server.Mux = partial(GuardedMux, guard=guard)
    server.DnsProxy = partial(GuardedDns, guard=guard)
    server.MuxWrapper = carriage.Stream
    ssnet.runonce = carriage.turn
    buffer = wishes.latency_buffer_size or ssnet.LATENCY_BUFFER_SIZE  # without one, sshuttle 2.0 does not start
    try:
        server.main(wishes.latency_control, buffer, False, f"{nameserver}@{_DNS_PORT}", False)
    finally:
        guard.close_all()


def _place(data: bytes) -> lookup.Place:
    family, address, port = data.decode("ascii").split(",", 2)
    if not (family.isdigit() and port.isdigit() and len(family) <= 5 and len(port) <= 5 and 0 < int(port) < 65_536):
        raise ValueError("not a place")
    found = ipaddress.ip_address(address)
    # ::ffff:127.0.0.1 is 127.0.0.1 to the kernel, and must be to whoever decides.
    return str(getattr(found, "ipv4_mapped", None) or found), int(port)
