"""What another configuration would answer, beside what is answered now. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from panteras_dns.query import Found

Question = tuple[str, str]  # a name and a type


@dataclass(frozen=True, slots=True)
class Change:
    """One question that would be answered otherwise; *before* and *after* as people read them."""

    name: str
    type: str
    before: str
    after: str


def differs(before: Sequence[Found | None], after: Sequence[Found | None]) -> bool:
    """Whether none of the answers of one side is among those of the other: servers of the world answer in turns."""
    return not set(map(_answer, before)) & set(map(_answer, after))


def change(question: Question, before: Found | None, after: Found | None) -> Change:
    return Change(*question, _shown(before), _shown(after))


def questions(lines: Iterable[str]) -> Iterator[Question]:
    """`web.service.consul` or `web.service.consul SRV`, one a line; ValueError for what is more, or less."""
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if len(words) > 2:
            raise ValueError(f"line {number}: expected a name and a type, as in: web.service.consul SRV")
        if words:
            yield words[0], words[1].upper() if len(words) == 2 else "A"


def _answer(found: Found | None) -> tuple[str, tuple[str, ...]]:
    """What a client makes of it: neither the time that it stays good nor the order counts."""
    if found is None:
        return "", ()
    return found.rcode, tuple(sorted({_data(record) for record in found.records}))


def _data(record: str) -> str:
    """A record without its TTL, the second word."""
    owner, _, cls, kind, *data = record.split(None, 4)
    return " ".join([owner.lower(), cls, kind, *data])


def _shown(found: Found | None) -> str:
    if found is None:
        return "no answer"
    data = [record.split(None, 4)[-1] for record in found.records]
    text = ", ".join(data[:4]) + (f" and {len(data) - 4} more" if len(data) > 4 else "")
    told = text or (found.rcode if found.rcode != "NOERROR" else "no record")
    return f"{told} ({found.route})" if found.route else told
