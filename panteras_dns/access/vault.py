"""The state directory: who may read what, and how a file comes into being.

    index.db, user_ca, host_ca    identities, their keys, the CAs: for the commands alone
    door/       what the container of the SSH door reads: host key, CA, revoked keys, settings
    sessions/   one locked file a live session, written by the SSH door
    vpn_ca.key  the CA of the VPN; may be kept elsewhere
    vpn/        what the container of the VPN door reads: certificates, keys, settings, who may come, who is revoked
    vpn-run/    the sockets that OpenVPN is asked and told through

A file appears whole or not at all, readable by its owner alone; a key is never overwritten.
"""

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from panteras_dns.access.trouble import Misuse, Trouble

DEFAULT_STATE = Path("/var/lib/panteras/access")
DOOR_UID = 10022  # the account of the container

_PRIVATE_DIRECTORY, _PRIVATE = 0o700, 0o600
_PASSAGE = 0o711  # of a directory: others may get to what is open to them within, and see nothing on the way


@dataclass(frozen=True)
class Keyring:
    """What the keys of the CAs are opened with: *passphrase*, where they have one; *vpn_ca*, where that of the VPN is
    kept, if not in the state directory."""

    passphrase: bytes | None = field(default=None, repr=False)
    vpn_ca: Path | None = None


UNLOCKED = Keyring()


class Vault:
    """The paths of a state directory, and the only way to write in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = root / "index.db"
        self.unfinished = root / ".unfinished"  # there from the first key to the index, the last file
        self.user_ca = root / "user_ca"
        self.host_ca = root / "host_ca"
        self.door = root / "door"
        self.sessions = root / "sessions"
        self.host_key = self.door / "ssh_host_ed25519_key"
        self.host_certificate = self.door / "ssh_host_ed25519_key-cert.pub"
        self.user_ca_public = self.door / "user_ca.pub"
        self.host_ca_public = self.door / "host_ca.pub"
        self.revoked = self.door / "revoked.krl"
        self.settings = self.door / "door.toml"
        self.vpn_ca = root / "vpn_ca.key"
        self.vpn = root / "vpn"
        self.vpn_ca_certificate = self.vpn / "ca.crt"
        self.vpn_certificate = self.vpn / "server.crt"
        self.vpn_key = self.vpn / "server.key"
        self.vpn_wrapping_key = self.vpn / "tls-crypt-v2.key"
        self.vpn_settings = self.vpn / "vpn.toml"
        self.vpn_roster = self.vpn / "roster"
        self.vpn_revoked = self.vpn / "revoked"
        self.vpn_run = root / "vpn-run"

    def create(self, door_uid: int) -> None:
        """Make the directories, those of the door for *door_uid*."""
        if self.index.exists():
            raise Trouble(f"{self.root}: has identities already; nothing was changed")
        self._refuse_lost_index()
        try:
            self.root.mkdir(_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self._check_mode(self.root)
            for directory in (self.door, self.sessions):
                directory.mkdir(_PRIVATE_DIRECTORY, exist_ok=True)
                _give(directory, door_uid)
            self.unfinished.touch(_PRIVATE)
        except OSError as problem:
            raise Trouble(
                f"{problem.filename or self.root}: {problem.strerror}; run this as root, or choose --state"
            ) from None

    def create_vpn(self) -> None:
        """Make the directories of the VPN door. OpenVPN looks for the revoked when it is no longer root."""
        try:
            for directory, mode in (
                (self.root, _PASSAGE),
                (self.vpn, _PASSAGE),
                (self.vpn_roster, _PRIVATE_DIRECTORY),
                (self.vpn_revoked, 0o755),
                (self.vpn_run, _PRIVATE_DIRECTORY),
            ):
                directory.mkdir(exist_ok=True)
                directory.chmod(mode)
        except OSError as problem:
            raise Trouble(f"{problem.filename}: {problem.strerror}; run this as root, or choose --state") from None

    def check(self) -> None:
        """Trouble unless the directory is there, ours, and closed to others."""
        if not self.root.is_dir() or not self._readable():
            self._refuse_lost_index()
            raise Misuse(f"{self.root}: no identities here; run: panteras access init --state {self.root}")
        for path in (self.root, self.index, self.user_ca, self.host_ca, self.door, self.host_key):
            self._check_mode(path)
        for path in (self.vpn, self.vpn_key, self.vpn_wrapping_key) if self.vpn.exists() else ():
            self._check_mode(path)
        if self.vpn_ca.exists():
            self._check_mode(self.vpn_ca)

    def _refuse_lost_index(self) -> None:
        """Keys without an index are no attempt that was cut short: to make new ones would lock everybody out."""
        if self.user_ca.exists() and not self.unfinished.exists():
            raise Trouble(
                f"{self.index}: is gone, and knew who was shut out; it must come back from a backup, or move "
                f"{self.root} away and begin anew"
            )

    def _readable(self) -> bool:
        try:
            return self.index.exists()
        except PermissionError:
            raise Trouble(f"{self.root}: belongs to another account; run this as root, or choose --state") from None

    def _check_mode(self, path: Path) -> None:
        try:
            found = path.stat()
        except OSError as problem:
            raise Trouble(
                f"{path}: {problem.strerror}; it belongs to the identities and must come back from a backup"
            ) from None
        forbidden = 0o066 if path.is_dir() else 0o077  # whoever only passes through a directory reads nothing
        if stat.S_IMODE(found.st_mode) & forbidden:
            wanted = _PRIVATE_DIRECTORY if path.is_dir() else _PRIVATE
            raise Trouble(f"{path}: others may read it, expected mode {wanted:o}; run: chmod {wanted:o} {path}")

    def write(self, path: Path, data: bytes) -> None:
        """Put a new file there; Trouble when there is one."""
        if path.exists():
            raise Trouble(f"{path}: is there already, and is not overwritten")
        self.replace(path, data)

    def replace(self, path: Path, data: bytes, mode: int = _PRIVATE) -> None:
        put(path, data, mode)

    def read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as problem:
            raise Trouble(f"{path}: {problem.strerror}") from None


def put(path: Path, data: bytes, mode: int) -> None:
    """Put *data* there by rename: a reader sees the old file or the new one, also when the disk is full."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
        _give(fresh, path.parent.stat().st_uid)
        fresh.rename(path)
        _flush(path.parent)
    except OSError as problem:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise Trouble(f"{path}: {problem.strerror}; the file is as it was") from None


def _give(path: Path, uid: int) -> None:
    """Root gives; anyone else keeps what is theirs."""
    if os.geteuid() == 0 and path.stat().st_uid != uid:
        os.chown(path, uid, uid)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
