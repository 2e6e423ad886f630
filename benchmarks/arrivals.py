"""How long until browsers are sent to what just appeared; run on the docker host: `arrivals.py KIND PORT COUNT`.

KIND is `instance`, one more of the service `bench`, or `service`, a new one each time. The clock starts before Consul's
agent is told, and stops with the first page of the new instance at 127.0.0.1:PORT. The result is a JSON list of seconds
on stdout. With `page PORT NAME` it waits for a page of NAME, and prints when it came, on the monotonic clock.
"""

import http.client
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BENCH = "bench"
LONGEST = 30.0
REST = 1.0  # seconds after each, so that nothing is under way when the next one comes


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A check hangs up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = str(self.server.server_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *values: object) -> None:
        pass


def instance() -> int:
    """Its port; it serves until the end."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def tell(path: str, body: object = None) -> None:
    agent = http.client.HTTPConnection("127.0.0.1", 8500, timeout=5)
    agent.request("PUT", f"/v1/agent/service/{path}", json.dumps(body) if body else None)
    if agent.getresponse().status != 200:
        raise SystemExit(f"arrivals: Consul refuses {path}")
    agent.close()


def register(service: str, port: int) -> str:
    key = f"{service}-{port}"
    tell("register", {"ID": key, "Name": service, "Address": "127.0.0.1", "Port": port, "Tags": ["http"]})
    return key


def page(port: int, service: str) -> tuple[int, bytes]:
    try:
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        browser.request("GET", "/", headers={"Host": f"{service}.service.consul"})
        answer = browser.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def wait(port: int, service: str, expected: bytes = b"") -> float:
    """When the page came."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        status, body = page(port, service)
        if status == 200 and expected in {b"", body}:
            return time.monotonic()
        time.sleep(0.0005)
    raise SystemExit(f"arrivals: {service} did not open within {LONGEST} s")


def arrivals(kind: str, port: int, count: int) -> list[float]:
    first = register(BENCH, instance())
    wait(port, BENCH)
    found = []
    for number in range(count):
        new = instance()
        service = BENCH if kind == "instance" else f"bench-{new}-{number}"
        time.sleep(REST)
        begun = time.monotonic()
        key = register(service, new)
        found.append(wait(port, service, str(new).encode()) - begun)
        tell(f"deregister/{key}")
    tell(f"deregister/{first}")
    return found


def main() -> None:
    kind, port, last = sys.argv[1:]
    print(json.dumps(wait(int(port), last) if kind == "page" else arrivals(kind, int(port), int(last))))


if __name__ == "__main__":
    main()
