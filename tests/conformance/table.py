"""A table of what a forwarder must do: a sentence, where it is written, what is sent and what must come back.

A *row* sends one question over UDP and TCP and states what the answer is like; a *story* is a function, for what
takes more than one question. Both run in a `Case` (bench.py) against whatever server the bench was built with.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.message import QR, RD, TCP, UDP, Answer, Question, Unreadable, Z

BOTH = (UDP, TCP)


class Broken(AssertionError):
    """The server does otherwise; the text says what came back."""


class NotShown(Exception):
    """This can't be shown with this server; the text says why."""


@dataclass(frozen=True)
class Expectation:
    """Something that is true of a good answer. Nothing came back: None."""

    label: str
    holds: Callable[[Answer | None], bool]


@dataclass(frozen=True)
class Row:
    """*open*: why this server does not do it yet, over the transports *open_over*."""

    table: str
    claim: str
    source: str
    run: Callable[[Any], None]
    over: tuple[str, ...] = BOTH
    open: str = ""
    open_over: tuple[str, ...] = BOTH

    @property
    def id(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.source} {self.claim}".lower()).strip("-")[:150]


class Table:
    """The rows on one subject."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[Row] = []

    def row(
        self,
        claim: str,
        source: str,
        sent: Question | Callable[[Any], bytes],
        *expected: Expectation,
        patience: float = 2.0,
        **rest: Any,
    ) -> None:
        """One question, one answer."""

        def run(case: Any) -> None:
            answer = case.ask(sent, patience) if isinstance(sent, Question) else case.send(sent(case), patience)
            meets(answer, *expected)

        self.rows.append(Row(self.title, claim, source, run, **rest))

    def story(self, claim: str, source: str, **rest: Any) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """A decorator: the function raises `Broken` or AssertionError when the claim is not true."""

        def keep(run: Callable[[Any], None]) -> Callable[[Any], None]:
            self.rows.append(Row(self.title, claim, source, run, **rest))
            return run

        return keep


def meets(answer: Answer | None, *expected: Expectation) -> Answer:
    """*answer*, if it is well formed and all that is *expected* is true of it."""
    if answer is None:
        raise Broken("no answer")
    for one in (*FORM, *expected):
        try:
            good = one.holds(answer)
        except Unreadable as problem:
            raise Broken(str(problem)) from None
        if not good:
            raise Broken(f"{answer} (expected: {one.label})")
    return answer


# What is true of every answer to a query that could be read (RFC 1035 4.1.1, RFC 8906 3.1.3, RFC 6891 6.1.1).
FORM = (
    Expectation("the id of the query", lambda answer: answer.raw[:2] == answer.query[:2]),
    Expectation("QR set", lambda answer: bool(answer.flags & QR)),
    Expectation("Z clear", lambda answer: not answer.flags & Z),
    Expectation(
        "RD as in the query", lambda answer: (answer.flags ^ int.from_bytes(answer.query[2:4], "big")) & RD == 0
    ),
)


def rcode(*names: str) -> Expectation:
    return Expectation(" or ".join(names), lambda answer: answer.rcode in names)


def flag(bit: int, name: str, is_set: bool = True) -> Expectation:
    return Expectation(f"{name} {'set' if is_set else 'clear'}", lambda answer: bool(answer.flags & bit) == is_set)


def records(answers: int, least: bool = False) -> Expectation:
    """So many records in the answer section, or *least* so many."""

    def holds(answer: Answer) -> bool:
        return answer.counts[1] >= answers if least else answer.counts[1] == answers

    return Expectation(f"{'at least ' if least else ''}{answers} answers", holds)


def data(*expected: str, kind: str | None = None) -> Expectation:
    return Expectation(" ".join(expected), lambda answer: sorted(answer.data(kind)) == sorted(expected))


def size(most: int) -> Expectation:
    return Expectation(f"at most {most} bytes", lambda answer: len(answer.raw) <= most)


def within(seconds: float) -> Expectation:
    return Expectation(f"within {seconds:g} s", lambda answer: answer.took <= seconds)


def reason(*codes: int) -> Expectation:
    """An extended error that people understand (RFC 8914): one of *codes*, or any, and a text."""

    def holds(answer: Answer) -> bool:
        found = answer.reason
        return bool(found and found[1] and (not codes or found[0] in codes))

    return Expectation(f"extended error {'/'.join(map(str, codes)) or ''} with a text", holds)


OPT = Expectation("OPT, version 0", lambda answer: answer.message.edns == 0)
NO_OPT = Expectation("no OPT", lambda answer: not answer.has_opt)
NO_OPTIONS = Expectation("no options", lambda answer: not answer.message.options)
EMPTY = Expectation("no records", lambda answer: not any(answer.counts[1:3]))
HEADER_ONLY = Expectation("a header only", lambda answer: not any(answer.counts))
SAME_QUESTION = Expectation(
    "the question as it was spelled",
    lambda answer: bool(answer.question) and answer.query[12:].startswith(answer.question),
)
SOA = Expectation("a SOA", lambda answer: any(found.rdtype == 6 for found in answer.message.authority))
DO_SET = Expectation("DO set", lambda answer: bool(answer.message.ednsflags & 0x8000))
DO_CLEAR = Expectation("DO clear", lambda answer: not answer.message.ednsflags & 0x8000)
EDNS_FLAGS_CLEAR = Expectation("no EDNS flag but DO", lambda answer: not answer.message.ednsflags & 0x7FFF)
TC_FLAG = flag(0x0200, "TC")
NO_TC = flag(0x0200, "TC", False)
RA_FLAG = flag(0x0080, "RA")


def opcode(number: int) -> Expectation:
    return Expectation(f"opcode {number}", lambda answer: answer.opcode == number)
