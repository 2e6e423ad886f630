"""Which servers answer for a name.

A table of suffixes in wire form, swapped whole on reload. Knows nothing of sockets, health or caches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from panteras_dns.names import suffixes, wire_name

# Labels that stand before a Consul domain in every name Consul serves (consul-dns: forms of names).
CONSUL_FORMS = frozenset(
    wire_name(form)[:-1]
    for form in ("service", "node", "query", "connect", "virtual", "ingress", "addr", "peer", "sg", "dc")
)


@dataclass(frozen=True, slots=True)
class Route:
    """What holds for every name under some suffixes: whom to ask, and how its answers are treated."""

    name: str
    group: Any  # upstream.Group; a route knows it only to hand it over
    consul: bool = False
    cached: bool = True
    domains: tuple[bytes, ...] = field(default=(b"\0",))


class Routes:
    """Suffix -> route. The longest suffix wins, on whole labels, without case."""

    def __init__(self, table: Mapping[bytes, Route]) -> None:
        self._table = dict(table)
        self._consul = [name for name, route in self._table.items() if route.consul]

    def match(self, name: bytes) -> Route | None:
        """The route of the longest suffix of *name* (wire form, lower case), or None without a root route."""
        table = self._table
        for suffix in suffixes(name):
            if suffix in table:
                return table[suffix]
        return None

    def fenced(self, name: bytes) -> bool:
        """Whether a Consul name with a search suffix behind it is hidden in *name*.

        `web.service.consul.corp.example` comes from a resolver that walks its search list. It must not
        reach a general upstream: it would tell the world what runs here, and be answered by strangers.
        """
        forms = False
        for suffix in suffixes(name):
            if forms and any(suffix.startswith(domain[:-1]) for domain in self._consul if suffix != domain):
                return True
            forms = forms or suffix[: suffix[0] + 1] in CONSUL_FORMS
        return False
