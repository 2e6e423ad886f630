"""What a client of sshuttle sends before the tunnel: the command, and the code that it wants to be run.

The code is read and thrown away; only the options are kept, as literals. Every size is capped. Pure.
"""

import ast
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_COMMAND = 4096
LONGEST_ASSEMBLER = 65_536
LONGEST_MODULE = 1_048_576
MOST_MODULES = 32

_LONGEST_LINE = 128
_LONGEST_OPTIONS = 65_536
_LARGEST_BUFFER = 4_194_304
_OPTIONS = "sshuttle.cmdline_options"
# Clients quote it as their shell wants it, so quotes are taken out first. 1.1 says sys.stdin, later ones stdin.
_QUOTES = str.maketrans("", "", "'\"\\`")
_SCRIPT = re.compile(
    r"import sys, os; verbosity=(\d{1,2}); (?:sys\.)?stdin = os\.fdopen\(0, rb\); "
    r"exec\(compile\((?:sys\.)?stdin\.read\((\d{1,6})\), assembler\.py, exec\)\); sys\.exit\(98\);",
    re.ASCII,
)


class Refused(Exception):
    """This is not a client of sshuttle, or not one that behaves."""


@dataclass(frozen=True)
class Order:
    """The command of a client: how much it wants to be told, and how long the first piece of code is, in bytes."""

    verbosity: int
    assembler: int


@dataclass(frozen=True)
class Wishes:
    """The client's options that are followed. None: the server's own default."""

    latency_control: bool = True
    latency_buffer_size: int | None = None


def read_command(command: str) -> Order:
    """Read SSH_ORIGINAL_COMMAND; Refused for all but sshuttle's (clients 1.1 to 2.0)."""
    if len(command) > LONGEST_COMMAND:
        raise Refused("the command is too long to be sshuttle's")
    found = _SCRIPT.search(command.translate(_QUOTES))
    if found is None:
        raise Refused("only sshuttle may run here")
    verbosity, assembler = int(found[1]), int(found[2])
    if assembler > LONGEST_ASSEMBLER:
        raise Refused("the uploaded code is too long to be sshuttle's")
    return Order(verbosity, assembler)


def read_upload(order: Order, take: Callable[[int], bytes]) -> Wishes:
    """Read all that is uploaded, not a byte more. *take*: a count to that many bytes, fewer at the end."""
    _exactly(take, order.assembler)
    unpack = zlib.decompressobj()
    wishes: Wishes | None = None
    for _ in range(MOST_MODULES):
        name = _line(take)
        if not name:
            if wishes is None:
                raise Refused("the upload has no options, expected those of sshuttle 1.1 or later")
            return wishes
        content = _exactly(take, _size(_line(take)))
        if wishes is None:  # the pieces are one compressed stream; nothing behind the options is unpacked
            text = _unpacked(unpack, content)
            if name == _OPTIONS.encode():
                wishes = read_options(text)
    raise Refused("the upload has too many parts to be sshuttle's")


def read_options(text: bytes) -> Wishes:
    """The options, one `name=literal` a line; unknown ones are left out."""
    if len(text) > _LONGEST_OPTIONS:
        raise Refused("the options are too long to be sshuttle's")
    found = {}
    for line in text.decode("utf-8", "replace").splitlines():
        name, _, literal = line.partition("=")
        if name in {"latency_control", "latency_buffer_size"}:
            found[name] = _literal(literal)
    control, size = found.get("latency_control", True), found.get("latency_buffer_size")
    if type(control) is not bool or not (size is None or (type(size) is int and 0 < size <= _LARGEST_BUFFER)):
        raise Refused("the options can't be followed: latency control or its buffer is out of range")
    return Wishes(control, size)


def _literal(text: str) -> object:
    if len(text) > 32:
        raise Refused("an option is too long to be sshuttle's")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Refused("an option is not a plain value") from None


def _line(take: Callable[[int], bytes]) -> bytes:
    """Up to the end of the line; read byte by byte, since what follows is not ours to read."""
    line = b""
    while len(line) < _LONGEST_LINE:
        byte = _exactly(take, 1)
        if byte == b"\n":
            return line
        line += byte
    raise Refused("the upload is not sshuttle's: a line has no end")


def _size(line: bytes) -> int:
    if not line.isdigit() or len(line) > 7 or int(line) > LONGEST_MODULE:
        raise Refused("the upload is not sshuttle's: a part has no fit length")
    return int(line)


def _exactly(take: Callable[[int], bytes], size: int) -> bytes:
    data = take(size)
    if len(data) != size:
        raise Refused("the upload ended early")
    return data


def _unpacked(unpack: "zlib._Decompress", content: bytes) -> bytes:
    try:
        text = unpack.decompress(content, LONGEST_MODULE)
    except zlib.error:
        raise Refused("the upload is not sshuttle's: it can't be unpacked") from None
    if unpack.unconsumed_tail:
        raise Refused("the upload is not sshuttle's: it unpacks to too much")
    return text
