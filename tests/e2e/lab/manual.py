"""The manual's commands, as they stand on its pages."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def commands(page: str, title: str) -> list[str]:
    """Those of the console blocks under a heading, each in one line, with what a person types before it (sudo)."""
    text = (ROOT / page).read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    joined = re.sub(r"\s*\\\n\s*", " ", "".join(blocks))
    return re.findall(r"^[$#] (.*)", joined, re.MULTILINE)
