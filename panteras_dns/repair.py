"""What Consul's answers need before a client may see them.

Pure functions from a question and Consul's reply to the reply a client should have got. Each repair can be
switched off, each is counted, and each names the complaint it answers (hashicorp/consul issue numbers).
"""

import struct
from dataclasses import dataclass, field, replace

from panteras_dns.answer import message, with_ttl
from panteras_dns.names import labels_of, suffixes
from panteras_dns.routes import CONSUL_FORMS
from panteras_dns.wire import AA, IN, NOERROR, NXDOMAIN, QR, RCODE, SOA, TC, Query, Reply, name_at, read_reply

# Types Consul never has: DS, SSHFP, RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, TLSA, SVCB, HTTPS, CAA. Asking it
# for them only loops where it has recursors (consul#1800, #6183).
FOREIGN_TYPES = frozenset((43, 44, 46, 47, 48, 50, 51, 52, 64, 65, 257))

_SOA = struct.Struct("!HHLH")


@dataclass(frozen=True, slots=True)
class Repairs:
    """The switches, as in the configuration of a route."""

    ttl: str = "zero"  # "zero": nobody may keep what changes at any moment; "keep": as Consul says
    nodata: bool = True  # names between others exist (consul#6579)
    soa: bool = True  # negative answers carry a SOA that fits, with minimum 0 (consul#743)
    types: bool = True  # types Consul never has are answered here
    aaaa: bool = True  # AAAA of a name that has A: it exists (consul#3439)
    truncate: bool = False  # set TC on addresses cut to the client's size too, not only on other types


@dataclass(slots=True)
class Repairer:
    """The repairs of one Consul route, and how often each was needed."""

    domains: tuple[bytes, ...]
    switches: Repairs = field(default_factory=Repairs)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("nodata", "soa"), 0))

    def repair(self, query: Query, reply: Reply) -> Reply:
        """The reply a client should have got from Consul."""
        if reply.rcode == NXDOMAIN and self.switches.nodata and self._between(query.name):
            self.counts["nodata"] += 1
            reply = replace(reply, flags=reply.flags & ~RCODE)
        if self.switches.soa and reply.rcode in (NOERROR, NXDOMAIN) and not reply.section(1) and not reply.flags & TC:
            reply = self._fit_soa(query, reply)
        if self.switches.ttl == "zero":
            reply = with_ttl(reply, 0, fixed=0)
        return reply

    def foreign(self, query: Query) -> Reply | None:
        """The answer to a type Consul never has, or None when Consul is to be asked."""
        if not self.switches.types or query.type not in FOREIGN_TYPES:
            return None
        return read_reply(message(query, QR | AA | NOERROR, ([], [self._soa(query.name)], [])))

    def domain(self, name: bytes) -> bytes:
        """The Consul domain that *name* lies in."""
        return next((suffix for suffix in suffixes(name) if suffix in self.domains), self.domains[0])

    def _between(self, name: bytes) -> bool:
        """Whether *name* is `service.consul`, `service.dc1.consul` or `service.dc1.dc.consul`: it has no
        records, but names below it do, so it exists (RFC 8020)."""
        own = self.domain(name)
        labels = labels_of(name[: len(name) - len(own)])
        if not labels:
            return True  # the domain itself
        if labels[0] not in CONSUL_FORMS:
            return False
        return len(labels) <= 2 or (len(labels) == 3 and labels[2] == b"\x02dc")

    def _fit_soa(self, query: Query, reply: Reply) -> Reply:
        found = next((record for record in reply.records if record.section == 2 and record.type == SOA), None)
        if found is not None:
            owner = name_at(reply.body, found.start)
            minimum = reply.body[found.end - 4 : found.end]
            if minimum == b"\0\0\0\0" and owner in suffixes(query.name):
                return reply
        self.counts["soa"] += 1
        return read_reply(message(query, reply.flags, ([], [self._soa(query.name)], [])))

    def _soa(self, name: bytes) -> bytes:
        own = self.domain(name)
        data = b"\x02ns" + own + b"\x0ahostmaster" + own + struct.pack("!5L", 1, 3600, 600, 86400, 0)
        return own + _SOA.pack(SOA, IN, 0, len(data)) + data
