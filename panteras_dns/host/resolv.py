"""The host's real upstreams, from resolv.conf(5).

Pure but for reading the files it is given. Where resolv.conf names only a stub on this machine (systemd-resolved,
or this server itself), the files that programs keep behind it are tried in turn.
"""

import ipaddress
from collections.abc import Collection, Sequence
from pathlib import Path

FILES = (
    Path("/etc/resolv.conf"),
    Path("/run/systemd/resolve/resolv.conf"),
    Path("/run/NetworkManager/no-stub-resolv.conf"),
)
STUBS = ("127.0.0.53", "127.0.0.54")


def nameservers(text: str) -> list[str]:
    """The addresses on the nameserver lines."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            found.append(str(ipaddress.ip_address(words[1])))
        except ValueError:
            continue
    return list(dict.fromkeys(found))


def upstreams(own: Collection[str], files: Sequence[Path] = FILES) -> list[str]:
    """The first list that holds something beside stubs and *own* addresses, without these: asking ourselves
    would be a loop. Empty when there is none."""
    for path in files:
        try:
            found = nameservers(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        real = [address for address in found if address not in own and address not in STUBS]
        if real:
            return real
    return []
