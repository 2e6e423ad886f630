"""The whole way of a name as it is shown: hops with their state and time, the reason last. Pure."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from panteras_dns.explain.verdict import Verdict

VERSION = 1  # of the JSON: fields are added, none changes its meaning
OK, FAIL, WARN, UNKNOWN = "ok", "FAIL", "warn", "-"
_WIDTH = 62


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage. *milliseconds* is None where nothing was timed."""

    stage: str
    told: str
    state: str = OK
    milliseconds: float | None = None
    details: tuple[str, ...] = ()


@dataclass(slots=True)
class Explanation:
    name: str
    type: str
    hops: list[Hop] = field(default_factory=list)
    verdict: Verdict = field(default_factory=lambda: Verdict("", ""))
    checked: bool = True  # False: the reason could not be found out

    @property
    def exit_status(self) -> int:
        """0 fine, 1 a problem, 3 nobody could be asked."""
        if not self.checked:
            return 3
        return 1 if self.verdict.code else 0

    def as_json(self) -> str:
        return json.dumps({"version": VERSION, **asdict(self)})

    def as_text(self) -> str:
        return "\n".join(printable(line) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for number, hop in enumerate(self.hops, 1):
            end = hop.state if hop.state != OK or hop.milliseconds is None else ""
            time = "" if hop.milliseconds is None else f"{hop.milliseconds:.1f} ms"
            yield f"{number} {hop.stage:<10} {hop.told:<{_WIDTH}} {time:>9}  {end}".rstrip()
            yield from (f"    {line}" for line in hop.details)
        verdict = self.verdict
        yield from (f"{'fix:' if not number else '':<5} {line}" for number, line in enumerate(verdict.fix))
        if verdict.note:
            yield f"note: {verdict.note}"
        yield f"FAIL {verdict.code} {verdict.text}" if verdict.code else f"ok   {verdict.text}"


def printable(text: str) -> str:
    """Without control characters: names and outputs are anybody's text, and a terminal would obey them."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)


def many(count: int, what: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
