"""Server cookies (RFC 7873, laid out as in RFC 9018): a client that shows one has received an answer at its address,
so the address is not forged. Bound to client cookie, address and time under a secret that only this process knows."""

import hashlib

from panteras_dns.wire import CLIENT_COOKIE, SERVER_COOKIE

_VERSION = b"\1\0\0\0"
_LIFETIME = 3600  # seconds (RFC 9018 4.3)
_MOST_AHEAD = 300


class Cookies:
    """Makes and checks server cookies. *now* in seconds on any clock that all workers of one secret share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def stamp(self, packet: bytes, host: bytes | str, now: float) -> bytes:
        """*packet* ends with a client's cookie and room for ours: fill it."""
        client = packet[-SERVER_COOKIE - CLIENT_COOKIE : -SERVER_COOKIE]
        return packet[:-SERVER_COOKIE] + self._cookie(client, host, int(now).to_bytes(4, "big"))

    def valid(self, cookie: bytes, host: bytes | str, now: float) -> bool:
        """Whether *cookie*, client's and server's part, was given to that host within the last hour."""
        if len(cookie) != CLIENT_COOKIE + SERVER_COOKIE:
            return False
        given = cookie[CLIENT_COOKIE + 4 : CLIENT_COOKIE + 8]
        age = int(now) - int.from_bytes(given, "big")
        if not -_MOST_AHEAD <= age <= _LIFETIME:
            return False
        return cookie[CLIENT_COOKIE:] == self._cookie(cookie[:CLIENT_COOKIE], host, given)

    def _cookie(self, client: bytes, host: bytes | str, when: bytes) -> bytes:
        address = host.encode() if isinstance(host, str) else host
        seal = hashlib.blake2s(client + _VERSION + when + address, digest_size=8, key=self._secret).digest()
        return _VERSION + when + seal
