"""JSON over HTTP, at a TCP address or a socket file: how Consul and the Docker engine are asked.

Knows nothing of what is asked. Every request has a time limit, every body a size limit; what can't be reached or read
is `Unreachable`, and what was said instead of yes is in the `Answer`.
"""

import codecs
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from panteras_dns.endpoint import http_api

# Twisted looks it up with the first request; a server that began as root may not read this Python's files any more.
codecs.lookup("charmap")

LARGEST_BODY = 64 * 1024 * 1024  # a catalogue of 10,000 instances has about 15 MB
LARGEST_LINE = 1024 * 1024
_FAILURES = (ConnectError, ConnectionClosed, ResponseFailed, ResponseNeverReceived, RequestGenerationFailed, OSError)


class Unreachable(Exception):
    """Nobody answered, or nothing that can be read; the text says where and why."""


class _Late(Exception):
    """The time of a request was over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers in lower case, and the JSON value, or the text where it is none."""

    status: int
    headers: Mapping[str, str]
    value: Any

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Api:
    """An HTTP API at *place*: `http://127.0.0.1:8500`, `https://…`, or `unix:///run/docker.sock`.

    `ValueError` for a place of another form. Connections are kept and used again, at most four at a time are idle.
    """

    def __init__(self, reactor: Any, place: str, headers: Mapping[str, str] | None = None) -> None:
        self.place = place
        self._reactor = reactor
        self._headers = {"User-Agent": "panteras", **(headers or {})}
        self._base, path = http_api(place)
        pool = HTTPConnectionPool(reactor)
        pool.maxPersistentPerHost = 4
        if path:
            self._agent = Agent.usingEndpointFactory(reactor, _SocketFile(reactor, path), pool)
        elif self._base.startswith("https"):
            self._agent = Agent(reactor, connectTimeout=5, pool=pool)
        else:
            self._agent = Agent.usingEndpointFactory(reactor, _Tcp(reactor), pool)

    async def ask(self, method: str, path: str, body: Any = None, within: float = 5.0) -> Answer:
        """Ask, and read the whole answer in *within* seconds. *path* is encoded already (`segment`)."""
        response, data = None, _Whole()
        try:
            response = await self._deadline(self._request(method, path, body), within)
            data.begin()
            response.deliverBody(data)
            text = await self._deadline(data.done, within)
        except _Late:
            raise Unreachable(f"{self.place}: no answer within {within:g} s") from None
        except _FAILURES as problem:
            raise Unreachable(f"{self.place}: {_reason(problem)}") from None
        return Answer(response.code, _lower(response.headers), _value(text))

    async def lines(self, path: str, opened: Callable[[], None], each: Callable[[Any], None]) -> None:
        """Read a stream of JSON values, one a line, until it ends; *opened* is called once it flows."""
        data = _Lines(each)
        try:
            response = await self._deadline(self._request("GET", path, None), 5.0)
            if response.code != 200:
                raise Unreachable(f"{self.place}: {path.partition('?')[0]} answered {response.code}")
            response.deliverBody(data)
            opened()
            await data.done
        except _Late:
            raise Unreachable(f"{self.place}: no answer within 5 s") from None
        except _FAILURES as problem:
            raise Unreachable(f"{self.place}: {_reason(problem)}") from None

    def _request(self, method: str, path: str, body: Any) -> "Deferred[IResponse]":
        headers = Headers({name: [value] for name, value in self._headers.items()})
        producer = None
        if body is not None:
            headers.setRawHeaders("Content-Type", ["application/json"])
            producer = _Body(json.dumps(body).encode())
        found: Deferred[IResponse] = self._agent.request(
            method.encode(), f"{self._base}{path}".encode(), headers, producer
        )
        return found

    def _deadline(self, waiting: "Deferred[Any]", seconds: float) -> "Deferred[Any]":
        return waiting.addTimeout(seconds, self._reactor, onTimeoutCancel=_late)


def segment(text: str) -> str:
    """*text* as one part of a path."""
    return quote(text, safe="")


def _late(value: Any, _seconds: float) -> Any:
    """Whatever the cancelled request says, the reason was time; who cancels from outside gets her CancelledError."""
    raise _Late


class _SocketFile:
    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor, self._path = reactor, path

    def endpointForURI(self, _uri: Any) -> UNIXClientEndpoint:
        return UNIXClientEndpoint(self._reactor, self._path, timeout=5)


class _Tcp:
    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def endpointForURI(self, uri: Any) -> HostnameEndpoint:
        return HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=5)


@implementer(IBodyProducer)
class _Body:
    """A request's body, written at once."""

    def __init__(self, data: bytes) -> None:
        self._data, self.length = data, len(data)

    def startProducing(self, consumer: Any) -> "Deferred[None]":
        consumer.write(self._data)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


class _Reader(Protocol):
    """A body as it comes; `done` fires at its end, and cancels the transfer when it is cancelled."""

    transport: Any = None

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.done: Deferred[Any] = Deferred(lambda _: self._stop())

    def _stop(self) -> None:
        if hasattr(self.transport, "loseConnection"):
            self.transport.loseConnection()

    def _result(self) -> Any:
        return None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        # PotentialDataLoss: a body without a length, ended by the connection's end, as HTTP/1.0 has them.
        if reason.check(PotentialDataLoss, ResponseDone):
            self.done.callback(self._result())
        else:
            self.done.errback(reason)


class _Whole(_Reader):
    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def _result(self) -> bytes:
        return b"".join(self._parts)

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > LARGEST_BODY:
            if not self.done.called:
                self.done.errback(Unreachable(f"an answer of more than {LARGEST_BODY} bytes"))
            self._stop()
            return
        self._parts.append(data)


class _Lines(_Reader):
    def __init__(self, each: Callable[[Any], None]) -> None:
        super().__init__()
        self._each = each
        self._rest = b""

    def dataReceived(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if line.strip():
                self._each(_value(line))
        if len(self._rest) > LARGEST_LINE:
            self._stop()


def _value(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or deeper than anybody means it
        return text.decode(errors="replace").strip()


def _lower(headers: Headers) -> dict[str, str]:
    return {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in headers.getAllRawHeaders()}


def _reason(problem: BaseException) -> str:
    """What a person can use: the innermost failure's own words."""
    for inner in getattr(problem, "reasons", ()):
        return _reason(inner.value)
    if isinstance(problem, ConnectError) and problem.osError:
        return os.strerror(problem.osError)
    return str(problem).strip().rstrip(".") or type(problem).__name__
