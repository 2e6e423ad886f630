"""The front page over HTTP, on a socket file that HAProxy alone opens: the services, live, and why a name leads
nowhere."""

import ipaddress
import json
from collections import deque
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Site as WebSite

from panteras_dns.box import front
from panteras_dns.box.front import Services
from panteras_dns.box.site import OWN, Names, Site, site

WAIT = 25.0  # seconds that a browser's question for news stays open
MOST_WAITING = 500  # questions that stay open; beyond, the oldest is answered and asks again
_STATIC = {b"/panteras.css": "text/css", b"/panteras.js": "text/javascript", b"/panteras.svg": "image/svg+xml"}
OWN_PAGE = "Panteras-Page"  # who opens a page as a program knows whose it is
_SHOWN = ("id", "node", "address", "port", "status")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    OWN_PAGE: "1",
}


class Page(Resource):
    """Shows what it was last told by `show()`."""

    isLeaf = True

    def __init__(self, reactor: Any, names: Callable[[], Names]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._names = names
        self._services: Services = {}
        self._site = Site({}, {})
        self._problem = "Consul was not asked yet"
        self._version = int(reactor.seconds() * 1000)  # of another run is another number
        self._waiting: deque[tuple[Request, Any]] = deque()

    def listen(self, socket: Path) -> None:
        """HAProxy runs under an account of its own: whoever reaches the directory may open it, as the page itself."""
        socket.unlink(missing_ok=True)
        UNIXServerEndpoint(self._reactor, str(socket), mode=0o666).listen(WebSite(self, timeout=WAIT * 2))

    def show(self, services: Services) -> None:
        self._services, self._site = services, site(services, self._names())
        self._changed()

    def tell(self, problem: str) -> None:
        """Why what is shown may be old; "" while it is not."""
        if problem != self._problem:
            self._problem = problem
            self._changed()

    def _changed(self) -> None:
        self._version += 1
        while self._waiting:
            self._answer(*self._waiting.popleft())

    def render(self, request: Request) -> Any:
        host = _host(request.getHeader("host") or "")
        if request.method not in {b"GET", b"HEAD"}:
            if not self._is_own(host):
                return self._why(request, host)
            request.setResponseCode(405)
            request.setHeader("Allow", "GET, HEAD")
            return self._send(request, "text/plain", "expected GET\n")
        if request.path in _STATIC:
            content = files(__package__).joinpath("templates", request.path.decode()[1:]).read_text(encoding="utf-8")
            return self._send(request, _STATIC[request.path], content)
        if not self._is_own(host):
            return self._why(request, host)
        if request.path == b"/health":
            return self._send(request, "text/plain", "ok\n")
        if request.path == b"/services.json":
            return self._send(request, "application/json", json.dumps(self._as_json()))
        if request.path == b"/news":
            return self._news(request)
        if request.path != b"/":
            request.setResponseCode(404)
            return self._send(request, "text/plain", "no such page\n")
        shown = front.entries(self._services, self._site, self._names())
        html = front.page(shown, self._names(), self._problem, self._version)
        return self._send(request, "text/html", html)

    def _is_own(self, host: str) -> bool:
        """The gateway's own names, and this host's: its name, its addresses."""
        names = self._names()
        try:
            ipaddress.ip_address(host)
            return True
        except ValueError:
            return host in {"", "localhost", *names.hosts, *(f"{OWN}.{end}" for end in names.suffixes)}

    def _why(self, request: Request, host: str) -> Any:
        path = request.path.decode(errors="replace")
        why = front.reason(host, self._services, self._site, self._names(), path)
        request.setResponseCode(why.status)
        if "text/html" in (request.getHeader("accept") or ""):
            return self._send(request, "text/html", front.explanation(host, why, self._names()))
        similar = f" Did you mean {', '.join(why.similar)}?" if why.similar else ""
        return self._send(request, "text/plain", "\n".join([f"{why.text}{similar}", *why.details]) + "\n")

    def _news(self, request: Request) -> Any:
        """Answered once there is something newer than `?since=N`, or after WAIT."""
        since = (request.args or {}).get(b"since", [b""])[0]
        if since != str(self._version).encode():
            return self._send(request, "application/json", json.dumps({"version": self._version}))
        if len(self._waiting) >= MOST_WAITING:
            self._answer(*self._waiting.popleft())
        timer = self._reactor.callLater(WAIT, self._timed_out, request)
        self._waiting.append((request, timer))
        request.notifyFinish().addErrback(lambda _: self._forget(request))
        return NOT_DONE_YET

    def _timed_out(self, request: Request) -> None:
        for one in [one for one in self._waiting if one[0] is request]:
            self._waiting.remove(one)
            self._answer(*one)

    def _forget(self, request: Request) -> None:
        for one in [one for one in self._waiting if one[0] is request]:
            self._waiting.remove(one)
            one[1].cancel()

    def _answer(self, request: Request, timer: Any) -> None:
        if timer.active():
            timer.cancel()
        request.write(self._send(request, "application/json", json.dumps({"version": self._version})))
        request.finish()

    def _as_json(self) -> dict[str, Any]:
        shown = front.entries(self._services, self._site, self._names())
        services = [
            {
                **{key: getattr(one, key) for key in ("name", "link", "health", "passing", "tags")},
                "instances": [{key: getattr(each, key) for key in _SHOWN} for each in one.instances],
            }
            for one in shown
        ]
        return {"problem": self._problem, "services": services}

    def _send(self, request: Request, kind: str, text: str) -> bytes:
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        body = text.encode()
        request.setHeader("Content-Type", f"{kind}; charset=utf-8")
        request.setHeader("Content-Length", str(len(body)))
        return b"" if request.method == b"HEAD" else body


def _host(text: str) -> str:
    """The host of a Host header, in lower case, without port and brackets."""
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    return text.partition(":")[0].lower().rstrip(".")
