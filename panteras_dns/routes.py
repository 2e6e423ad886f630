"""Which servers answer for a name.

A table of suffixes in wire form, swapped whole on reload. Knows nothing of sockets, health or caches.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from panteras_dns.names import labels_of, suffixes, wire_name
from panteras_dns.upstream import Group, Lanes

# Labels that stand before a Consul domain in every name Consul serves (consul-dns: forms of names).
CONSUL_FORMS = frozenset(
    wire_name(form)[:-1]
    for form in ("service", "node", "query", "connect", "virtual", "ingress", "addr", "peer", "sg", "dc")
)


@dataclass(frozen=True, slots=True)
class Route:
    """What holds for every name under some suffixes: whom to ask, and how its answers are treated."""

    name: str
    group: Group
    consul: bool = False
    cached: bool = True
    domains: tuple[bytes, ...] = (b"\0",)
    lanes: Lanes | None = None  # of a Consul route: the same servers apart for each datacenter
    joined: bool = True  # identical questions in flight are asked once
    insurance: float = 0  # seconds for which the last good answer may serve when the servers fail
    fallback: "Route | None" = None  # whom to ask what these servers do not know

    def group_for(self, name: bytes) -> Group:
        """Whom to ask for that name."""
        place = datacenter(name, self.domains) if self.lanes is not None else None
        return self.lanes.group(place) if self.lanes is not None and place else self.group


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

    def by_root(self, name: bytes) -> bool:
        """Whether no suffix but the root's, or none at all, is for *name*."""
        return next((suffix for suffix in suffixes(name) if suffix in self._table), b"\0") == b"\0"

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


def datacenter(name: bytes, domains: tuple[bytes, ...]) -> bytes | None:
    """The label of the datacenter in a Consul name: `web.service.dc2.consul`, `web.service.dc2.dc.consul`,
    `_web._tcp.dc2.consul`; None where it names none."""
    own = next((suffix for suffix in suffixes(name) if suffix in domains), name)
    labels = labels_of(name[: len(name) - len(own)])
    if len(labels) >= 3 and labels[-1] == b"\x02dc":
        return labels[-2]
    if len(labels) >= 2 and labels[-1] not in CONSUL_FORMS and labels[-1][1:2] != b"_":
        known = labels[0][1:2] == b"_" or any(label in CONSUL_FORMS for label in labels[1:-1])
        return labels[-1] if known else None
    return None
