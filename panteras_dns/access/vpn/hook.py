"""What OpenVPN runs when a client comes or goes: tells the door's keeper, and lets the client in if that says so.

    python -I -S hook.py SOCKET

No shell, and nothing but the standard library: OpenVPN stands still meanwhile. No answer means no.
"""

import json
import os
import socket
import sys

_PATIENCE = 5.0  # seconds
_MOST = 4096
_TOLD = {
    "event": "script_type",
    "transport": "dev",
    "name": "common_name",
    "serial": "tls_serial_0",
    "address": "ifconfig_pool_remote_ip",
    "address6": "ifconfig_pool_remote_ip6",
    "from": "trusted_ip",
    "from6": "trusted_ip6",
    "connected": "time_unix",
    "received": "bytes_received",
    "sent": "bytes_sent",
}


def main(path: str) -> int:
    """0 if the client may come in."""
    told = {key: os.environ.get(name, "") for key, name in _TOLD.items()}
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(_PATIENCE)
            stream.connect(path)
            stream.sendall(json.dumps(told).encode() + b"\n")
            answer = stream.makefile("rb").readline(_MOST).strip()
    except OSError as problem:
        answer = f"the door's keeper does not answer: {problem}".encode()
    if answer == b"ok":
        return 0
    print(f"panteras: {answer.decode('utf-8', 'replace') or 'no answer of the keeper'}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
