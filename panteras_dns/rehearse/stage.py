"""Another configuration, loaded beside the gateway that runs, and both asked the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import DeferredSemaphore, gatherResults
from twisted.internet.threads import deferToThread

from panteras_dns.app import Options, Service
from panteras_dns.config import Config
from panteras_dns.endpoint import Endpoint
from panteras_dns.host.sockets import bind, endpoint_of
from panteras_dns.query import Found, attempt
from panteras_dns.rehearse.changes import Change, Question, change, differs

_PATIENCE = 3.0  # seconds for an answer
_AT_ONCE = 8


async def compare(
    reactor: Any, config: Config, asked: Sequence[Question], running: Endpoint, told: Callable[[int, int], None]
) -> tuple[list[Change], int]:
    """The changes, and how many questions *running* did not answer. *told* hears how many are done, of how many."""
    new = _start(reactor, config, running)
    turns, done, silent = DeferredSemaphore(_AT_ONCE), 0, 0

    async def both(question: Question) -> Change | None:
        nonlocal done, silent
        before, after = [await _look(question, running)], [await _look(question, new)]
        if differs(before, after):  # or it is the turn of another answer
            before.append(await _look(question, running))
            after.append(await _look(question, new))
        done += 1
        silent += before[0] is None
        told(done, len(asked))
        return change(question, before[0], after[0]) if differs(before, after) else None

    found = await gatherResults([turns.run(both, one) for one in asked])
    return [one for one in found if one is not None], silent


def _start(reactor: Any, config: Config, running: Endpoint) -> Endpoint:
    """The other configuration, answering at a port of its own."""
    # Of many questions from one address none is turned away; and who runs now is no upstream of this one.
    config = replace(config, dns=replace(config.dns, client_rate=0, failure_rate=0))
    service = Service(reactor, config, Options(lambda: config, given=True, kept=frozenset({running})))
    pair = bind(Endpoint("127.0.0.1", 0))
    assert pair.udp is not None
    place = endpoint_of(pair.udp)
    service.start({place: pair})
    return place


def _look(question: Question, server: Endpoint) -> Any:
    def look() -> Found | None:
        try:
            return attempt(*question, server, timeout=_PATIENCE)
        except ValueError:  # no question: nobody is asked
            return None

    return deferToThread(look)
