"""Certificates of OpenSSH (its PROTOCOL.certkeys), written and read as bytes.

Our own, since the libraries know no key that lives on a security token, and the gate must start fast. The reader
trusts what it is given: sshd has verified the signature before. Pure.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from panteras_dns.access.ssh.publickey import PublicKey
from panteras_dns.access.ssh.wire import Malformed, Reader, string, uint64

USER, HOST = 1, 2
LIMIT = "services@panteras"  # the extension that names what an identity may reach: signed, and unknown to sshd

_SUFFIX = "-cert-v01@openssh.com"
_FIELDS = {"ssh-ed25519": 1, "sk-ecdsa-sha2-nistp256": 3}  # of the key; 2 for the other kinds


@dataclass(frozen=True)
class Certificate:
    """What a CA says of a key. Times are seconds since 1970."""

    key_id: str
    serial: int
    role: int
    principals: Sequence[str]
    valid_after: int
    valid_before: int
    extensions: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        """Patterns for the services that may be reached; () for no limit, Malformed for one that can't be read."""
        if LIMIT not in self.extensions:
            return ()
        if not (named := self.extensions[LIMIT]).isascii() or not named:
            raise Malformed("its limit to services can't be read")
        return tuple(named.decode().split(","))

    def line(self, key: PublicKey, nonce: bytes, ca: PublicKey, sign: Callable[[bytes], bytes]) -> str:
        """The certificate for *key* as a line of a `-cert.pub` file. *sign*: bytes to an Ed25519 signature of *ca*."""
        body = self._body(key, nonce, ca)
        signature = string(b"ssh-ed25519") + string(sign(body))
        whole = base64.b64encode(body + string(signature)).decode()
        return f"{key.certificate_kind} {whole} {self.key_id}"

    def _body(self, key: PublicKey, nonce: bytes, ca: PublicKey) -> bytes:
        principals = b"".join(string(one.encode()) for one in self.principals)
        # OpenSSH refuses extensions that are not in order.
        extensions = b"".join(string(name.encode()) + string(data) for name, data in sorted(self.extensions.items()))
        return b"".join(
            (
                string(key.certificate_kind.encode()),
                string(nonce),
                key.fields,
                uint64(self.serial),
                self.role.to_bytes(4),
                string(self.key_id.encode()),
                string(principals),
                uint64(self.valid_after),
                uint64(self.valid_before),
                string(b""),  # critical options
                string(extensions),
                string(b""),  # reserved
                string(ca.blob),
            )
        )


def limit(services: Sequence[str]) -> Mapping[str, bytes]:
    """The extension for *services*; none for no limit. Its value is a string in a string, as OpenSSH wants it."""
    return {LIMIT: string(",".join(services).encode())} if services else {}


def read(line: str) -> tuple[Certificate, bytes]:
    """A certificate, and the blob of the key it is for; Malformed for anything else."""
    reader, blob = _opened(line)
    return _statement(reader), blob


def signed(line: str) -> tuple[bytes, bytes, bytes]:
    """What was signed, the blob of the key that did, and the signature's own blob; Malformed for anything else."""
    reader, _ = _opened(line)
    _statement(reader)
    reader.string()  # reserved
    ca = reader.string()
    return reader.past, ca, reader.string()


def _opened(line: str) -> tuple[Reader, bytes]:
    """A reader behind the key, and the key's blob."""
    words = line.split()
    if len(words) < 2 or not words[0].endswith(_SUFFIX):
        raise Malformed("not a certificate of OpenSSH")
    try:
        reader = Reader(base64.b64decode(words[1], validate=True))
    except binascii.Error as problem:
        raise Malformed(f"not a certificate: {problem}") from None
    kind = reader.string().decode("ascii", "replace")
    if kind != words[0]:
        raise Malformed(f"a certificate of kind {kind[:60]!r} under another name")
    reader.string()  # nonce
    plain = kind.removesuffix(_SUFFIX)
    fields = b"".join(string(reader.string()) for _ in range(_FIELDS.get(plain, 2)))
    plain += "@openssh.com" if plain.startswith("sk-") else ""
    return reader, string(plain.encode()) + fields


def _statement(reader: Reader) -> Certificate:
    serial, role = reader.uint64(), reader.uint32()
    key_id = reader.string().decode("utf-8", "replace")
    principals = _strings(reader.string())
    after, before = reader.uint64(), reader.uint64()
    reader.string()  # critical options: sshd refuses those it does not know
    pairs = _strings(reader.string())
    extensions = dict(zip(pairs[::2], pairs[1::2], strict=True)) if len(pairs) % 2 == 0 else {}
    names = {name.decode("ascii", "replace"): _inner(data) for name, data in extensions.items()}
    people = [one.decode("utf-8", "replace") for one in principals]
    return Certificate(key_id, serial, role, people, after, before, names)


def _strings(data: bytes) -> list[bytes]:
    reader = Reader(data)
    found = []
    while reader:
        found.append(reader.string())
    return found


def _inner(data: bytes) -> bytes:
    return Reader(data).string() if data else b""
