"""Where the rows run: a server between scripted upstreams, and the hands of a client."""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from conformance import mischief
from conformance.catalogue import consul
from conformance.message import TCP, UDP, Answer, Question
from conformance.peers import LOCAL, Peer, Setting, free_port, started
from conformance.stage import Heard, Script, Stage
from conformance.table import Broken
from conformance.zone import upstream

PATIENCE = 2.0  # seconds for an answer that should come at once
LAST_MOMENT = 4.6  # a stub resolver's own time-out is 5


class Bench:
    """One server with all its routes, kept for many rows."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stages = {".": Stage(upstream), "consul": Stage(consul)}
        self.stages |= {domain: Stage(script) for domain, script in mischief.ROUTES.items()}
        routes = {domain: (stage.port,) for domain, stage in self.stages.items()}
        self.setting = Setting({**routes, "closed.example": (free_port(),)})
        try:
            self.server = started(peer, self.setting)
        except AssertionError:
            self._leave()
            raise

    def close(self) -> None:
        self.server.stop()
        self._leave()

    def _leave(self) -> None:
        for stage in self.stages.values():
            stage.close()


class Case:
    """One row on its way, over one transport, with a label of its own for its names."""

    def __init__(self, bench: Bench, over: str) -> None:
        self.bench = bench
        self.over = over
        self.label = "c" + secrets.token_hex(4)
        self._stack = contextlib.ExitStack()
        self.server = bench.server
        self.port = bench.server.port
        self._before = len(bench.server.log)

    def close(self) -> None:
        said = [*self.bench.server.log[self._before :], *(() if self.server is self.bench.server else self.server.log)]
        self._stack.close()
        if any("Traceback" in line for line in said):
            raise Broken("a traceback in the log: " + said[-1])

    @property
    def peer(self) -> Peer:
        return self.bench.peer

    @property
    def upstream(self) -> Stage:
        return self.bench.stages["."]

    @property
    def consul(self) -> Stage:
        return self.bench.stages["consul"]

    def stage(self, domain: str) -> Stage:
        return self.bench.stages[domain]

    def heard(self, domain: str = ".") -> list[Heard]:
        """What the server of that route was asked about this case's names."""
        return self.stage(domain).about(self.label)

    # Another server for this case alone -------------------------------------------------------------

    def play(self, script: Script) -> Stage:
        """A scripted server for this case."""
        made = Stage(script)
        self._stack.callback(made.close)
        return made

    def restart(self, **changes: Any) -> Any:
        """Ask another server from now on, with a setting of its own."""
        routes = {
            **{domain: self.bench.setting.routes[domain] for domain in (".", "consul")},
            **changes.pop("routes", {}),
        }
        try:
            server = started(self.peer, Setting(routes, **changes))
        except AssertionError as problem:
            raise Broken(str(problem).split("\n")[0][:160]) from None
        self._stack.callback(server.stop)
        self.server, self.port = server, server.port
        return server

    # Asking -------------------------------------------------------------------------------------------

    def packet(self, question: Question, number: int | None = None) -> bytes:
        return question.packet(self.label, secrets.randbelow(65536) if number is None else number)

    def ask(self, question: Question, patience: float = PATIENCE, over: str | None = None) -> Answer | None:
        return self.send(self.packet(question), patience, over)

    def must(self, question: Question, patience: float = PATIENCE, over: str | None = None) -> Answer:
        """The answer; `Broken` if there is none."""
        answer = self.ask(question, patience, over)
        if answer is None:
            raise Broken("no answer")
        return answer

    def send(self, packet: bytes, patience: float = PATIENCE, over: str | None = None) -> Answer | None:
        """The answer to any bytes, None for silence."""
        began = time.monotonic()
        transport = over or self.over
        raw = (self._by_tcp if transport == TCP else self._by_udp)(packet, patience)
        return Answer(packet, raw, transport, time.monotonic() - began) if raw and len(raw) >= 12 else None

    def _by_udp(self, packet: bytes, patience: float) -> bytes | None:
        with self.udp() as sock:
            sock.settimeout(patience)
            sock.send(packet)
            try:
                return sock.recv(65535)
            except OSError:
                return None

    def _by_tcp(self, packet: bytes, patience: float) -> bytes | None:
        try:
            with self.tcp(patience) as sock:
                sock.sendall(len(packet).to_bytes(2, "big") + packet)
                return read_message(sock)
        except OSError:
            return None

    @contextlib.contextmanager
    def udp(self, host: str = LOCAL) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.connect((host, self.port))
            sock.settimeout(PATIENCE)
            yield sock

    def tcp(self, patience: float = PATIENCE) -> socket.socket:
        sock = socket.create_connection((LOCAL, self.port), patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def first_of(self, *packets: bytes) -> bytes | None:
        """Send all over one socket or connection; the first answer. Shows silence without a wait for it."""
        if self.over == UDP:
            with self.udp() as sock:
                for packet in packets:
                    sock.send(packet)
                try:
                    return sock.recv(65535)
                except OSError:
                    return None
        with self.tcp() as sock:
            sock.sendall(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))
            try:
                return read_message(sock)
            except OSError:
                return None

    def alive(self, name: str = "{}.plain.example") -> Answer:
        """The server still answers an ordinary question at once."""
        answer = self.ask(Question(name.replace("{}", secrets.token_hex(4))), over=UDP)
        if answer is None or answer.rcode != "NOERROR":
            raise Broken(f"after that it answers no more: {answer or 'no answer'}")
        return answer


def read_message(stream: socket.socket) -> bytes | None:
    """One message of a connection; None when it ends."""
    head = _exactly(stream, 2)
    return _exactly(stream, int.from_bytes(head, "big")) if head else None


def _exactly(stream: socket.socket, size: int) -> bytes | None:
    found = b""
    while len(found) < size:
        piece = stream.recv(size - len(found))
        if not piece:
            return None
        found += piece
    return found


def eventually(condition: Callable[[], object], within: float, otherwise: str) -> None:
    """Wait until *condition* holds; `Broken` with *otherwise* if it does not."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise Broken(otherwise)
        time.sleep(0.01)
