"""The certificate authorities: one for people, one for the door. Commands alone use their keys."""

import secrets
import warnings
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from panteras_dns.access.ssh.certificate import Certificate
from panteras_dns.access.ssh.publickey import PublicKey, public_key
from panteras_dns.access.trouble import Trouble


class Authority:
    """Signs certificates with one Ed25519 key."""

    def __init__(self, private: bytes, passphrase: bytes | None, origin: str) -> None:
        """*private*: as OpenSSH writes it, read from *origin*."""
        key = _load(private, passphrase, origin)
        self.public = _public(key)
        self._sign: Callable[[bytes], bytes] = key.sign

    def certify(self, certificate: Certificate, key: PublicKey) -> str:
        """The line of a `-cert.pub` file."""
        return certificate.line(key, secrets.token_bytes(32), self.public, self._sign)


def new_key(comment: str, passphrase: bytes | None = None) -> tuple[bytes, PublicKey]:
    """A new Ed25519 key: the private one as OpenSSH writes it, encrypted under *passphrase*, and the public one."""
    key = Ed25519PrivateKey.generate()
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    try:
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock)
    except UnsupportedAlgorithm:
        raise Trouble(f"{comment}: a passphrase needs the package bcrypt; nothing was written") from None
    return private, _public(key)


def _public(key: Ed25519PrivateKey) -> PublicKey:
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return public_key(line.decode(), "a new key")


def _load(private: bytes, passphrase: bytes | None, origin: str) -> Ed25519PrivateKey:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            key = load_ssh_private_key(private, passphrase)
    except TypeError:
        raise Trouble(
            f"{origin}: is locked by a passphrase; give it with --passphrase-file or --passphrase-fd"
        ) from None
    except (ValueError, UnsupportedAlgorithm) as problem:
        hint = "; is the passphrase right?" if passphrase else ""
        raise Trouble(f"{origin}: can't be read as a key: {problem}{hint}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Trouble(f"{origin}: is not an Ed25519 key")
    return key
