"""HAProxy as it runs: its socket for commands, its master's for reloads, its check of a configuration.

Knows nothing of Consul. What can't be reached is `Gone`, what HAProxy refuses is `Invalid`, in its own words.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late  # not Python's own
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

from panteras_dns.box.steps import Shown

PROGRAM = "haproxy"
LEAST = (2, 6)  # servers are added at runtime without experimental-mode
_LONGEST_COMMAND = 12_000  # characters of commands sent at once; HAProxy's buffer has 16,384
_RELOAD = 5.0


class Gone(Exception):
    """Nobody answers at the socket."""


class Invalid(Exception):
    """HAProxy does not take it; the text is its first complaint."""


class HAProxy:
    """The one whose sockets are in *run*: `haproxy.sock` and `master.sock`."""

    def __init__(self, reactor: Any, run: Path) -> None:
        self._reactor = reactor
        self._admin, self._master = run / "haproxy.sock", run / "master.sock"
        self._replaced: set[int] = set()

    async def pid(self) -> int:
        """Of the worker that answers now: another after each reload and each restart."""
        pid, _ = _split(await self._ask(self._admin, "show info"), self._admin)
        return pid

    async def servers(self) -> dict[str, dict[str, Shown]]:
        """What each backend has. Backends without servers, too."""
        found: dict[str, dict[str, Shown]] = {
            name: {} for name in (await self.say("show backend")).split("\n") if name and not name.startswith("#")
        }
        for line in (await self.say("show servers state")).split("\n"):
            if re.match(r"\d+ ", line):
                # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight … srv_port is the 19th
                part = line.split()
                found.setdefault(part[1], {})[part[3]] = Shown(part[4], int(part[18]), int(part[7]), int(part[6]))
        return found

    async def map(self, file: str) -> dict[str, str]:
        """The pairs of a map: `show map` has an id before each."""
        lines = [line.split(maxsplit=2) for line in (await self.say(f"show map {file}")).split("\n") if line.strip()]
        return {part[1]: part[2] for part in lines if len(part) == 3 and part[0].startswith("0x")}

    async def busy(self) -> dict[str, int]:
        """Sessions under way by BACKEND/SERVER."""
        text = (await self.say("show stat -1 4 -1")).lstrip("# ")
        header, *rows = text.split("\n")
        at = header.split(",").index("scur")
        cells = [row.split(",") for row in rows if row.strip()]
        return {f"{row[0]}/{row[1]}": int(row[at] or 0) for row in cells if len(row) > at}

    async def do(self, commands: Sequence[str]) -> list[str]:
        """Say them in order, as many at once as fit; what HAProxy answered to those that it did not do."""
        told: list[str] = []
        batch: list[str] = []
        for command in [*commands, ""]:
            if batch and (not command or len(";".join([*batch, command])) > _LONGEST_COMMAND):
                answer = await self.say("; ".join(batch))
                told += [line for line in answer.split("\n") if line.strip() and not _is_fine(line)]
                batch = []
            if command:
                batch.append(command)
        return told

    async def reload(self, before: int) -> None:
        """Take the configuration from its file, and return when a worker other than *before* answers."""
        await self._ask(self._master, "reload")
        for _ in range(int(_RELOAD / 0.01)):
            try:
                if await self.pid() != before:
                    self._replaced = {before}
                    return
            except Gone:
                pass
            await deferLater(self._reactor, 0.01)
        raise Invalid(f"the configuration was not taken within {_RELOAD:g} s: the old one stays")

    async def say(self, command: str) -> str:
        """What the worker answers; `Gone` from one that was replaced.

        Until one that leaves has closed the socket both answer there: what it is told is lost, what it tells is old.
        """
        pid, text = _split(await self._ask(self._admin, f"show info; {command}"), self._admin)
        if pid in self._replaced:
            raise Gone(f"{self._admin}: the worker that answers is on its way out")
        return text

    async def _ask(self, path: Path, command: str) -> str:
        exchange = _Exchange(command)
        try:
            await connectProtocol(UNIXClientEndpoint(self._reactor, str(path), timeout=5), exchange)
            return await exchange.done.addTimeout(10, self._reactor)
        except (ConnectError, OSError, Late) as problem:
            raise Gone(f"{path}: {problem}") from None
        finally:
            exchange.close()


def _split(text: str, socket: Path) -> tuple[int, str]:
    """The process id out of `show info`, and what follows behind it."""
    info, _, rest = text.partition("\n\n")
    told = re.search(r"^Pid: (\d+)", info, re.MULTILINE)
    if told is None:
        raise Gone(f"{socket}: no process id in its answer")
    return int(told[1]), rest


def _is_fine(line: str) -> bool:
    return line.startswith(("New server registered", "Server deleted"))


class _Exchange(Protocol):
    """One line of commands, and all that comes back until HAProxy ends the connection."""

    transport: Any = None

    def __init__(self, command: str) -> None:
        self._command = command
        self._parts: list[bytes] = []
        self.done: Deferred[str] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(f"{self._command}\n".encode())
        self.transport.loseWriteConnection()  # the master would wait for more

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            self.done.callback(b"".join(self._parts).decode(errors="replace"))

    def close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


async def verify(reactor: Any, file: Path) -> None:
    """`haproxy -c`; `Invalid` with the first line that tells what is wrong."""
    try:
        out, err, status = await getProcessOutputAndValue(
            PROGRAM, ["-c", "-f", str(file)], dict(os.environ), "/", reactor
        )
    except Exception as problem:  # told as a failure of another kind for a signal
        raise Invalid(f"{PROGRAM} -c: {problem}") from None
    if status != 0:
        lines = (out + err).decode(errors="replace").split("\n")
        wrong = [line for line in lines if "[ALERT]" in line]
        raise Invalid(_first(wrong or lines))


def _first(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "no reason given")
    return re.sub(r"^\[ALERT\]\s+\(\d+\) : ", "", first).strip()[:300]
