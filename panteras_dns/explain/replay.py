"""A failure that was kept, hop by hop as it was then. Pure: a row of `/failures` in, an explanation out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from panteras_dns.explain.explanation import FAIL, OK, Explanation, Hop
from panteras_dns.explain.verdict import Verdict


def replayed(row: Mapping[str, Any]) -> Explanation:
    """What is not known any more is not told: the times of the hops, and what Consul had."""
    when = datetime.fromtimestamp(row["at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    code, _, text = row["reason"].partition(" ")
    if not code.startswith("PAN"):
        code, text = "PAN200", row["reason"] or "why was not found out at the time"
    told = Explanation(row["name"], row["type"])
    told.hops = [
        Hop("client", f"{row['client']} asked at {when}", OK),
        Hop("gateway", f"route {row['route']}", OK),
        Hop("answer", row["rcode"], FAIL),
    ]
    wanted = "" if row["type"] == "A" else f" --type {row['type']}"
    again = f"panteras explain {row['name']}{wanted}" if _is_plain(row["name"]) and row["type"].isalnum() else ""
    told.verdict = Verdict(
        code, text, fix=(again,) if again else (), note="as it was then; the command asks how it is now"
    )
    return told


def _is_plain(name: str) -> bool:
    """Whether it can stand in a command as it is."""
    return all(one.isalnum() or one in "-._" for one in name) and not name.startswith("-")
