"""Clients that ask and show all of an answer: dig and kdig."""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

LONGEST_ANSWER = 5  # seconds a client waits


class Place(Protocol):
    """Where a command can be run: it is put after *prefix*."""

    @property
    def prefix(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Record:
    name: str
    ttl: int
    kind: str
    data: str


@dataclass(frozen=True)
class Answer:
    """A reply as its receiver saw it; *size* in bytes, *seconds* from the client's start to its end."""

    status: str
    flags: frozenset[str]
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    size: int
    seconds: float
    text: str

    def of(self, kind: str) -> set[str]:
        """The data of all answers of one type."""
        return {record.data for record in self.answer if record.kind == kind}

    @property
    def addresses(self) -> set[str]:
        return self.of("A")


def ask(
    host: Place, server: str, name: str, kind: str = "A", *options: str, tool: str = "dig", port: int = 53
) -> Answer:
    """What *tool*, run on *host*, gets from *server* when it asks once; *options* are dig's (`+tcp`)."""
    command = [tool, f"@{server}", "-p", str(port), *options]
    if tool == "dig":
        command.append("+tries=1")
    else:
        command.append("+retry=0")
    began = time.monotonic()
    done = subprocess.run(
        [*host.prefix, *command, f"+time={LONGEST_ANSWER}", name, kind],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_ANSWER + 5,
        check=False,
    )
    return _read(done.stdout, time.monotonic() - began)


def _read(text: str, seconds: float) -> Answer:
    status = re.search(r"status: (\w+)", text)
    flags = re.search(r"(?i)^;; flags: ([a-z ]*);", text, re.MULTILINE)
    size = re.search(r"(?:MSG SIZE +rcvd:|Received) (\d+)", text)
    assert status and flags and size, f"no reply:\n{text}"
    return Answer(
        status=status[1],
        flags=frozenset(flags[1].split()),
        answer=_section(text, "ANSWER"),
        authority=_section(text, "AUTHORITY"),
        additional=_section(text, "ADDITIONAL"),
        size=int(size[1]),
        seconds=seconds,
        text=text,
    )


def _section(text: str, title: str) -> tuple[Record, ...]:
    found = re.search(rf"^;; {title} SECTION:\n(.*?)(?:\n\n|\n;;|\Z)", text, re.MULTILINE | re.DOTALL)
    return tuple(_record(line) for line in found[1].splitlines() if line) if found else ()


def _record(line: str) -> Record:
    name, ttl, _, kind, data = line.split(None, 4)
    return Record(name, int(ttl), kind, data)
