"""Finds out whether a server leads back to us: a question that only we can have made arrives at our own door.

The name holds a nonce and a seal over it under our secret, so that nobody can make one up and have a server cut
off (CVE-2026-26018); all workers of one secret know each other's. A loop cuts that path only, and only until a later
question stays away.
"""

import hashlib
import secrets
from collections.abc import Callable

from panteras_dns.names import labels_of, wire_name
from panteras_dns.wire import IN, RD, TXT, Query

_MARK = wire_name("panteras-loop-probe")[:-1]


class Loops:
    """Makes such questions, and hears of those that came back."""

    def __init__(self, secret: bytes, back: Callable[[str], None] = lambda server: None) -> None:
        self._secret = secret
        self._back = back
        self._servers: dict[str, None] = {}

    def question(self, server: str, domain: str) -> Query:
        """A question for *server*, under *domain*, that will be known again."""
        self._servers[server] = None
        nonce = secrets.token_hex(8)
        name = wire_name(f"{nonce}.{self._seal(nonce, server)}")[:-1] + _MARK + wire_name(domain)
        question = name + TXT.to_bytes(2, "big") + IN.to_bytes(2, "big")
        return Query(RD, question, name, TXT, IN, None)

    def is_probe(self, name: bytes) -> bool:
        """Whether *name* looks like one of ours; if it is, whoever *back* is hears which server it went to."""
        if _MARK not in name:
            return False
        labels = labels_of(name)
        if len(labels) >= 3 and labels[2] == _MARK:
            nonce, seal = (label[1:].decode("latin-1") for label in labels[:2])
            for server in self._servers:
                if secrets.compare_digest(seal.encode("latin-1"), self._seal(nonce, server).encode()):
                    self._back(server)
        return True

    def _seal(self, nonce: str, server: str) -> str:
        return hashlib.blake2s(f"{nonce} {server}".encode(), digest_size=8, key=self._secret).hexdigest()
