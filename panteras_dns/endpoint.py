"""Where somebody listens, as text: an address and a port, or an HTTP API."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PRIVATE = "private"
CONSUL_API = "http://127.0.0.1:8500"  # of the agent on this host


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where somebody listens. Host `*` means every address of this machine, `private` those that are private."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def several(self) -> bool:
        """Whether it stands for addresses that come and go."""
        return self.host in ("*", PRIVATE)

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.host.split("%")[0]).is_loopback


def endpoint(value: Any, port: int = 53) -> Endpoint:
    """`10.0.0.1`, `10.0.0.1:53`, `[::1]:53`, `::1`, `*`, `*:53`, `private`."""
    text = str(value).strip()
    host, number = text, str(port)
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        number = rest.removeprefix(":") or number
    elif text.count(":") == 1:
        host, number = text.split(":")
    if not number.isdigit() or not 0 <= int(number) <= 65535:
        raise ValueError(f"not a port: {number!r}, expected 0 to 65535")
    if host not in ("*", PRIVATE):
        try:
            mapped = getattr(ipaddress.ip_address(host), "ipv4_mapped", None)
            host = str(mapped) if mapped else host
        except ValueError:
            raise ValueError(f"not an address: {host!r}, expected one like 10.0.0.1:53 or [::1]:53") from None
    return Endpoint(host, int(number))


def http_api(place: str) -> tuple[str, str]:
    """The base URL of an HTTP API, and the socket file it is at, "" for a TCP address.

    `127.0.0.1:8500`, `http://consul:8500`, `https://…`, `unix:///run/docker.sock`.
    """
    parts = urlsplit(place if "://" in place else f"http://{place}")
    if parts.scheme == "unix" and parts.path.startswith("/"):
        return "http://localhost", parts.path
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or parts.path not in {"", "/"}:
        raise ValueError(f"{place!r}: expected http://HOST:PORT, https://HOST:PORT or unix:///PATH")
    return f"{parts.scheme}://{parts.netloc}", ""
