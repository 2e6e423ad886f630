"""Whether a client may ask the gateway of this host. Pure."""

import ipaddress
from collections.abc import Sequence

from panteras_dns.explain.explanation import FAIL, Hop

_MOST_SHOWN = 8


def admission(client: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> Hop:
    """*networks*: those that may ask."""
    address = ipaddress.ip_address(client)
    address = getattr(address, "ipv4_mapped", None) or address  # as the server sees who comes over an IPv4 socket
    found = next((network for network in networks if address in network), None)
    if found is not None:
        return Hop("client", f"{client} may ask: {found}")
    shown = ", ".join(map(str, networks[:_MOST_SHOWN]))
    return Hop("client", f"{client} is in none of the networks that may ask", FAIL, details=(shown,))
