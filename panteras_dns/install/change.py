"""What stands at a path, what shall stand there, and the difference as a person reads it. Pure.

Two states are the same when bytes, mode, owner and extended attributes are; when it was written does not count.
"""

import difflib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

ABSENT, FILE, LINK = "absent", "file", "link"


@dataclass(frozen=True, slots=True)
class State:
    """*data*: the bytes of a file, or where a link leads; *written*: nanoseconds since 1970, 0 for now."""

    kind: str = ABSENT
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()
    written: int = 0

    def same(self, other: "State") -> bool:
        if self.kind == other.kind == ABSENT:
            return True
        return replace(self, written=0) == replace(other, written=0)

    def holds(self, other: "State") -> bool:
        """The same content, whoever owns it now."""
        return (self.kind, self.data) == (other.kind, other.data)

    def as_json(self) -> dict[str, Any]:
        coded = [[name, b64encode(value).decode()] for name, value in self.xattrs]
        return {
            "kind": self.kind,
            "data": b64encode(self.data).decode(),
            **{key: getattr(self, key) for key in ("mode", "uid", "gid", "written")},
            "xattrs": coded,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "State":
        xattrs = tuple((str(name), b64decode(value)) for name, value in told["xattrs"])
        numbers = {key: int(told[key]) for key in ("mode", "uid", "gid", "written")}
        return cls(str(told["kind"]), b64decode(told["data"]), xattrs=xattrs, **numbers)


@dataclass(frozen=True, slots=True)
class Change:
    """*before* becomes *after*. *in_place*: something is mounted on the path, so that nothing can be renamed to it."""

    path: str
    before: State
    after: State
    in_place: bool = False

    @property
    def needed(self) -> bool:
        return not self.before.same(self.after)

    def is_ours(self, found: State) -> bool:
        """Whether we left it so, be it in the middle of writing in place: first the bytes, then the length."""
        if found.holds(self.after):
            return True
        one, other = self.before.data, self.after.data
        halves = (one + other[len(one) :], other + one[len(other) :])
        return self.in_place and found.kind == FILE and found.data in halves

    def diff(self) -> str:
        return difference(self.path, self.before, self.after)


def text_file(text: str, like: State | None = None) -> State:
    """A file with *text*; owner, mode and attributes are those of *like*, where that is a file."""
    if like is not None and like.kind == FILE:
        return replace(like, data=text.encode(), written=0)
    return State(FILE, text.encode())


def link(target: str) -> State:
    return State(LINK, target.encode(), 0o777)


def change(path: str, before: State, text: str, in_place: bool = False) -> Change:
    """A file with *text* shall stand there."""
    return Change(path, before, text_file(text, before), in_place)


def difference(path: str, one: State, other: State) -> str:
    """As `diff -u` shows it; "" where bytes are the same."""
    old, new = (path if state.kind != ABSENT else "/dev/null" for state in (one, other))
    return "\n".join(difflib.unified_diff(list(_lines(one)), list(_lines(other)), old, new, lineterm=""))


def _lines(state: State) -> Iterator[str]:
    if state.kind == LINK:
        yield f"link to {state.data.decode(errors='replace')}"
    elif state.kind == FILE:
        yield from state.data.decode(errors="replace").splitlines()
