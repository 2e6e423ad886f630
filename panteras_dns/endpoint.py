"""An address and a port, as text and as the sockets want it."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where somebody listens. Host `*` means every address of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.host.split("%")[0]).is_loopback


def endpoint(value: Any, port: int = 53) -> Endpoint:
    """`10.0.0.1`, `10.0.0.1:53`, `[::1]:53`, `::1`, `*`, `*:53`."""
    text = str(value).strip()
    host, number = text, str(port)
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        number = rest.removeprefix(":") or number
    elif text.count(":") == 1:
        host, number = text.split(":")
    if not number.isdigit() or not 0 <= int(number) <= 65535:
        raise ValueError(f"not a port: {number!r}, expected 0 to 65535")
    if host != "*":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"not an address: {host!r}, expected one like 10.0.0.1:53 or [::1]:53") from None
    return Endpoint(host, int(number))
