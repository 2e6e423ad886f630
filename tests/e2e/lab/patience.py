"""Waiting, always with a bound: for a state that is polled, never for a length of time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, within: float = 10.0, every: float = 0.05) -> T:
    """The first true value of *look*; fails, naming *what* was waited for, when *within* seconds are over.

    A look that fails, as a command of the lab does, has not found anything yet; how the last one failed is told.
    """
    end, problem = time.monotonic() + within, ""
    while True:
        try:
            if found := look():
                return found
        except AssertionError as failure:
            problem = f": {failure}"
        assert time.monotonic() < end, f"not within {within} s: {what}{problem}"
        time.sleep(every)
