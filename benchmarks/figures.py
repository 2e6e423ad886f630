"""Figures of the doors as they stand in the manual: behind a mark, with the targets that they keep or miss."""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.process import require
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


def publish(needed: Mapping[str, str], page: Callable[[], str], file: Path | None, mark: str) -> int:
    """Print what *page* measures, and put it into *file*; the exit status. *needed*: programs and their packages."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is told to end takes all down first
    try:
        for program, package in needed.items():
            require(program, package)
        figures = page()
        print(figures)
        if file:
            write(file, mark, figures)
    except Trouble as trouble:
        print(f"benchmarks: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def write(path: Path, mark: str, figures: str) -> None:
    """Put *figures* behind the *mark* of a page, in place of the last ones."""
    text, found, _ = path.read_text().partition(mark)
    if not found:
        raise Trouble(f"{path}: no line {mark.strip()!r}, behind which the figures go")
    path.write_text(f"{text}{mark}\n{figures}")
