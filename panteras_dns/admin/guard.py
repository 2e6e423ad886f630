"""Which requests are answered at all. Pure: a method and headers in, a status and a line out.

Loopback does not stop a page of another site whose name was made to lead here (DNS rebinding): the Host
header has to be one of ours. And no other site may have the browser ask something here, not even what only reads.
"""

import ipaddress
from collections.abc import Collection, Mapping

METHODS = (b"GET", b"HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def refusal(method: bytes, path: str, headers: Mapping[str, str], hosts: Collection[str]) -> tuple[int, str] | None:
    """Status and reason, or None for a request that may be answered. *hosts*: names beside addresses and localhost."""
    if method not in METHODS:
        return 405, f"{method.decode('latin-1')[:20]!r}: nothing here takes it, expected GET or HEAD"
    if not _is_ours(headers.get("host", ""), hosts):
        return 421, "not a name of this host: call it by an address, as localhost, or add the name to admin.hosts"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_followed(path, headers):
        return 403, "another site asks: only pages of this one may"
    return None


def _is_followed(path: str, headers: Mapping[str, str]) -> bool:
    """A link to the dashboard that a person follows: in a window of its own, not in a frame of that site."""
    return path == "/" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _is_ours(text: str, hosts: Collection[str]) -> bool:
    host = text.rpartition("]")[0].removeprefix("[") if text.startswith("[") else text.partition(":")[0]
    if host.lower().rstrip(".") in {"localhost", *hosts}:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
