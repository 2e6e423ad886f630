"""Finds out why names of Consul's fail while the server answers: one at a time, and never in the way of an answer."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from panteras_dns.explain.asked import Asked, asked
from panteras_dns.explain.explanation import printable
from panteras_dns.explain.verdict import Facts, missing
from panteras_dns.names import text_name
from panteras_dns.reasons import Reasons

log = Logger()

APART = 0.1  # seconds between two questions to Consul's API
AGE = 5.0  # seconds after which a reason that is still asked for is found out anew
AWAY = 30.0  # seconds until an API that does not answer is asked again
_LONGEST = 150  # octets of a reason: an answer over UDP has little room
# What is wrong with something that is there. The rest is about names that anybody can make up: they would fill the log.
_WORTH_A_LINE = ("PAN201", "PAN204", "PAN210", "PAN302", "PAN303")


class Background:
    """*api*: where Consul's HTTP API is, with its token; ("", "") for nowhere. *domains*: those of Consul, as text."""

    def __init__(self, reactor: Any, reasons: Reasons, api: tuple[str, str], domains: Sequence[str]) -> None:
        self._reactor, self._reasons = reactor, reasons
        self._api, self._domains = api, domains
        self._consul: Any = None
        self._busy = self._stopped = False
        self._away_until = 0.0
        self._aging = LoopingCall(reasons.age)
        self._aging.clock = reactor
        if api[0]:
            reasons.noticed = self._notice
            self._aging.start(AGE, now=False)

    def stop(self) -> None:
        self._stopped = True
        self._reasons.noticed = None
        self._reasons.forget()
        if self._aging.running:
            self._aging.stop()

    def _notice(self) -> None:
        if not self._busy:
            self._busy = True
            self._reactor.callLater(0, self._next)

    def _next(self) -> None:
        if self._stopped:
            return
        wanted = self._reasons.wanted
        if not wanted or self._reactor.seconds() < self._away_until:
            wanted.clear()  # while Consul is away the answers have that for a reason
            self._busy = False
            return
        name = next(iter(wanted))
        del wanted[name]
        done: Deferred[None] = ensureDeferred(self._find_out(name))
        done.addErrback(self._give_up)
        done.addBoth(lambda _: self._reactor.callLater(APART, self._next))

    def _give_up(self, failure: Failure) -> None:
        """Told once: the next name would fail the same way, and many fail at once."""
        log.failure("a bug: reasons are not found out any more", failure)
        self.stop()

    async def _find_out(self, name: bytes) -> None:
        text = text_name(name).rstrip(".")
        found = next((found for domain in self._domains if (found := asked(text, domain))), None)
        if found is None:
            return
        facts = await self._ask(found) if found.form else Facts()
        if self._stopped:
            return
        if facts.problem and facts.leads is None:
            self._away_until = self._reactor.seconds() + AWAY
            self._reasons.forget()
            return
        verdict = missing(found, facts)
        reason = fitting(f"{verdict.code} {verdict.text}")
        if self._reasons.tell(name, reason):
            tell = log.info if verdict.code in _WORTH_A_LINE else log.debug
            tell("{name}: {reason}", name=text, reason=reason)

    async def _ask(self, found: Asked) -> Facts:
        if self._consul is None:  # not at the top: Twisted's endpoints would take LISTEN_FDS before `serve` has read it
            from panteras_dns.consul import Consul

            self._consul = Consul(self._reactor, *self._api)
        from panteras_dns.explain.catalogue import facts

        return await facts(self._consul, found)


def fitting(reason: str) -> str:
    """So much of it as goes into an answer, without what a terminal or a log would take for a command."""
    return printable(reason).encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
