"""Waiting, always with a bound: for a state that is polled, never for a length of time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, within: float = 10.0, every: float = 0.05) -> T:
    """The first true value of *look*; fails, naming *what* was waited for, when *within* seconds are over."""
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within} s: {what}"
        time.sleep(every)
    return found
