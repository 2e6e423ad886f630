"""The manual's commands, as they stand on its pages."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "sshd/README.md", "openvpn/README.md"),
    *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("*.md"))),
    *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "examples").glob("*/README.md"))),
]


def commands(page: str, title: str) -> list[str]:
    """Those of the console blocks under a heading, each in one line, with what a person types before it (sudo).
    "" for what comes before the first heading."""
    return list(sections(page).get(title, ()))


def sections(page: str) -> Mapping[str, Sequence[str]]:
    """The commands of a page by the heading of the second level that they stand under."""
    found: dict[str, list[str]] = {"": []}
    title, console = "", False
    for line in re.sub(r"\s*\\\n\s*", " ", (ROOT / page).read_text()).splitlines():
        if line.lstrip().startswith("```"):
            console = line.strip() == "```console"
        elif console and re.match(r"[$#] ", line):
            found[title].append(line[2:])
        elif not console and line.startswith("## "):
            title = line.removeprefix("## ")
            assert title not in found, f"{page} has two parts named {title!r}"
            found[title] = []
    return found
