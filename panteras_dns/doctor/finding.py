"""A finding, and all of them as they are shown. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from panteras_dns.explain.explanation import many, printable

VERSION = 1  # of the JSON: fields are added, none changes its meaning
PROBLEM, WARNING = "problem", "warning"


class Unseen(Exception):
    """A check could not look; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """*code* has its part in the manual; *fix*: commands, to be run as root in this order."""

    code: str
    what: str
    why: str
    fix: tuple[str, ...] = ()
    level: str = PROBLEM


@dataclass(frozen=True, slots=True)
class Looked:
    """What one check found; *unknown* says why it could not look."""

    check: str
    findings: tuple[Finding, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    looked: Sequence[Looked]

    def count(self, level: str) -> int:
        return sum(found.level == level for one in self.looked for found in one.findings)

    def exit_status(self, strict: bool = False) -> int:
        """0 nothing is wrong (with *strict* not even a warning), 1 something is."""
        return 1 if self.count(PROBLEM) or (strict and self.count(WARNING)) else 0

    def as_json(self) -> str:
        checks = [asdict(one) for one in self.looked]
        return json.dumps({"version": VERSION, "fine": not self.count(PROBLEM), "checks": checks})

    def as_text(self) -> str:
        return "\n".join(map(printable, self._lines()))

    def _lines(self) -> Iterator[str]:
        for one in self.looked:
            if one.unknown:
                yield f"-    {one.check}: not checked: {one.unknown}"
            elif not one.findings:
                yield f"ok   {one.check}"
            for found in one.findings:
                yield f"{'FAIL' if found.level == PROBLEM else 'warn'} {found.code} {found.what}"
                yield f"     {found.why}"
                yield from (f"{'fix: ' if not number else '     '}{line}" for number, line in enumerate(found.fix))
        problems, warnings = self.count(PROBLEM), self.count(WARNING)
        if problems or warnings:
            yield f"{many(problems, 'problem')}, {many(warnings, 'warning')} in {len(self.looked)} checks"
        else:
            yield f"all is well: {len(self.looked)} checks"
