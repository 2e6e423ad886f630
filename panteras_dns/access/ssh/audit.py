"""What one person does, told to the container's log: one JSON object a line.

Lines wait for a moment and go together: a connect does not pay for the words about the last one. Without a log there is
no way in: who tells hears of it when the log is gone or takes nothing.
"""

import json
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panteras_dns.access.ssh.certificate import Certificate
from panteras_dns.access.trouble import Trouble

_PATIENCE = 500_000  # microseconds for the log to take something
_MOST_WAITING = 1000  # lines; whoever adds to them sends them
_TOGETHER = 32  # lines in one message: some 12 kB


class Audit:
    """*who*: the certificate whose deeds are told. Used by two threads: the tunnel's, and the watch's."""

    def __init__(self, path: Path, who: Certificate) -> None:
        identity, _, device = who.key_id.partition("/")
        address = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
        since = moment(time.time())
        self.who = {"identity": identity, "device": device, "serial": who.serial, "from": address, "since": since}
        self._start = json.dumps(self.who)[1:-1]
        self._waiting: deque[tuple[float, Mapping[str, Any]]] = deque()
        self._sending = threading.RLock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, _PATIENCE))
        try:
            self._socket.connect(str(path))
        except OSError as problem:
            raise Trouble(
                f"the door keeps no log ({problem.strerror}), so nobody may enter; tell who runs it"
            ) from None

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Tell *event*, soon; OSError when the log has taken nothing for long."""
        self._waiting.append((time.time(), event))
        if len(self._waiting) > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Send what waits; OSError when the log does not take it."""
        with self._sending:
            while self._waiting:
                count = min(len(self._waiting), _TOGETHER)
                lines = [self._line(*self._waiting.popleft()) for _ in range(count)]
                self._socket.send("\n".join(lines).encode())

    def _line(self, when: float, event: Mapping[str, Any]) -> str:
        return f'{{"time": "{moment(when)}", {self._start}, {json.dumps(event)[1:]}'


def moment(when: float) -> str:
    """Seconds since 1970 as people and programs read them."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
