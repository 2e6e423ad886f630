"""Templates of OpenVPN's files: lines that stand from a version on, or where something is so. Pure.

`[2.6] …` stands from that version on, `[-2.6] …` before it, `[udp ipv6] …` where both are so, `[-ipv6] …` where it is
not; `$name` is a value, which may be several lines. The templates are in `templates/`, and in the wheel.
"""

import re
from collections.abc import Collection, Mapping
from importlib import resources
from string import Template

Version = tuple[int, int]

_CONDITIONAL = re.compile(r"\[([a-z0-9. -]+)\] (.*)")
_VERSION = re.compile(r"(\d+)\.(\d+)")


def template(name: str) -> str:
    """A file of the package's own."""
    return (resources.files("panteras_dns.access.vpn") / "templates" / name).read_text()


def fill(text: str, version: Version, so: Collection[str], values: Mapping[str, object]) -> str:
    """*text* for a *version*, where what is in *so* is so."""
    lines = []
    for line in text.splitlines():
        found = _CONDITIONAL.fullmatch(line)
        if found is None:
            lines.append(line)
        elif all(_holds(word, version, so) for word in found[1].split()):
            lines.append(found[2])
    return Template("\n".join((*lines, ""))).substitute(values)


def _holds(word: str, version: Version, so: Collection[str]) -> bool:
    if word.startswith("-"):
        return not _holds(word[1:], version, so)
    if found := _VERSION.fullmatch(word):
        return version >= (int(found[1]), int(found[2]))
    return word in so
