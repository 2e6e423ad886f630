"""Figures of the doors as they stand in the manual: behind a mark, with the targets that they keep or miss."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import table
from benchmarks.rounds import Results
from benchmarks.targets import Target
from benchmarks.trouble import Trouble


def verdicts(targets: Sequence[Target], results: Results) -> str:
    """A table of *targets*, each with what was measured of it."""
    judged = [(target, target.value(results)) for target in targets]
    rows = [
        [target.what, f"≤ {target.most:g}", f"{value:.2f}", "pass" if target.is_kept(value) else "MISSED"]
        for target, value in judged
        if value is not None
    ]
    return table(["target", "at most", "measured", "verdict"], rows)


def number(value: float | None) -> str:
    """Three digits or so; nothing for what was not measured."""
    return "" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def write(path: Path, mark: str, figures: str) -> None:
    """Put *figures* behind the *mark* of a page, in place of the last ones."""
    text, found, _ = path.read_text().partition(mark)
    if not found:
        raise Trouble(f"{path}: no line {mark.strip()!r}, behind which the figures go")
    path.write_text(f"{text}{mark}\n{figures}")
