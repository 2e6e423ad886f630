"""A server that is spoken to through TLS, as text: `tls://9.9.9.9:853#dns.quad9.net` (DoT, RFC 7858) or
`https://9.9.9.9/dns-query#dns.quad9.net` (DoH, RFC 8484).

The address is needed, since whoever resolves names can't first resolve the name of a resolver; the name behind #
is what the certificate must be for, the address itself when there is none (strict profile, RFC 8310 5).
"""

import ipaddress
import re
from dataclasses import dataclass

from panteras_dns.endpoint import Endpoint, endpoint

TLS, HTTPS = "tls", "https"

_PORTS = {TLS: 853, HTTPS: 443}
_PATH = "/dns-query"  # what every public DoH server listens on
_EXAMPLE = {TLS: "tls://9.9.9.9:853#dns.quad9.net", HTTPS: "https://9.9.9.9/dns-query#dns.quad9.net"}
_CONNECTING = 1.5  # seconds
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_PATH_CHARACTERS = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", re.ASCII)  # RFC 3986 3.3


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a server is, how it is spoken to, and who it must prove to be. *path* is empty for `tls`."""

    scheme: str
    host: str
    port: int
    name: str
    path: str = ""

    def __str__(self) -> str:
        behind = "" if self.name == _bare(self.host) else f"#{self.name}"
        return f"{self.scheme}://{self.address}{self.path}{behind}"

    @property
    def address(self) -> Endpoint:
        return Endpoint(self.host, self.port)


@dataclass(frozen=True)
class Encrypted:
    """How such a server is talked to. *authorities*: those that may certify it, as PEM; empty: the system's. In here,
    apart from what does the talking, since that takes 13 MB of libraries which a plain server has no use for."""

    remote: Remote
    timeout: float = 0.8
    authorities: bytes = b""

    @property
    def patience(self) -> float:
        """How long a question may take when the connection has to be made first: that is three round trips more."""
        return max(self.timeout, _CONNECTING)


def remote(text: str) -> Remote:
    """Read `scheme://address[:port][/path][#name]`; ValueError says what was expected."""
    scheme, found, rest = text.strip().partition("://")
    if not found or scheme not in _PORTS:
        raise ValueError(f"not an encrypted server: {text!r}, expected one like {_EXAMPLE[TLS]} or {_EXAMPLE[HTTPS]}")
    rest, hashed, name = rest.partition("#")
    place, slash, path = rest.partition("/")
    try:
        address = endpoint(place, _PORTS[scheme])
        if address.several:
            raise ValueError("expected one address, found '*'")
        if not address.port:
            raise ValueError("expected a port from 1 to 65535, found 0")
    except ValueError as problem:
        hint = f"expected one like {_EXAMPLE[scheme]}: the address first, the certificate's name after #"
        raise ValueError(f"{problem}; {hint}") from None
    if hashed and not name:
        raise ValueError("nothing after #, expected the name that the certificate must be for")
    wanted = _name(name) if name else _bare(address.host)
    return Remote(scheme, address.host, address.port, wanted, _path(scheme, slash + path))


def _name(text: str) -> str:
    """The name of a certificate: a host name in ASCII, or an address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        name = text.lower().rstrip(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, name.split("."))):
        raise ValueError(f"not a host name: {text!r}, expected one like dns.quad9.net (letters beyond ASCII as xn--)")
    return name


def _path(scheme: str, text: str) -> str:
    if scheme == TLS:
        if text not in {"", "/"}:
            raise ValueError(f"a path is only for https://, found {text!r}")
        return ""
    if "?" in text or "{" in text:  # the template of RFC 8484 4.1 is for GET; questions go out as POST
        raise ValueError(f"expected a path without ? and {{}}, found {text!r}")
    if text and not _PATH_CHARACTERS.fullmatch(text):
        raise ValueError(f"not a path: {text!r}")
    return text if text not in {"", "/"} else _PATH


def _bare(host: str) -> str:
    """An address without its scope, which is nobody's business but this host's."""
    return str(ipaddress.ip_address(host.partition("%")[0]))
