"""A crowd of browsers, run as a program in the namespace it sits in: `crowd.py ADDRESS NAME RATE SECONDS [FILE]`.

Half of them keep their connections and half open one for each request. Every request must be answered with 200 and a whole
body; whatever else happens is counted by its kind. The result is one JSON object on stdout; it ends early when FILE is there.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

CLIENTS = 40


class Crowd:
    def __init__(self, address: str, name: str, rate: float) -> None:
        self._address = address
        self._name = name
        self._every = CLIENTS / rate
        self.failures: Counter[str] = Counter()
        self.pages: Counter[str] = Counter()
        self.slowest = 0.0
        self._over = False
        self.times: list[float] = []

    async def run(self, seconds: float, stop: Path | None) -> None:
        end = time.monotonic() + seconds
        clients = [asyncio.create_task(self._client(number, end)) for number in range(CLIENTS)]
        while time.monotonic() < end and not (stop and stop.exists()):
            await asyncio.sleep(0.05)
        self._over = True
        await asyncio.gather(*clients)

    async def _client(self, number: int, end: float) -> None:
        keeps = number % 2 == 0
        stream = None
        due = time.monotonic() + self._every * number / CLIENTS
        while due < end and not self._over:
            await asyncio.sleep(max(0, due - time.monotonic()))
            begun = time.monotonic()
            try:
                reused = stream is not None
                if stream is None:
                    stream = await asyncio.open_connection(self._address, 80)
                keeps_open = await asyncio.wait_for(self._request(*stream, keeps), 10)
                if not keeps_open:
                    stream[1].close()
                    stream = None
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as problem:
                kind = "reused" if reused else "fresh"
                self.failures[f"{kind}: {type(problem).__name__} {problem}"[:80]] += 1
                self.times.append(round(time.time() % 86400, 1))
                if stream is not None:
                    stream[1].close()
                stream = None
            self.slowest = max(self.slowest, time.monotonic() - begun)
            due += self._every

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keeps: bool) -> bool:
        connection = "keep-alive" if keeps else "close"
        writer.write(f"GET / HTTP/1.1\r\nHost: {self._name}\r\nConnection: {connection}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith("http/1.1 200") and not head.startswith("http/1.0 200"):
            raise ValueError(head.split("\r\n")[0])
        self.pages[body.decode().strip()[:60]] += 1
        if head.startswith("http/1.0"):  # which ends where nothing is said (RFC 9112 9.3)
            return keeps and "connection: keep-alive" in head
        return keeps and "connection: close" not in head


def main() -> None:
    address, name, rate, seconds, *rest = sys.argv[1:]
    crowd = Crowd(address, name, float(rate))
    asyncio.run(crowd.run(float(seconds), Path(rest[0]) if rest else None))
    done = sum(crowd.pages.values())
    told = {
        "done": done,
        "failed": crowd.failures,
        "pages": crowd.pages,
        "slowest": round(crowd.slowest, 3),
        "when": crowd.times[:200:10],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
