"""Questions and answers between the admin and a worker, over real sockets."""

from builders import Reactor

from panteras_dns.admin.channel import LARGEST, PATIENCE, Reporter, Workers
from panteras_dns.host.channel import ends

ROW = {"name": "n" * 1000}


class Channel:
    """*told*: what the worker's snapshot is."""

    def __init__(self, **told) -> None:
        self.reactor, self.asked, self.heard = Reactor(), [], []
        self.ours, self.theirs = ends()
        self.workers = Workers(self.reactor, [self.ours], lambda index, value: self.heard.append((index, value)))
        self.told = {"counters": [], "queries": [], "names": [], "clients": [], "failures": [], "upstreams": [], **told}

    def answering(self) -> "Channel":
        Reporter(self.reactor, self.theirs, self._snapshot)
        return self

    def _snapshot(self, asked, ahead):
        self.asked.append(asked)
        return dict(self.told)

    def ask(self):
        waiting = self.workers.ask(lambda index: {"failures": index})
        self.reactor.deliver()
        self.reactor.deliver()
        return waiting


def test_a_worker_tells_what_it_is_asked():
    channel = Channel(counters=[["a", {}, 5]]).answering()

    waiting = channel.ask()

    assert waiting.called
    assert channel.asked == [{"failures": 0}]
    assert channel.heard[0][1]["counters"] == [["a", {}, 5]]


def test_of_what_is_too_large_the_least_is_left_out():
    many = [ROW] * (LARGEST // 1000)
    channel = Channel(counters=[["a", {}, 5]], queries=many, failures=many[:-100]).answering()

    channel.ask()

    (_, told) = channel.heard[0]
    assert (told["queries"], len(told["failures"])) == ([], len(many) - 100)
    assert told["counters"] == [["a", {}, 5]]


def test_counters_that_do_not_fit_are_told_as_far_as_they_do():
    channel = Channel(counters=[["a" * 90, {"route": f"r{number}"}, 5] for number in range(5000)]).answering()

    channel.ask()

    assert 0 < len(channel.heard[0][1]["counters"]) < 5000
    channel.ask()
    assert len(channel.heard) == 2, "the next time, too"


def test_who_does_not_answer_is_not_asked_again_at_once_and_nobody_waits_for_ever():
    channel = Channel()
    waiting = [channel.ask() for _ in range(100)]
    channel.reactor.advance(PATIENCE)

    assert all(one.called for one in waiting)
    assert not channel.workers._waiting
    channel.answering().ask()
    assert len(channel.asked) == 1, "one question had been left for it"
    assert channel.heard
