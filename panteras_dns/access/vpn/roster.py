"""Who may come in by the VPN, by the serial of the certificate: written by the commands, read by the door.

A list of those who may, beside the list of those who may not: a certificate that nobody here knows opens nothing.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from panteras_dns.access.trouble import Trouble


@dataclass(frozen=True)
class Listed:
    """One certificate. *services*: patterns, empty for no limit; *not_after*: seconds since 1970."""

    serial: int
    name: str
    device: str
    services: tuple[str, ...]
    not_after: int

    @property
    def id(self) -> str:
        return f"{self.name}/{self.device}"

    def as_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Roster:
    """*directory*: one file a certificate. *revoked*: an empty file for each that no longer counts."""

    def __init__(self, directory: Path, revoked: Path) -> None:
        self._directory = directory
        self._revoked = revoked

    def find(self, serial: int) -> Listed:
        """Trouble, which says why, for who may not come in."""
        if self.revoked(serial):
            raise Trouble(f"certificate {serial} was revoked")
        try:
            return _read((self._directory / str(serial)).read_bytes())
        except FileNotFoundError:
            raise Trouble(f"certificate {serial} is not of this door: nobody was granted it here") from None
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise Trouble(f"{self._directory / str(serial)}: can't be read: {problem}") from None

    def revoked(self, serial: int) -> bool:
        """Whether it was. A directory that is gone counts as yes: nobody can tell."""
        return (self._revoked / str(serial)).exists() or not self._revoked.is_dir()

    def all(self) -> Iterator[Listed]:
        """Everyone who is not revoked, and whose file can be read."""
        for path in sorted(self._directory.iterdir()):
            if path.name.isdecimal():
                with contextlib.suppress(Trouble):
                    yield self.find(int(path.name))


def _read(data: bytes) -> Listed:
    found = json.loads(data)
    return Listed(
        int(found["serial"]),
        str(found["name"]),
        str(found["device"]),
        tuple(found["services"]),
        int(found["not_after"]),
    )
