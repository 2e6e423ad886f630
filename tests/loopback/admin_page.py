"""The admin of a running server, as programs and browsers reach it."""

import http.client
import json
import re
import socket

from program import eventually
from prometheus_client.parser import text_string_to_metric_families


class Admin:
    """What answers at the address that the log tells."""

    def __init__(self, gateway) -> None:
        self.gateway = gateway
        eventually(self._told)
        self.port = int(self._told()[1])

    def _told(self):
        return next(
            (found for line in self.gateway.log if (found := re.search(r"admin: http://127.0.0.1:(\d+)/", line))), None
        )

    def get(self, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str):
        status, _, body = self.get(path)
        assert status == 200, body
        return json.loads(body)

    def metrics(self) -> dict[str, float]:
        """Sample with its labels -> number, as Prometheus' own parser reads them."""
        families = text_string_to_metric_families(self.get("/metrics")[2])
        found = {}
        for family in families:
            assert family.documentation
            for one in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
                found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
        return found


def events(port: int, buffer: int = 0) -> socket.socket:
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return sock


def read_until(sock: socket.socket, wanted: bytes) -> bytes:
    found = b""
    while wanted not in found:
        more = sock.recv(65536)
        assert more, found
        found += more
    return found
