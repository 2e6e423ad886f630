"""Opens a page as a browser would, at the balancer of a docker host."""

from dataclasses import dataclass
from typing import Any

from panteras_dns.rest import Api, Unreachable

PATIENCE = 3.0
OWN = "panteras-page"  # the header of the balancer's own pages (box.page)


@dataclass(frozen=True, slots=True)
class Opened:
    """*code* is "" where the service answered, whatever it said."""

    told: str
    code: str = ""
    milliseconds: float | None = None

    @property
    def good(self) -> bool:
        return not self.code


class Page:
    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    async def open(self, address: str, name: str) -> Opened:
        """The page of *name* at port 80 of *address*."""
        host = f"[{address}]" if ":" in address else address
        begun = self._reactor.seconds()
        try:
            answer = await Api(self._reactor, f"http://{host}", {"Host": name, "Accept": "text/plain"}).ask(
                "GET", "/", within=PATIENCE
            )
        except Unreachable as problem:
            return Opened(f"{problem}", "PAN401")
        took = (self._reactor.seconds() - begun) * 1000
        if OWN in answer.headers:
            reason = str(answer.value).strip().partition("\n")[0]
            return Opened(f"{answer.status} from the balancer at {address}: {reason}", "PAN402", took)
        return Opened(f"http://{name}/ at {address}: {answer.status}", milliseconds=took)
