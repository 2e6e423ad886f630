"""The list of revoked keys as OpenSSH reads it (its PROTOCOL.krl): serials of one CA, and hashes of keys.

Written here and not by ssh-keygen, since whoever revokes may have no OpenSSH; the gate reads it, too. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from panteras_dns.access.ssh.wire import Malformed, Reader, string, uint64

_MAGIC = b"SSHKRL\n\0"
_FORMAT = (1).to_bytes(4)
_CERTIFICATES, _SHA256 = 1, 5  # sections
_SERIALS = 0x20  # a section within the certificates'


@dataclass(frozen=True)
class Revoked:
    """What is shut out: certificates by *serials*, keys by SHA-256 *digests* in whatever certificate."""

    serials: frozenset[int]
    digests: frozenset[bytes]


def write(ca: bytes, serials: Iterable[int], digests: Iterable[bytes], version: int, now: int) -> bytes:
    """The list, as bytes. *ca*: the CA's public key as a blob; *version* counts up; *now*: seconds since 1970."""
    listed = b"".join(map(uint64, sorted(serials)))
    hashed = b"".join(string(digest) for digest in sorted(digests))
    header = _MAGIC + _FORMAT + uint64(version) + uint64(now) + uint64(0) + string(b"") + string(b"panteras")
    certificates = string(ca) + string(b"") + (bytes([_SERIALS]) + string(listed) if listed else b"")
    return header + _section(_CERTIFICATES, certificates) + (_section(_SHA256, hashed) if hashed else b"")


def _section(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + string(data)


def read(data: bytes) -> Revoked:
    """What a list written by `write` shuts out; Malformed for anything else."""
    whole = Reader(data)
    if whole.take(len(_MAGIC)) != _MAGIC or whole.take(4) != _FORMAT:
        raise Malformed("not a list of revoked keys: expected a KRL of OpenSSH")
    whole.take(24)  # version, date, flags
    whole.string()
    whole.string()
    serials: set[int] = set()
    digests: set[bytes] = set()
    while whole:
        kind, section = whole.byte(), Reader(whole.string())
        if kind == _CERTIFICATES:
            serials |= _serials(section)
        elif kind == _SHA256:
            while section:
                digests.add(section.string())
        else:
            raise Malformed(f"a section of kind {kind}, which is not written here")
    return Revoked(frozenset(serials), frozenset(digests))


def _serials(section: Reader) -> set[int]:
    section.string()  # the CA
    section.string()
    found: set[int] = set()
    while section:
        kind, listed = section.byte(), Reader(section.string())
        if kind != _SERIALS:
            raise Malformed(f"a list of certificates of kind {kind:#x}, which is not written here")
        while listed:
            found.add(listed.uint64())
    return found
