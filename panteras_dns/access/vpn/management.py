"""A conversation with a running OpenVPN over its management socket: who is connected, and out with whom.

One client at a time is served there, so a conversation is short and has an end, whatever the other side does.
"""

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from panteras_dns.access.trouble import Trouble

_PATIENCE = 2.0  # seconds for all of a conversation
_HEARD = 0.05  # seconds for a message to leave
_MOST = 1 << 22  # bytes of an answer: 10,000 clients have less
_LINE = 4096
_LONGEST_TIME = 20  # digits


class Silent(Trouble):
    """It gave no answer that can be relied on."""


@dataclass(frozen=True)
class Client:
    """Who is connected. *id*: OpenVPN's own for the connection; *since*: seconds since 1970; bytes as it sees them."""

    id: int
    name: str
    address: str
    virtual: str
    virtual6: str
    received: int
    sent: int
    since: int


class Management:
    """An open conversation; Silent for whatever is not as OpenVPN does it."""

    def __init__(self, stream: socket.socket, origin: str, deadline: float) -> None:
        self._stream, self._origin, self._deadline = stream, origin, deadline
        self._data = bytearray()
        self._taken = 0

    def clients(self) -> Sequence[Client]:
        self._say("status 3")
        return parse_status(self._lines_until_end(), self._origin)

    def kill(self, name: str, why: str) -> int:
        """End all connections of *name*; how many there were. Their clients are told *why*, and not to come again."""
        told = [client for client in self.clients() if client.name == name]
        for client in told:
            # It goes on for five more seconds after this one: time for the client to hear it, and not to wait for.
            self._say(f'client-kill {client.id} "HALT,{why}"')
            self._answer()
        if told:
            time.sleep(_HEARD)
        self._say(f"kill {name}")
        self._answer()  # an ERROR when they went by themselves: whether any is left is for the next look
        return len(told)

    def _answer(self) -> str:
        while True:
            line = self._line()
            if line.startswith(("SUCCESS:", "ERROR:")):
                return line
            if not line.startswith(">"):
                raise Silent(f"{self._origin}: answers {line[:60]!r}, which OpenVPN does not")

    def _lines_until_end(self) -> Iterator[str]:
        while (line := self._line()) != "END":
            if line.startswith("ERROR:"):
                raise Silent(f"{self._origin}: {line[:80]}")
            if not line.startswith(">"):
                yield line

    def _say(self, command: str) -> None:
        self._stream.settimeout(max(self._deadline - time.monotonic(), 0.001))
        self._stream.sendall(f"{command}\n".encode())

    def _line(self) -> str:
        while (end := self._data.find(b"\n")) < 0:
            # By the clock, too: one that drips never lets a timeout come.
            if len(self._data) > _LINE or self._taken > _MOST or time.monotonic() > self._deadline:
                raise Silent(f"{self._origin}: answers without an end")
            self._stream.settimeout(max(self._deadline - time.monotonic(), 0.001))
            some = self._stream.recv(65_536)
            if not some:
                raise Silent(f"{self._origin}: hung up")
            self._data += some
            self._taken += len(some)
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        return line.rstrip(b"\r").decode("utf-8", "replace")


@contextlib.contextmanager
def conversation(path: Path, patience: float = _PATIENCE) -> Iterator[Management]:
    """Talk to the OpenVPN that listens at *path*; FileNotFoundError or ConnectionRefusedError when none runs."""
    deadline = time.monotonic() + patience
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(patience)
        try:
            stream.connect(str(path))
            yield Management(stream, str(path), deadline)
        except (FileNotFoundError, ConnectionRefusedError):
            raise
        except TimeoutError:
            raise Silent(f"{path}: no answer within {patience:.0f} s") from None
        except OSError as problem:
            raise Silent(f"{path}: {problem.strerror or problem}") from None


def parse_status(lines: Iterator[str], origin: str) -> Sequence[Client]:
    """The clients of an answer to `status 3`; Silent for what is none. Who has no name yet is not connected yet."""
    columns: Sequence[str] = ()
    found = []
    for line in lines:
        kind, *words = line.split("\t")
        if kind == "HEADER" and words[:1] == ["CLIENT_LIST"]:
            columns = words[1:]
        elif kind == "CLIENT_LIST":
            client = _client(dict(zip(columns, words, strict=False)), origin)
            if client.name != "UNDEF":
                found.append(client)
    if not columns:
        raise Silent(f"{origin}: answers without a list of clients")
    return found


def parse_time(lines: Sequence[str], origin: str) -> int:
    """When such an answer was given, in seconds since 1970."""
    for line in lines:
        words = line.split("\t")
        if words[0] == "TIME" and words[-1].isdecimal() and len(words[-1]) < _LONGEST_TIME:
            return int(words[-1])
    raise Silent(f"{origin}: answers without the time")


def _client(row: Mapping[str, str], origin: str) -> Client:
    try:
        return Client(
            id=int(row["Client ID"]),
            name=row["Common Name"],
            address=row["Real Address"],
            virtual=row["Virtual Address"],
            virtual6=row["Virtual IPv6 Address"],
            received=int(row["Bytes Received"]),
            sent=int(row["Bytes Sent"]),
            since=int(row["Connected Since (time_t)"]),
        )
    except (KeyError, ValueError) as problem:
        raise Silent(f"{origin}: a client that can't be read: {problem}") from None
