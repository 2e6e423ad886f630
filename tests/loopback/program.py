"""The whole program on loopback, between real sockets and a scripted server that plays Consul or an upstream."""

import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.query
from builders import a_query, a_reply

Script = Callable[[bytes, str], bytes | list[bytes] | None]  # (query, "udp" or "tcp") -> replies, None for silence


class Responder:
    """A DNS server that says what its script says, over UDP and TCP on one port of 127.0.0.1."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self.script = script
        self.queries: list[bytes] = []
        self.peers: list[tuple[str, int]] = []
        self._udp, self._tcp = _pair(port)
        self.port = self._udp.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __str__(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        if self._thread.is_alive():
            os.write(self._stop[1], b".")
            self._thread.join(5)
            for sock in (self._udp, self._tcp, *self._connections):
                sock.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._stop[0], self._udp, self._tcp, *self._connections], [], [])
            for one in ready:
                if one == self._stop[0]:
                    return
                if one is self._udp:
                    self._datagram()
                elif one is self._tcp:
                    self._connections.append(self._tcp.accept()[0])
                else:
                    self._message(one)

    def _datagram(self) -> None:
        query, client = self._udp.recvfrom(65535)
        self.peers.append(client)
        for reply in self._told(query, "udp"):
            self._udp.sendto(reply, client)

    def _message(self, connection: socket.socket) -> None:
        head = connection.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            self._connections.remove(connection)
            connection.close()
            return
        query = connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
        for reply in self._told(query, "tcp"):
            connection.sendall(struct.pack("!H", len(reply)) + reply)

    def _told(self, query: bytes, transport: str) -> list[bytes]:
        if b"panteras-loop-probe" not in query:  # asked on its own account
            self.queries.append(query)
        told = self.script(query, transport)
        return told if isinstance(told, list) else [told] if told is not None else []


def name_in(query: bytes) -> str:
    """Whatever stands behind the question, which may be nonsense."""
    return dns.message.from_wire(query, question_only=True).question[0].name.to_text()


def a_record(address: str, ttl: int = 60) -> Script:
    """A script: every name has that address."""
    return lambda query, _: a_reply(query, f"{name_in(query)} {ttl} A {address}")


def _pair(port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port; any that is free for both, if *port* is 0."""
    for _ in range(20):
        tcp = socket.create_server(("127.0.0.1", port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return udp, tcp
    raise OSError(f"no port is free for both, UDP and TCP: {port}")


class Gateway:
    """A running `panteras serve`. It keeps its user: files and sockets of a test are private to it."""

    def __init__(
        self, *arguments: str, admin: str = "off", environment: dict[str, str] | None = None, **options
    ) -> None:
        self.lines: list[str] = []
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "panteras_dns", "serve", "--user", "root", "--admin", admin, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            **options,
        )
        self._readers = [
            threading.Thread(target=self._gather, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.log))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _gather(stream, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))

    def ready(self) -> "Gateway":
        eventually(lambda: self.process.poll() is not None or any(line.startswith("ready") for line in self.lines))
        assert self.process.poll() is None, self.log
        return self

    @property
    def ports(self) -> list[int]:
        return [int(found[1]) for line in self.lines if (found := re.match(r"listening on .*:(\d+) ", line))]

    @property
    def port(self) -> int:
        return self.ports[0]

    def said(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def counters(self) -> dict[str, int]:
        """What it has counted so far, from its log."""
        before = len(self._told())
        self.process.send_signal(signal.SIGUSR1)
        eventually(lambda: len(self._told()) > before)
        return json.loads(self._told()[-1].partition("counters ")[2])

    def _told(self) -> list[str]:
        return [line for line in self.log if " counters {" in line]

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Seconds until it ended."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(5)
        finally:
            if self.process.poll() is None:
                self.process.kill()
        for reader in self._readers:
            reader.join(5)
        return time.monotonic() - began


def eventually(condition: Callable[[], object], within: float = 8.0) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def ask(
    port: int, name: str = "www.example.com", kind: str = "A", timeout: float = 5.0, host: str = "127.0.0.1", **options
) -> dns.message.Message:
    """One question over UDP."""
    return dns.query.udp(dns.message.from_wire(a_query(name, kind, **options)), host, timeout, port)


def ask_tcp(port: int, name: str = "www.example.com", kind: str = "A", timeout: float = 5.0) -> dns.message.Message:
    return dns.query.tcp(dns.message.from_wire(a_query(name, kind)), "127.0.0.1", timeout, port)


def addresses(message: dns.message.Message) -> list[str]:
    return [str(data) for rrset in message.answer for data in rrset if rrset.rdtype in (1, 28)]
