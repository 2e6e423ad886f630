"""The engine's records of containers as names of clients."""

import pytest
from builders import FakeApi, succeeded
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from panteras_dns.querylog.containers import AGAIN, APART, Containers, _names, named
from panteras_dns.rest import Unreachable


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ({"Names": ["/web-1"], "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}}}, {"172.17.0.2": "web-1"}),
        (
            {"Names": ["/web-1/db", "/db-1"], "NetworkSettings": {"Networks": {"a": {"IPAddress": "172.17.0.2"}}}},
            {"172.17.0.2": "db-1"},
        ),
        (
            {
                "Names": ["/web-1"],
                "NetworkSettings": {
                    "Networks": {
                        "a": {"IPAddress": "10.1.0.2", "GlobalIPv6Address": "fd00::2"},
                        "b": {"IPAddress": "10.2.0.2", "GlobalIPv6Address": ""},
                    }
                },
            },
            {"10.1.0.2": "web-1", "fd00::2": "web-1", "10.2.0.2": "web-1"},
        ),
        ({"Names": ["/web-1"], "NetworkSettings": {"Networks": {"host": {"IPAddress": ""}}}}, {}),
        ({"Names": None, "NetworkSettings": None}, {}),
    ],
    ids=["one network", "also linked", "two networks", "the host's network", "nothing"],
)  # fmt: skip
def test_each_address_of_a_container_leads_to_its_own_name(record, names):
    assert named([record]) == names


@pytest.mark.parametrize(
    "told",
    [
        [5, None],
        [{"Names": 5}],
        [{"NetworkSettings": [1]}],
        [{"NetworkSettings": {"Networks": {"a": 5}}}],
        {},
        "",
        "<html>Welcome</html>",
        None,
    ],
    ids=repr,
)
def test_what_is_no_list_of_containers_is_a_reason(told):
    with pytest.raises(Unreachable, match="the engine answered 200"):
        succeeded(_names(FakeApi({"/containers/json": told})))


class Engine(FakeApi):
    """Counts; its stream of events is as long as *stream* says."""

    def __init__(self, stream: Deferred | None = None) -> None:
        super().__init__({"/containers/json": []})
        self.looks = self.streams = 0
        self.stream = stream

    async def ask(self, *given, **options):
        self.looks += 1
        return await super().ask(*given, **options)

    async def lines(self, path, opened, each):
        self.streams, self.each = self.streams + 1, each
        opened()
        if self.stream is not None:
            await self.stream


def followed(engine: Engine) -> tuple[Clock, Containers]:
    """Somebody who looks at *engine*, and the clock."""
    reactor = Clock()
    containers = Containers(reactor)
    containers._api = engine
    containers.look()
    return reactor, containers


def test_an_engine_whose_events_end_at_once_is_asked_again_after_a_while():
    engine = Engine()
    reactor, containers = followed(engine)
    reactor.pump([0.01] * int(AGAIN * 100))
    assert (engine.looks, engine.streams) == (2, 1)

    containers.look()
    reactor.pump([0.01] * int(AGAIN * 100))

    assert (engine.looks, engine.streams) == (4, 2)


def test_a_change_is_seen_at_once_and_many_are_seen_together():
    engine = Engine(Deferred())
    reactor, _ = followed(engine)
    reactor.pump([APART] * 4)
    before = engine.looks

    for _ in range(100):
        engine.each({})
    assert engine.looks == before + 1
    reactor.pump([APART] * 4)

    assert (engine.looks, engine.streams) == (before + 2, 1)
