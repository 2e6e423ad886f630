"""DNS over TLS (RFC 7858): messages with their length before them, as over TCP, many at a time, replies in any
order (RFC 7766)."""

from panteras_dns.transport.secure import Link, SecureServer
from panteras_dns.wire import frame, unframe


class _TlsLink(Link):
    def __init__(self, server: SecureServer) -> None:
        super().__init__(server)
        self._buffer = bytearray()

    def send(self, key: bytes, body: bytes) -> None:
        self.transport.write(frame(key + body))

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if packets := unframe(self._buffer):
            self.alive()
            self.server.answered(packets)


class TlsServer(SecureServer):
    """One server by DoT."""

    speaks = _TlsLink
