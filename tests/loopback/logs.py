"""What a query log holds: lines, and frames of dnstap."""

import json
import struct
from pathlib import Path


def entries(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def frames(stream) -> list[bytes]:
    """Data frames of a stream of frames, up to its STOP."""
    found = []
    while len(head := stream.read(4)) == 4:
        size = struct.unpack("!I", head)[0]
        if size:
            found.append(stream.read(size))
        else:
            kind = stream.read(struct.unpack("!I", stream.read(4))[0])
            if kind[:4] == b"\0\0\0\3":
                break
    return found
