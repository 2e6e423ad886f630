"""HTTP: paths to answers, with bounds for whoever asks. Knows requests; what is told is the desk's."""

import json
from collections.abc import Awaitable, Callable, Collection
from importlib.resources import files
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.web import http, server
from twisted.web.resource import Resource

from panteras_dns.admin.guard import HEADERS, refusal
from panteras_dns.explain.explanation import printable

log = Logger()

CONNECTIONS = 64  # at once
IDLE = 30.0  # seconds without a request
_BODY = 4096  # octets of a request's body that are read before it is told that none was expected
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

# Read when the module is: later their directory may be out of reach (process.drop).
_FILES = {one.name: one.read_bytes() for one in files("panteras_dns.admin").joinpath("web").iterdir() if one.is_file()}

Answer = tuple[int, str, bytes]  # status, content type, body
Handler = Callable[[Any], Answer | Awaitable[Answer] | None]  # None: it has taken the request over


def as_json(value: Any, status: int = 200) -> Answer:
    return status, "application/json", json.dumps(value).encode() + b"\n"


def as_text(text: str, status: int = 200) -> Answer:
    return status, "text/plain; charset=utf-8", f"{text}\n".encode("utf-8", "replace")


def file(name: str) -> Handler:
    """A file of the dashboard."""
    kind = f"{_KINDS[name.rpartition('.')[2]]}; charset=utf-8"
    return lambda _: (200, kind, _FILES[name])


class _Request(server.Request):
    """Keeps no body: nothing here takes one."""

    channel: Any

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        self._taken = 0

    def handleContentChunk(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > _BODY:
            self.channel.transport.abortConnection()


class _Paths(Resource):
    isLeaf = True

    def __init__(self, handlers: dict[str, Handler], hosts: Callable[[], Collection[str]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._handlers, self._hosts = handlers, hosts

    def render(self, request: Any) -> Any:
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        given = request.requestHeaders.getAllRawHeaders()
        headers = {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in given}
        path = request.path.decode("latin-1")
        refused = refusal(request.method, path, headers, self._hosts())
        if refused:
            if refused[0] == http.NOT_ALLOWED:
                request.setHeader("Allow", "GET, HEAD")
            return _written(request, as_text(refused[1], refused[0]))
        handler = self._handlers.get(path)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            return _written(request, as_text(f"{printable(path[:100])}: nothing is here, expected one of {known}", 404))
        found = handler(request)
        if isinstance(found, tuple):
            return _written(request, found)
        if found is not None:
            _later(request, ensureDeferred(found))  # type: ignore[arg-type]
        return server.NOT_DONE_YET


def _written(request: Any, answer: Answer) -> bytes:
    status, kind, body = answer
    request.setResponseCode(status)
    request.setHeader("Content-Type", kind)
    request.setHeader("Content-Length", str(len(body)))
    return b"" if request.method == b"HEAD" else body


def _later(request: Any, waiting: "Deferred[Answer]") -> None:
    """Answer when it is known, if somebody still wants it."""
    gone: list[Any] = []

    def leave(reason: Any) -> None:
        gone.append(reason)
        waiting.cancel()

    def answer(found: Answer) -> None:
        if not gone:
            request.write(_written(request, found))
            request.finish()

    def failed(failure: Any) -> None:
        if not gone:
            log.failure("a bug: a request was not answered", failure)
            answer(as_text("a bug: see the log", 500))

    request.notifyFinish().addErrback(leave)
    waiting.addCallbacks(answer, failed)


class _Channel(http.HTTPChannel):
    """One connection; silence ends it without a line in the log."""

    transport: Any
    site: Any

    def checkPersistence(self, request: Any, version: Any) -> bool:
        """One answer a connection: who asks for many and reads none would have us keep them all."""
        return False

    def timeoutConnection(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self.site.open -= 1
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class Site(server.Site):
    """*handlers*: path -> what answers it; *hosts*: names of ours."""

    protocol = _Channel  # type: ignore[assignment]

    def __init__(self, reactor: Any, handlers: dict[str, Handler], hosts: Callable[[], Collection[str]]) -> None:
        paths = _Paths(handlers, hosts)
        super().__init__(paths, requestFactory=_Request, reactor=reactor, timeout=IDLE)  # type: ignore[no-untyped-call]
        self.displayTracebacks = False
        self.noisy = False
        self.open = 0

    def log(self, request: Any) -> None:
        """No line per request."""

    def buildProtocol(self, addr: Any) -> Any:
        if self.open >= CONNECTIONS:
            return None
        self.open += 1
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call]
