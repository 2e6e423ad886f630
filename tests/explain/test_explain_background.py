"""Reasons are found out one at a time, by one finder, and whatever Consul says the server goes on."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from panteras_dns.explain.background import APART, AWAY, Background, fitting
from panteras_dns.names import wire_name
from panteras_dns.reasons import Reasons
from panteras_dns.rest import Unreachable

WEB, API = wire_name("web.service.consul"), wire_name("api.service.consul")


class Consul:
    """What its HTTP API says; questions wait while *hangs*."""

    def __init__(self, services=("consul", "web"), problem: Exception | None = None, hangs: bool = False) -> None:
        self.services, self.problem = services, problem
        self.waiting: list[Deferred] = []
        self.hangs, self.asked = hangs, 0

    async def leader(self):
        self.asked += 1
        if self.hangs:
            self.waiting.append(Deferred())
            await self.waiting[-1]
        if self.problem:
            raise self.problem
        return "10.0.0.5:8300"

    async def datacenters(self):
        return ["dc1"]

    async def names(self, form, datacenter=""):
        return {name: [] for name in self.services}, False

    async def instances(self, service, datacenter=""):
        return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


def finder(clock, reasons, consul) -> Background:
    made = Background(clock, reasons, ("http://127.0.0.1:8500", ""), ["consul"])
    made._consul = consul
    return made


def test_the_next_answer_has_the_reason(clock) -> None:
    reasons = Reasons()
    finder(clock, reasons, Consul())
    first = reasons.why(API)
    clock.advance(0)

    assert (first, reasons.why(API)) == ("", "PAN202 Consul has no service api")


def test_one_at_a_time(clock) -> None:
    reasons, consul = Reasons(), Consul(hangs=True)
    finder(clock, reasons, consul)
    for name in (WEB, API):
        reasons.why(name)
    clock.advance(1)
    assert consul.asked == 1
    consul.waiting.pop().callback(None)
    clock.advance(APART)
    assert consul.asked == 2


def test_who_was_replaced_finds_out_nothing_any_more(clock) -> None:
    reasons, old, new = Reasons(), Consul(hangs=True), Consul()
    first = finder(clock, reasons, old)
    reasons.why(WEB)
    clock.advance(0)
    first.stop()
    finder(clock, reasons, new)
    reasons.why(API)
    clock.advance(0)
    old.waiting.pop().callback(None)
    for _ in range(20):
        reasons.why(wire_name("other.service.consul"))
        clock.advance(APART)

    assert old.asked == 1 and new.asked > 1
    assert reasons.why(WEB) == "", "what the old one found is not told"


def test_a_consul_that_is_away_is_left_alone_and_old_reasons_are_not_told(clock) -> None:
    reasons, consul = Reasons(), Consul(problem=Unreachable("refused"))
    finder(clock, reasons, consul)
    reasons.tell(WEB, "PAN201 old")
    reasons.why(API)
    clock.advance(0)
    assert reasons.why(WEB) == ""
    for _ in range(20):
        reasons.why(API)
        clock.advance(1)
    assert consul.asked == 1
    clock.advance(AWAY)
    reasons.why(API)
    clock.advance(APART)
    assert consul.asked == 2


def test_a_bug_is_told_once_and_nothing_is_found_out_any_more(clock, monkeypatch) -> None:
    told = []
    monkeypatch.setattr("panteras_dns.explain.background.log.failure", lambda *said: told.append(said))
    reasons = Reasons()
    finder(clock, reasons, Consul(problem=AttributeError("a page of HTML")))
    for _ in range(20):
        reasons.why(API)
        clock.advance(1)

    assert len(told) == 1
    assert not reasons.wanted


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("PAN202 Consul has no service api", "PAN202 Consul has no service api"),
        ("PAN203 tag \x1b[2J\nand more", "PAN203 tag \\x1b[2J\\x0aand more"),
        ("漢" * 300, "漢" * 50),
        ("\ud800x", "\\xd800x"),
    ],
)
def test_a_reason_fits_into_an_answer_and_a_log(text, fits) -> None:
    assert fitting(text) == fits
    assert len(fitting(text).encode()) <= 150
