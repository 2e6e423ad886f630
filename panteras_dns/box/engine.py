"""The Docker engine: which containers run, what each says of itself, and what happens to them.

Only reads. Its socket is root's all the same: whoever may write to it may do anything on the host
(docs/registrator.md).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from panteras_dns.rest import Answer, Api, Unreachable, segment

DEFAULT = "unix:///var/run/docker.sock"
# Others come by the hundred: each probe of a HEALTHCHECK is three exec_* events.
EVENTS = ("start", "kill", "die", "destroy", "pause", "unpause", "rename", "health_status")


class Engine:
    def __init__(self, reactor: Any, place: str = DEFAULT) -> None:
        self.place = place
        self._api = Api(reactor, place)

    async def running(self) -> list[Mapping[str, Any]]:
        """Short records of all that run, paused ones among them."""
        answer = await self._api.ask("GET", "/containers/json", within=10)
        found: list[Mapping[str, Any]] = _good(answer, self.place, list)
        if not all(isinstance(one, dict) and "Id" in one for one in found):
            raise _refused(answer, self.place)
        return found

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """All about a container; None when it is not there any more."""
        answer = await self._api.ask("GET", f"/containers/{segment(container)}/json")
        return None if answer.status == 404 else _good(answer, self.place, dict)

    async def follow(self, opened: Callable[[], None], happened: Callable[[str, str, Mapping[str, str]], None]) -> None:
        """Until the stream ends. *opened* is called when nothing can be missed any more: list then, not before.

        *happened*: the container's id, the event, its attributes.
        """

        def each(event: Any) -> None:
            if isinstance(event, dict) and event.get("Type") == "container":
                actor = _part(event, "Actor")
                happened(str(actor.get("ID", "")), str(event.get("Action", "")), _part(actor, "Attributes"))

        chosen = json.dumps({"type": ["container"], "event": list(EVENTS)})
        await self._api.lines(f"/events?filters={segment(chosen)}", opened, each)


def _good(answer: Answer, place: str, kind: type) -> Any:
    if not answer.good or not isinstance(answer.value, kind):
        raise _refused(answer, place)
    return answer.value


def _refused(answer: Answer, place: str) -> Unreachable:
    return Unreachable(f"{place}: the engine answered {answer.status} {str(answer.value)[:200]}".rstrip())


def _part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else {}
