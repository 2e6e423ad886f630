"""The index of identities: every certificate that was ever issued, kept for ever.

SQLite, since a grant must be there whole or not at all: also when two commands run at once, when the disk is full, or
when the machine stops. Nothing is deleted: a name that comes back never revives an old key.
"""

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from panteras_dns.access.trouble import Trouble

_PATIENCE = 10.0  # seconds for another command to finish


@dataclass(frozen=True)
class Entry:
    """One certificate. Times are seconds since 1970; *revoked* is 0 while it is not."""

    serial: int
    name: str
    device: str
    fingerprint: str
    digest: bytes  # of the public key
    services: str  # patterns, joined by commas; empty for no limit
    issued: int
    not_before: int
    not_after: int
    certificate: str  # the line of a -cert.pub file, or PEM
    private_key: bytes  # as OpenSSH writes it, or PEM; empty when the person brought her own
    revoked: int = 0
    door: str = "ssh"
    wrapped_key: str = ""  # for the VPN's door: her half of tls-crypt-v2, as PEM

    @property
    def id(self) -> str:
        return f"{self.name}/{self.device}"

    def state(self, now: float) -> str:
        """`valid`, `revoked`, `expired` or `waiting` for its first day."""
        if self.revoked:
            return "revoked"
        if now >= self.not_after:
            return "expired"
        return "waiting" if now < self.not_before else "valid"


_COLUMNS = ", ".join(one.name for one in fields(Entry))
_VERSION = 2
_SCHEMA = f"""
CREATE TABLE certificates ({_COLUMNS}, PRIMARY KEY (serial));
CREATE INDEX by_name ON certificates (name, device);
CREATE INDEX by_key ON certificates (digest);
PRAGMA user_version = {_VERSION};
"""
_FROM_1 = """
BEGIN IMMEDIATE;
ALTER TABLE certificates ADD COLUMN door NOT NULL DEFAULT 'ssh';
ALTER TABLE certificates ADD COLUMN wrapped_key NOT NULL DEFAULT '';
PRAGMA user_version = 2;
COMMIT;
"""


class Index:
    """An open index; `with` ends the transaction: everything that was added is there, or nothing is."""

    def __init__(self, path: Path, create: bool = False) -> None:
        self._path = path
        with self._told():
            self._database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            if create:
                path.chmod(0o600)
                self._database.executescript(_SCHEMA)
            elif (version := self._one("PRAGMA user_version")) == (1,):
                self._database.executescript(_FROM_1)  # before there was a second door
            elif version != (_VERSION,):
                raise Trouble(f"{path}: not an index of identities of this version")
            self._database.execute("PRAGMA synchronous = FULL")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """What is done within is done whole or not at all, and by no other command at the same time."""
        with self._told():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    def add(self, entries: Iterable[Entry]) -> None:
        marks = ", ".join("?" * len(fields(Entry)))
        statement = f"INSERT INTO certificates ({_COLUMNS}) VALUES ({marks})"  # noqa: S608  (names of our own)
        self._database.executemany(statement, map(astuple, entries))

    def revoke(self, serials: Iterable[int], now: int) -> None:
        """Mark them, those that are revoked already keep their time."""
        statement = "UPDATE certificates SET revoked = ? WHERE serial = ? AND revoked = 0"
        self._database.executemany(statement, ((now, serial) for serial in serials))

    def of(self, name: str, device: str | None = None) -> Sequence[Entry]:
        """Every certificate of a person, or of one of her devices, as they were issued: clocks jump, rows do not."""
        where, values = ("name = ?", [name]) if device is None else ("name = ? AND device = ?", [name, device])
        return self._entries(f"WHERE {where} ORDER BY rowid", *values)

    def with_key(self, digest: bytes) -> Sequence[Entry]:
        return self._entries("WHERE digest = ?", digest)

    def all(self) -> Sequence[Entry]:
        """Every certificate, by name, in the order of their issue."""
        return self._entries("ORDER BY name, device, rowid")

    def revoked(self, door: str) -> tuple[Sequence[int], Sequence[bytes]]:
        """Serials, and digests of keys, of all that is revoked at *door*."""
        statement = "SELECT serial, digest FROM certificates WHERE revoked > 0 AND door = ?"
        with self._told():
            rows = self._database.execute(statement, (door,)).fetchall()
        return [serial for serial, _ in rows], sorted({digest for _, digest in rows})

    def _entries(self, rest: str, *values: object) -> Sequence[Entry]:
        with self._told():
            rows = self._database.execute(f"SELECT {_COLUMNS} FROM certificates {rest}", values)  # noqa: S608
            return [Entry(*row) for row in rows]

    def _one(self, statement: str) -> object:
        return self._database.execute(statement).fetchone()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as problem:
            raise Trouble(f"{self._path}: {problem}; nothing was changed") from None


def new_serial() -> int:
    """Random, and small enough for every reader of JSON (RFC 8259 6)."""
    return secrets.randbelow(2**53 - 1) + 1
