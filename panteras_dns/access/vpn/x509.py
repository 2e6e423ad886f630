"""Certificates of X.509 (RFC 5280) for the VPN: a CA, the server, a device each. EC P-256 throughout.

What OpenVPN looks at: the purpose (extended key usage), the server's name, the dates, the serial.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from panteras_dns.access.trouble import Trouble

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

_MOST_NAME = 64  # characters of a common name (RFC 5280 A.1)


@dataclass(frozen=True)
class Statement:
    """What a certificate says. Times are seconds since 1970; *alternative*: its name where any length is good."""

    common_name: str
    alternative: x509.GeneralName
    purpose: x509.ObjectIdentifier
    serial: int
    not_before: int
    not_after: int


class Authority:
    """Signs with the CA's key, which is read when it is needed: it may be kept elsewhere."""

    def __init__(self, key: bytes, passphrase: bytes | None, certificate: bytes, origin: str) -> None:
        self._key = load_key(key, passphrase, origin)
        self._certificate = load(certificate, "the CA's certificate")
        if self._key.public_key() != self._certificate.public_key():
            raise Trouble(f"{origin}: is not the key of this CA, expected that of {_shown(self._certificate)}")

    def certify(self, said: Statement, key: ec.EllipticCurvePublicKey) -> bytes:
        """A certificate as PEM."""
        builder = _begin(said.common_name, self._certificate.subject, key, said.serial, said.not_before, said.not_after)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([said.purpose]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([said.alternative]), critical=False)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(ours, critical=False)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def new_authority(key: ec.EllipticCurvePrivateKey, name: str, serial: int, not_before: int, not_after: int) -> bytes:
    """A CA's own certificate as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _begin(name, subject, key.public_key(), serial, not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def key_as_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def load_key(pem: bytes, passphrase: bytes | None, origin: str) -> ec.EllipticCurvePrivateKey:
    """Trouble, which names *origin*, for anything else than a key of EC."""
    try:
        key = load_pem_private_key(pem, passphrase if b"ENCRYPTED" in pem else None)
    except TypeError:
        raise Trouble(
            f"{origin}: is locked by a passphrase; give it with --passphrase-file or --passphrase-fd"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "; is the passphrase right?" if passphrase else ""
        raise Trouble(f"{origin}: can't be read as a key{hint}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Trouble(f"{origin}: is not a key of EC")
    return key


def load(pem: bytes, origin: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Trouble(f"{origin}: can't be read as a certificate") from None


def digest(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 of a public key, which tells it from all others."""
    hashed = Hash(SHA256())
    hashed.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return hashed.finalize()


def until(certificate: x509.Certificate) -> int:
    """When it ends, in seconds since 1970."""
    return int(certificate.not_valid_after_utc.timestamp())


def objections(certificate: x509.Certificate, ca: x509.Certificate, now: float) -> Sequence[str]:
    """Why a server with this certificate would be of no use to a client that trusts *ca*; none if it is good."""
    found = []
    if not _signed_by(certificate, ca):
        found.append("is of another CA")
    if certificate.not_valid_before_utc.timestamp() > now:
        found.append("is not valid yet: is the clock of this machine right?")
    if until(certificate) <= now:
        found.append("has expired")
    if SERVER not in _purposes(certificate):
        found.append("is not for a server (extended key usage)")
    return found


def common_name(name: str, device: str) -> str:
    """NAME/DEVICE, or what fits of it with a mark that keeps it apart from others."""
    whole = f"{name}/{device}"
    if len(whole) <= _MOST_NAME:
        return whole
    hashed = Hash(SHA256())
    hashed.update(whole.encode())
    mark = hashed.finalize().hex()[:12]
    return f"{whole[: _MOST_NAME - len(mark) - 1]}_{mark}"


def _begin(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, serial: int, not_before: int, not_after: int
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key,
        serial_number=serial,
        not_valid_before=_moment(not_before),
        not_valid_after=_moment(not_after),
    )


def _usage(**yes: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    usage: Callable[..., x509.KeyUsage] = x509.KeyUsage
    return usage(**{name: yes.get(name, False) for name in names})


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _purposes(certificate: x509.Certificate) -> Sequence[x509.ObjectIdentifier]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []


def _shown(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
