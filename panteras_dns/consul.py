"""Consul's HTTP API: what the agent of this host runs, what the catalogue knows, and blocking queries that wake when
it changes.

Nothing is kept. Errors: `Unreachable` without an answer, `Refused` for an answer other than yes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from panteras_dns.endpoint import CONSUL_API
from panteras_dns.rest import Answer, Api, Unreachable, segment

WAIT = 60  # seconds that a blocking query lasts when nothing changes
_LEADER = re.compile(r"[\w.:%\[\]-]+:\d{1,5}")
_STAGGER = WAIT / 16  # Consul adds up to a sixteenth, so that not all clients come at once


class Refused(Exception):
    """Consul answered, and did not do it: *status* and its reason."""

    def __init__(self, what: str, answer: Answer) -> None:
        self.status = answer.status
        super().__init__(f"{what}: {answer.status} {str(answer.value)[:200]}".rstrip())


def _in(datacenter: str) -> str:
    return f"?dc={segment(datacenter)}" if datacenter else ""


class Consul:
    """The agent at *place* (`http://127.0.0.1:8500`, `unix:///…`), asked with *token* where it wants one."""

    def __init__(self, reactor: Any, place: str = CONSUL_API, token: str = "") -> None:
        self.place = place
        self._api = Api(reactor, place, {"X-Consul-Token": token} if token else {})

    async def whoami(self) -> Mapping[str, Any]:
        """The agent itself: `Config` with `Datacenter` and `NodeName`, `Member` with `Addr`."""
        found: Mapping[str, Any] = await self._get("/v1/agent/self", kind=dict)
        parts = [found.get(part) or {} for part in ("Config", "DebugConfig", "Member")]
        _all(parts, dict, f"{self.place}/v1/agent/self")
        return found

    async def address(self) -> str:
        """Where the others of the datacenter reach this agent."""
        return str(((await self.whoami()).get("Member") or {}).get("Addr", ""))

    async def services(self) -> dict[str, Any]:
        """The services of this agent by id."""
        return await self._records("/v1/agent/services")

    async def checks(self) -> dict[str, Any]:
        """The checks of this agent by id."""
        return await self._records("/v1/agent/checks")

    async def register(self, definition: Mapping[str, Any]) -> None:
        # Checks that are not named stay, and with them an operator's maintenance: replace-existing-checks ends it.
        await self._put("/v1/agent/service/register", definition)

    async def deregister(self, service: str) -> None:
        await self._put(f"/v1/agent/service/deregister/{segment(service)}")

    async def deregister_check(self, check: str) -> None:
        await self._put(f"/v1/agent/check/deregister/{segment(check)}")

    async def tell(self, check: str, status: str, output: str) -> None:
        """Set a TTL check to *status*: passing, warning or critical."""
        await self._put(f"/v1/agent/check/update/{segment(check)}", {"Status": status, "Output": output})

    async def instances(self, service: str, datacenter: str = "") -> list[Any]:
        """The instances of a service with their node and checks, whatever these say."""
        path = f"/v1/health/service/{segment(service)}{_in(datacenter)}"
        return await self._get(path, within=10, kind=list)  # type: ignore[no-any-return]

    async def leader(self) -> str:
        """ADDR:PORT of who leads the servers of this datacenter; "" for nobody."""
        found: str = await self._get("/v1/status/leader", kind=str)
        if found and not _LEADER.fullmatch(found):
            raise _strange(f"{self.place}/v1/status/leader")
        return found

    async def datacenters(self) -> list[str]:
        """Those that are joined, the nearest first."""
        return [str(one) for one in await self._get("/v1/catalog/datacenters", kind=list)]

    async def names(self, form: str, datacenter: str = "") -> tuple[dict[str, list[str]], bool]:
        """All services (with their tags), nodes or prepared queries, and whether the token's rights hid some."""
        path = {"node": "/v1/catalog/nodes", "query": "/v1/query"}.get(form, "/v1/catalog/services")
        answer = await self._api.ask("GET", path + _in(datacenter), within=10)
        if not answer.good:
            raise Refused(f"{self.place}{path}", answer)
        hidden = answer.headers.get("x-consul-results-filtered-by-acls") == "true"
        key = {"node": "Node", "query": "Name"}.get(form, "")
        told: Any = ([] if key else {}) if answer.value is None else answer.value
        _all((told,), list if key else dict, f"{self.place}{path}")
        if not key:
            _all((tags or [] for tags in told.values()), list, f"{self.place}{path}")
            return {name: list(map(str, tags or ())) for name, tags in told.items()}, hidden
        return {str(one.get(key, "")): [] for one in told if isinstance(one, dict)}, hidden

    async def health(self) -> list[dict[str, Any]]:
        """Every service with how many `instances` have checks, and how many of these are `passing`; warnings pass."""
        names, _ = await self.names("service")
        checks = await self._get("/v1/health/state/any", within=10, kind=list)
        worst: dict[str, dict[tuple[str, str], bool]] = {name: {} for name in names}
        sick: set[str] = set()  # nodes: what is wrong with one is wrong with all that runs there
        for one in (one for one in checks if isinstance(one, dict)):
            critical, node = one.get("Status") == "critical", str(one.get("Node", ""))
            if not one.get("ServiceName"):
                sick |= {node} if critical else set()
            else:
                instances = worst.setdefault(str(one["ServiceName"]), {})
                key = node, str(one.get("ServiceID", ""))
                instances[key] = instances.get(key, False) or critical
        return [
            {
                "name": name,
                "instances": len(found),
                "passing": sum(not bad and node not in sick for (node, _), bad in found.items()),
            }
            for name, found in worst.items()
        ]

    async def watch(self, path: str, index: int, kind: type = object) -> tuple[Any, int]:
        """The value at *path* once its index is past *index* (0: at once), or unchanged after WAIT; and its index.

        An index that went back, as after a restart without data, is told as 0: the next question is answered at once.
        """
        answer = await self._api.ask("GET", f"{path}?index={index}&wait={WAIT}s", within=WAIT + _STAGGER + 10)
        if not answer.good:
            raise Refused(f"{self.place}{path}", answer)
        try:
            found = int(answer.headers.get("x-consul-index", "0"))
        except ValueError:
            found = 0
        if answer.headers.get("x-consul-knownleader") == "false":
            raise Unreachable(f"{self.place}: the agent knows no leader")
        _all((answer.value,), kind, f"{self.place}{path}")
        return answer.value, found if found >= index else 0

    async def _get(self, path: str, within: float = 5.0, kind: type = object) -> Any:
        """A value of that *kind*: a server on the way may answer with a page of its own."""
        answer = await self._api.ask("GET", path, within=within)
        if not answer.good:
            raise Refused(f"{self.place}{path.partition('?')[0]}", answer)
        _all((answer.value,), kind, f"{self.place}{path.partition('?')[0]}")
        return answer.value

    async def _records(self, path: str) -> dict[str, Any]:
        """Records by id."""
        found: dict[str, Any] = await self._get(path, kind=dict)
        _all(found.values(), dict, f"{self.place}{path}")
        return found

    async def _put(self, path: str, body: Any = None) -> None:
        answer = await self._api.ask("PUT", path, body)
        if not answer.good:
            raise Refused(f"{self.place}{path}", answer)


def _all(values: Iterable[Any], kind: type, where: str) -> None:
    """`Unreachable` where one is not of that *kind*."""
    if not all(isinstance(one, kind) for one in values):
        raise _strange(where)


def _strange(where: str) -> Unreachable:
    return Unreachable(f"{where}: not what Consul would say")
