"""A page that says which instance of which service it is; `/health` for checks, `/slow?seconds=N` for one that takes
time.

Ends with SIGTERM as a good service does: goes on for a second, in which balancers take it out; each answer from then on
closes its connection. Then it takes nothing new, and ends once what it has is answered.
"""

import html
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("PORT", "8000"))
SERVICE = os.environ.get("SERVICE_NAME", "python")
INSTANCE = socket.gethostname()
GRACE = 1.0  # seconds; registrator and balancer need a tenth of it
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{service}</title>
<body><h1>{service}</h1>
<p>instance <code id="instance">{instance}</code>, asked for as <code>{host}</code></p></body></html>
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.answering:  # type: ignore[attr-defined]
            self.show()

    def show(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/health":
            return self.answer("text/plain", "ok\n")
        if parts.path == "/slow":
            time.sleep(min(float(parse_qs(parts.query).get("seconds", ["1"])[0]), 30))
        if "text/html" not in self.headers.get("Accept", ""):
            return self.answer("text/plain", f"{SERVICE} {INSTANCE}\n")
        host = html.escape(self.headers.get("Host", ""))
        return self.answer("text/html", PAGE.format(service=html.escape(SERVICE), instance=INSTANCE, host=host))

    def answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.server.leaving.is_set():  # type: ignore[attr-defined]
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *values: object) -> None:
        pass


class Answering:
    """Counts the answers under way, and waits for the last."""

    def __init__(self) -> None:
        self.count = 0
        self.change = threading.Condition()

    def __enter__(self) -> None:
        with self.change:
            self.count += 1

    def __exit__(self, *_: object) -> None:
        with self.change:
            self.count -= 1
            self.change.notify_all()

    def wait(self, seconds: float) -> None:
        with self.change:
            self.change.wait_for(lambda: self.count == 0, seconds)


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    answering = Answering()
    leaving = threading.Event()

    def leave(self) -> None:
        self.leaving.set()
        time.sleep(GRACE)
        self.shutdown()

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up costs no traceback."""


def main() -> None:
    server = Server(("", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.leave).start())
    print(f"{SERVICE} {INSTANCE} on port {PORT}")
    server.serve_forever(poll_interval=0.1)
    server.answering.wait(10)


if __name__ == "__main__":
    main()
