"""The admin's paths, where no socket is needed to see what they do."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred

from panteras_dns.admin.desk import _EXPLAINING, Desk, View
from panteras_dns.admin.status import Around
from panteras_dns.admin.sums import Sums
from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.explain import Question
from panteras_dns.explain.explanation import Explanation


class Explainer:
    """Says nothing before it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Deferred] = []

    async def explain(self, question):
        self.waiting.append(Deferred())
        await self.waiting[-1]
        return Explanation(question.name, question.type)


@pytest.fixture
def desk():
    made = Desk(View(Sums(1), Around("host", "1", 0.0), None, None))
    made.explainer = Explainer()
    made.explain_by(made.explainer, Question("", "A", Endpoint("127.0.0.1", 53), "consul"))
    return made


def asked(desk) -> Deferred:
    """A browser asks for a name; to cancel it is to leave."""
    request = SimpleNamespace(args={b"name": [b"web.service.consul"]})
    waiting = ensureDeferred(desk.paths()["/query"](request))
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    return waiting


def status_of(waiting: Deferred) -> int:
    return waiting.result[0]


def test_who_leaves_frees_no_place_for_another_before_the_work_is_done(desk):
    for _ in range(20):
        asked(desk).cancel()

    assert len(desk.explainer.waiting) == _EXPLAINING
    assert status_of(asked(desk)) == 503


def test_what_is_done_makes_room_for_the_next(desk):
    for _ in range(_EXPLAINING):
        asked(desk).cancel()
    for one in list(desk.explainer.waiting):
        one.callback(None)

    waiting = asked(desk)
    desk.explainer.waiting[-1].callback(None)

    assert status_of(waiting) == 200


def test_work_that_fails_when_nobody_waits_makes_room_as_well(desk):
    for _ in range(_EXPLAINING):
        asked(desk).cancel()
    for one in list(desk.explainer.waiting):
        one.errback(ValueError("not a record type"))

    waiting = asked(desk)
    desk.explainer.waiting[-1].errback(ValueError("not a record type"))

    assert status_of(waiting) == 400
