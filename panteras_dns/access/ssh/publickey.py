"""Public keys of people, as OpenSSH writes them in one line: which are good enough, their fingerprints. Pure."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from panteras_dns.access.ssh.wire import Malformed, Reader
from panteras_dns.access.trouble import Misuse

_KINDS = {  # with the certificate's own name for the kind
    "ssh-ed25519": "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com": "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com": "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ssh-rsa": "ssh-rsa-cert-v01@openssh.com",
}
_SHORTEST_RSA = 3072  # bits: NIST SP 800-57, enough until 2030
_LONGEST = 16_384  # characters: RSA of 16,384 bits has 2,800
_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2, "sk-ecdsa-sha2-nistp256@openssh.com": 3}  # behind the kind; 2 for the rest


@dataclass(frozen=True)
class PublicKey:
    """A key: its *kind*, and its *blob* (RFC 4253 6.6)."""

    kind: str
    blob: bytes

    @property
    def certificate_kind(self) -> str:
        return _KINDS[self.kind]

    @property
    def fields(self) -> bytes:
        """The blob without the name of the kind: what a certificate repeats."""
        return self.blob[4 + len(self.kind) :]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.blob).digest()

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l shows it."""
        return "SHA256:" + base64.b64encode(self.digest).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


def public_key(text: str, origin: str) -> PublicKey:
    """Read the line of a `.pub` file; *origin* is its name, for the message of a Misuse."""
    words = text[:_LONGEST].split()
    if "PRIVATE" in words:
        raise Misuse(
            f"{origin}: this is a private key, expected the public one (it ends in .pub); nothing was read of it"
        )
    if len(words) < 2 or len(text.strip().splitlines()) != 1:
        raise Misuse(f"{origin}: not a public key, expected one line like 'ssh-ed25519 AAAA… comment'")
    kind = words[0]
    if kind not in _KINDS:
        raise Misuse(f"{origin}: a key of kind {kind[:60]!r} is not accepted, expected one of {', '.join(_KINDS)}")
    try:
        blob = base64.b64decode(words[1], validate=True)
        _check(kind, blob, origin)
    except (binascii.Error, Malformed) as problem:
        raise Misuse(f"{origin}: not a public key: {problem}") from None
    return PublicKey(kind, blob)


def _check(kind: str, blob: bytes, origin: str) -> None:
    reader = Reader(blob)
    if (named := reader.string()) != kind.encode():
        raise Malformed(f"its inside is of kind {named[:60]!r}")
    fields = [reader.string() for _ in range(_FIELDS.get(kind, 2))]
    if reader:
        raise Malformed("bytes are left behind its end")
    if kind == "ssh-ed25519" and len(fields[0]) != 32:
        raise Malformed(f"{len(fields[0])} bytes, expected 32")
    if kind == "ssh-rsa" and (bits := int.from_bytes(fields[1]).bit_length()) < _SHORTEST_RSA:
        raise Misuse(f"{origin}: an RSA key of {bits} bits is too short, expected {_SHORTEST_RSA} or, better, ed25519")
