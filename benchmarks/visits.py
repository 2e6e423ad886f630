"""Connections, one after the other: how long until the service says something.

`python -m benchmarks.visits serve ADDRESS PORT` greets whoever comes; `… time ADDRESS PORT COUNT` prints a list of
seconds. A greeting, since a redirected connect is answered by the laptop itself, before anything was reached.
"""

import json
import socket
import sys
import time

GREETING = b"!"


def serve(address: str, port: int) -> None:
    with socket.create_server((address, port), backlog=1024) as door:
        print("ready", flush=True)
        while True:
            visitor, _ = door.accept()
            with visitor:
                visitor.sendall(GREETING)


def timed(address: str, port: int, count: int) -> list[float]:
    """Seconds from the connect to the greeting, for each of *count* visits."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        with socket.create_connection((address, port), 10) as visit:
            if visit.recv(1) != GREETING:
                raise ConnectionError("nobody greets")
            found.append(time.perf_counter() - began)
            visit.recv(1)  # the end, so that no visit pays for the last one's
    return found


if __name__ == "__main__":
    what, address, port, *rest = sys.argv[1:]
    if what == "serve":
        serve(address, int(port))
    else:
        print(json.dumps(timed(address, int(port), int(rest[0]))))
