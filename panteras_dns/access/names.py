"""Names of people, devices and services, as they may be written on a command line.

Narrow on purpose: a name becomes a file name, a line of a log and a field of a certificate.
"""

import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

from panteras_dns.access.trouble import Misuse

DEFAULT_DEVICE = "default"

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)
_SERVICE = re.compile(r"[A-Za-z0-9_*?-]{1,63}", re.ASCII)  # a label of DNS, or a pattern for one
_MOST_SERVICES = 64


def name(text: str, what: str = "name") -> str:
    """*text*, if it may name a person or a device."""
    if not _NAME.fullmatch(text) or text.startswith((".", "-")):
        raise Misuse(
            f"not a {what}: {text[:80]!r}, expected 1 to 64 letters, digits and . _ @ -, not starting with . or -"
        )
    return text


def pair(text: str) -> tuple[str, str | None]:
    """Read `NAME` or `NAME/DEVICE`."""
    person, slash, device = text.partition("/")
    return name(person), name(device, "device") if slash else None


def people(texts: Sequence[str], device: str) -> Sequence[tuple[str, str]]:
    """Read several, those without a device with *device*; each once."""
    if not texts:
        raise Misuse("nobody is named, expected NAME or NAME/DEVICE")
    found = [(who, own or device) for who, own in map(pair, texts)]
    (who, own), times = Counter(found).most_common(1)[0]
    if times > 1:
        raise Misuse(f"{who}/{own}: is named twice")
    return found


def services(text: str) -> tuple[str, ...]:
    """Read `python*,web`: the services that an identity may reach; () for no limit."""
    found = tuple(dict.fromkeys(one.strip().lower() for one in text.split(",") if one.strip()))
    for one in found:
        if not _SERVICE.fullmatch(one):
            raise Misuse(f"not a service: {one[:80]!r}, expected names as Consul has them, with * and ? as wildcards")
    if len(found) > _MOST_SERVICES:
        raise Misuse(f"too many services: {len(found)}, expected at most {_MOST_SERVICES}")
    if text.strip() and not found:
        raise Misuse(f"no service in {text[:80]!r}, expected some like 'python*,web'")
    return found


def matches(service: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of *patterns* covers *service*."""
    return any(fnmatchcase(service.lower(), pattern) for pattern in patterns)
