"""The gateway's own entry in Consul: `panteras.service.consul` leads to the front page on this host."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger

from panteras_dns.box.layout import Layout
from panteras_dns.box.site import OWN, Names
from panteras_dns.box.told import Told
from panteras_dns.consul import Consul, Refused
from panteras_dns.rest import Unreachable

log = Logger()

AGAIN = 20.0  # seconds between two looks at whether it is still there


class FrontDoor:
    """`look()` may be called at any time: at most one look is under way, and one every AGAIN seconds."""

    def __init__(
        self,
        reactor: Any,
        consul: Consul,
        host: str,
        ip: str,
        layout: Callable[[], Layout],
        names: Callable[[], Names],
    ) -> None:
        self._reactor = reactor
        self._names = names
        self._consul = consul
        self._id, self._ip = f"{host}:{OWN}", ip
        self._layout = layout
        self._told = Told(log)
        self._due = 0.0
        self._under_way: Deferred[None] | None = None

    def look(self) -> None:
        if self._under_way is None and self._reactor.seconds() >= self._due:
            self._due = self._reactor.seconds() + AGAIN
            self._under_way = ensureDeferred(self._register())
            self._under_way.addErrback(lambda failure: log.failure("the front page was not registered", failure))
            self._under_way.addCallback(self._over)

    def _over(self, _: Any) -> None:
        self._under_way = None

    async def _register(self) -> None:
        definition = self.definition()
        try:
            known = (await self._consul.services()).get(self._id)
            if known is None or any(known.get(key) != definition[key] for key in ("Address", "Port")):
                await self._consul.register(definition)
                log.info("registered the front page, {name}.service", name=OWN)
            self._told.over("own", "the front page is registered again")
        except (Unreachable, Refused) as problem:
            self._told.trouble("own", f"the front page is not registered: {problem}")

    def definition(self) -> dict[str, Any]:
        place = self._place()
        check = {
            "Name": "front page",
            "HTTP": f"http://{place}/health",
            "Header": {"Host": [f"{OWN}.{self._names().suffixes[0]}"]},
            "Interval": "5s",
            "Timeout": "2s",
            "Status": "passing",  # it is us who say so
            "DeregisterCriticalServiceAfter": "10m",
        }
        port = int(place.rpartition(":")[2])
        return {"ID": self._id, "Name": OWN, "Address": self._ip, "Port": port, "Tags": ["http"], "Check": check}

    def _place(self) -> str:
        """Where the agent, on this host, reaches the balancer."""
        places = self._layout().listen
        own = next((one for one in places if one.startswith("127.")), places[0] if places else "127.0.0.1:80")
        return own.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
