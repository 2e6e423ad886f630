"""What a server must prove before it is told anything, and in words what was wrong when it could not.

The strict profile (RFC 8310 5): a chain up to an authority we trust, and the name we were given. There is no
weaker way, and no fallback to plain text.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet import error, ssl
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from panteras_dns.transport.ports import no_way

_PROBLEMS = {  # X509_V_ERR_*: what the verification of a chain stumbles over
    9: "is not valid yet",
    10: "has expired",
    23: "has been revoked",
    26: "is not meant for servers",
}
_UNTRUSTED = {2, 7, 18, 19, 20, 21}  # no issuer to be found, one with another key, or one that signed itself

_PLAIN = (
    "wrong version number",
    "record layer failure",
    "packet length too long",
    "http request",
    "unexpected message",
)


def authorities(pem: bytes) -> list[ssl.Certificate]:
    """The certificates in the text of a PEM file; ValueError when it holds none, or a broken one."""
    try:
        found = load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError("no certificates in it, expected PEM (-----BEGIN CERTIFICATE-----)") from None
    return [ssl.Certificate(crypto.X509.from_cryptography(one)) for one in found]


@implementer(IOpenSSLClientConnectionCreator)
class Trust:
    """Makes connections that end in the handshake unless the server is *name*: a host name, or an address.
    *pem* holds the authorities; without any, those of the system. *protocols* are offered by ALPN."""

    def __init__(self, name: str, pem: bytes = b"", protocols: Sequence[bytes] = ()) -> None:
        self.name = name
        self._problem = ""
        self._identity: DNS_ID | IPAddress_ID
        try:
            self._identity = IPAddress_ID(str(ipaddress.ip_address(name)))
        except ValueError:
            self._identity = DNS_ID(name)
        roots = ssl.trustRootFromCertificates(authorities(pem)) if pem else None
        self._options: Any = ssl.optionsForClientTLS(name, roots, acceptableProtocols=list(protocols) or None)

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._options.clientConnectionForTLS(protocol)
        # Twisted's own callback checks the same but keeps to itself what is wrong with a chain.
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        self._problem = ""
        return connection

    def _verify(self, _: SSL.Connection, certificate: crypto.X509, number: int, depth: int, good: int) -> bool:
        """Called for each certificate of the chain, from the authority down to the server's own (depth 0)."""
        if not good:
            self._problem = _complaint(number, depth)
            return False
        if depth == 0:
            try:
                verify_service_identity(extract_patterns(certificate), [self._identity], [])
            except (VerificationError, CertificateError):
                self._problem = f"has a certificate that is not for {self.name}"
                return False
        return True

    def why(self, problem: BaseException) -> str:
        """Why there is no connection, as what the server does or has."""
        if self._problem:
            return self._problem
        if isinstance(problem, error.ConnectError):  # refused, time-out, no route and the like
            return no_way(problem)
        if not isinstance(problem, SSL.Error):
            return "closed the connection during the TLS handshake"
        words = "; ".join(part[-1] for part in problem.args[0]) if problem.args and problem.args[0] else ""
        if any(word in words for word in _PLAIN):
            return "does not speak TLS"
        if "no application protocol" in words:
            return "does not speak HTTP/2"
        return f"broke off the TLS handshake ({words or 'without a reason'})"


def _complaint(number: int, depth: int) -> str:
    what = "has a certificate" if depth == 0 else "has a certificate from an authority"
    if number in _UNTRUSTED:
        return "has a certificate that no authority we trust has signed"
    return f"{what} that {_PROBLEMS.get(number, f'is not valid (X.509 error {number})')}"
