"""sshuttle's server behind the guard, in a process of its own, and a client that says what no real one would."""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sshuttle import ssnet

from panteras_dns.access.reach import Denied
from panteras_dns.access.ssh import carriage, tunnel
from panteras_dns.access.ssh.order import Wishes

HEADER = struct.Struct("!2sHHH")
CLOSED_PORT = 9
PATIENCE = 10.0
ME = "identity=alice device=laptop services=" + ",".join(f"service{number}" for number in range(64))


class Everything:
    """A reach without networks: loopback, too, but for one port."""

    def enter(self, address: str, port: int) -> str:
        if port == CLOSED_PORT:
            raise Denied("closed")
        return "web"

    def learn(self, name: str, addresses: set[str]) -> None: ...


class Carrier:
    """A running server, spoken to packet by packet."""

    def __init__(
        self, log: Path, nameserver: str = "127.99.99.99", latency_control: bool = True, stuck: float = 30
    ) -> None:
        words = [sys.executable, __file__, str(log), nameserver, str(int(latency_control)), str(stuck)]
        self._log = log
        log.touch()
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self._input = b""
        assert self._take(14) == b"\0\0SSHUTTLE0001"

    def send(self, channel: int, cmd: int, data: bytes = b"") -> None:
        self.send_bytes(HEADER.pack(b"SS", channel, cmd, len(data)) + data)

    def send_bytes(self, data: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(data)

    def pour(self, data: bytes, patience: float = 0.3) -> int:
        """Write until it does not take any more for *patience* seconds, or all is written: how many bytes."""
        assert self._process.stdin
        descriptor, sent = self._process.stdin.fileno(), 0
        os.set_blocking(descriptor, False)
        while sent < len(data) and select.select([], [descriptor], [], patience)[1]:
            with contextlib.suppress(BlockingIOError):
                sent += os.write(descriptor, data[sent : sent + 65_536])
        os.set_blocking(descriptor, True)
        return sent

    def packet(self) -> tuple[int, int, bytes]:
        """The next one: channel, command, data."""
        magic, channel, cmd, size = HEADER.unpack(self._take(HEADER.size))
        assert magic == b"SS"
        return channel, cmd, self._take(size)

    def until(self, wanted: int) -> list[tuple[int, int, bytes]]:
        """All packets up to the first of that command."""
        found = [self.packet()]
        while found[-1][1] != wanted:
            found.append(self.packet())
        return found

    def ping(self) -> list[tuple[int, int, bytes]]:
        """Whatever comes before the answer: it lives."""
        self.send(0, ssnet.CMD_PING, b"still there?")
        before = self.until(ssnet.CMD_PONG)
        assert before.pop() == (0, ssnet.CMD_PONG, b"still there?")
        return [one for one in before if one[1] not in {ssnet.CMD_PING, ssnet.CMD_ROUTES}]

    def connect(self, channel: int, port: int, address: str = "127.0.0.1") -> None:
        self.send(channel, ssnet.CMD_TCP_CONNECT, f"2,{address},{port}".encode())

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def memory(self) -> int:
        """Bytes that it holds now."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024

    def children(self) -> str:
        return Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()

    def end(self) -> tuple[int, str]:
        """Hang up: its exit status, and what it said."""
        assert self._process.stdin and self._process.stdout and self._process.stderr
        if self._process.returncode is not None:
            return self._process.returncode, ""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            told = self._process.stderr.read().decode()
            return self._process.wait(PATIENCE), told
        finally:
            self._process.kill()
            self._process.stderr.close()

    def _take(self, size: int) -> bytes:
        assert self._process.stdout
        deadline = time.monotonic() + PATIENCE
        while len(self._input) < size:
            ready = select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))[0]
            some = os.read(self._process.stdout.fileno(), 1 << 20) if ready else b""
            if not some:
                raise EOFError
            self._input += some
        data, self._input = self._input[:size], self._input[size:]
        return data


def serve(log: str, nameserver: str, latency_control: str, stuck: str) -> None:
    carriage.STUCK = float(stuck)
    with Path(log).open("a", buffering=1) as file:
        guard = tunnel.Guard(Everything(), lambda event: print(json.dumps(event), file=file), "consul", ME)  # type: ignore[arg-type]
        tunnel.run(Wishes(latency_control == "1"), 0, guard, nameserver)


if __name__ == "__main__":
    try:
        serve(*sys.argv[1:])
    except SystemExit as end:
        os._exit(int(str(end.code)))
    os._exit(0)  # as the gate does
