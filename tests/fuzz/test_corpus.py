"""The seeds of the fuzzer, and what a few careless hands make of them, on every run of the suite."""

import random
import time

import pytest

from fuzz.corpus import FOUND, seeds
from fuzz.targets import TARGETS

_MUTANTS = 3  # of each seed: what takes longer is the fuzzer's
_SLOW = 0.25  # seconds for one message: the work is bounded whatever the bytes (CVE-2026-42304)
_SMALL = 4096  # octets: larger seeds are not varied


@pytest.mark.parametrize("target", TARGETS)
def test_the_promise_holds_for_every_seed(target):
    slowest = 0.0
    for title, data in seeds(target).items():
        began = time.process_time()
        try:
            TARGETS[target](data)
        except Exception as problem:
            raise AssertionError(f"{title}: {problem!r}, {data[:200].hex()}") from problem
        slowest = max(slowest, time.process_time() - began)

    assert slowest < _SLOW


@pytest.mark.parametrize("target", TARGETS)
def test_the_promise_holds_for_seeds_with_a_few_octets_changed(target):
    chance = random.Random(target)
    for title, data in seeds(target).items():
        if not 0 < len(data) <= _SMALL:
            continue
        for _ in range(_MUTANTS):
            mutant = _mutant(data, chance)
            try:
                TARGETS[target](mutant)
            except Exception as problem:
                raise AssertionError(f"a mutant of {title}: {problem!r}, {mutant.hex()}") from problem


@pytest.mark.parametrize("title", FOUND)
def test_what_the_fuzzer_found_is_found_no_more(title):
    target, data = FOUND[title]

    TARGETS[target](data)


def _mutant(data: bytes, chance: random.Random) -> bytes:
    """*data* with some octets changed, put in or left out, or its end cut off."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found)) if found else 0
        kind = chance.randrange(4)
        if kind == 0 and found:
            found[at] = chance.choice((0, 1, 63, 64, 0xC0, 0xFF, chance.randrange(256)))
        elif kind == 1:
            found[at:at] = bytes([chance.randrange(256)])
        elif kind == 2:
            del found[at : at + chance.randint(1, 3)]
        elif chance.random() < 0.3:
            del found[at:]
    return bytes(found)
