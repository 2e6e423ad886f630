"""The names of containers among clients, as the Docker engine tells them.

Looked at when the engine says that something has changed, and every few seconds where it does not say; never in a
loop, whatever it says. While it is away the last that is known stays; that it is away is told once.
"""

import json
from collections.abc import Mapping
from typing import Any

import psutil
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from panteras_dns.rest import Api, Unreachable, segment

log = Logger()

AGAIN = 10.0  # seconds between two looks that nobody asked for, and between two streams of events
APART = 0.25  # seconds between any two
_CHOSEN = {"type": ["container", "network"], "event": ["start", "die", "rename", "connect", "disconnect"]}
_EVENTS = f"/events?filters={segment(json.dumps(_CHOSEN))}"


class Containers:
    """`look()` is called every AGAIN seconds; *who* is address -> name of a container."""

    def __init__(self, reactor: Any) -> None:
        self.who: Mapping[str, str] = {}
        self._reactor = reactor
        self._api: Api | None = None
        self._told: Deferred[None] | None = None  # while the engine says what changes
        self._looking = self._changed = self._troubled = False
        self._may_follow = False  # once a call of `look`: an engine may end its stream as soon as it began

    def ask(self, place: str) -> None:
        """Where the engine is from now on; "" for nowhere."""
        if place == (self._api.place if self._api else ""):
            return
        if self._told is not None:
            self._told.cancel()
        self._api, self.who = Api(self._reactor, place) if place else None, {}

    def look(self) -> None:
        self._may_follow = True
        self._change()

    def _change(self, _event: Any = None) -> None:
        looking = ensureDeferred(self._look())
        looking.addErrback(lambda failure: log.failure("a bug: containers are not looked at", failure))

    async def _look(self) -> None:
        self._changed = True
        if self._looking:
            return
        self._looking = True
        try:
            while self._changed and self._api is not None:
                self._changed = False
                await self._learn(self._api)
                await deferLater(self._reactor, APART)
        finally:
            self._looking = False

    async def _learn(self, api: Api) -> None:
        try:
            found = await _names(api)
        except Unreachable as problem:
            if not self._troubled:
                account = psutil.Process().username()
                log.warn("query log: no names of containers for {account}: {problem}", account=account, problem=problem)
            self._troubled = True
            return
        if api is self._api:
            self.who, self._troubled = found, False
            if self._told is None and self._may_follow:
                self._may_follow = False
                self._told = ensureDeferred(api.lines(_EVENTS, self._change, self._change))
                self._told.addBoth(self._over)

    def _over(self, result: Any) -> None:
        self._told = None
        if isinstance(result, Failure):
            result.trap(Unreachable, CancelledError)


async def _names(api: Api) -> dict[str, str]:
    answer = await api.ask("GET", "/containers/json")
    try:
        if answer.good and isinstance(answer.value, list):
            return named(answer.value)
    except (TypeError, ValueError, AttributeError):
        pass  # somebody else answers in its place
    raise Unreachable(f"{api.place}: the engine answered {answer.status} {str(answer.value)[:200]}".rstrip())


def named(running: list[Any]) -> dict[str, str]:
    """Address -> name, of the engine's records of containers."""
    found: dict[str, str] = {}
    for one in running:
        # Others are what a container with --link calls it.
        name = min((str(name) for name in one.get("Names") or [""]), key=lambda name: name.count("/")).lstrip("/")
        networks = (one.get("NetworkSettings") or {}).get("Networks") or {}
        for network in networks.values():
            for key in ("IPAddress", "GlobalIPv6Address"):
                if network.get(key):
                    found[str(network[key])] = name
    return found
