"""From what HAProxy has to what it should have: few commands, and none once it is so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.box.site import Backend, Server, Site
from panteras_dns.box.steps import (
    CHECK,
    DRAINED,
    STOPPED,
    Shown,
    Steps,
    as_it_runs,
    route_steps,
    steps,
    with_what_is_lost,
)

A = Server("i-a", "10.0.0.5", 8000, 1)
B = Server("i-b", "fd00::5", 8001, 7)
MAP = "/run/panteras/routes.map"


def a_site(*servers: Server, name: str = "web.service") -> Site:
    return Site({name: Backend(name, {one.name: one for one in servers})}, {})


def shown(server: Server, admin: int = 0, weight: int | None = None) -> Shown:
    return Shown(server.address, server.port, server.weight if weight is None else weight, admin)


def test_a_new_instance_has_its_weight_only_once_it_waits_for_its_first_check() -> None:
    assert steps(a_site(A, B), {"web.service": {"i-a": shown(A)}}) == Steps(
        commands=[
            f"add server web.service/i-b [fd00::5]:8001 weight 0 {CHECK}",
            "enable health web.service/i-b",
            "enable server web.service/i-b",
            "set server web.service/i-b health down",
            "set server web.service/i-b weight 7",
        ],
        arriving={"web.service/i-b": B},
    )


def test_a_new_instance_that_listens_already_waits_for_no_check() -> None:
    commands = steps(a_site(B), {"web.service": {}}, {"web.service/i-b"}).commands

    assert commands[-2:] == ["enable server web.service/i-b", "set server web.service/i-b weight 7"]
    assert "set server web.service/i-b health down" not in commands


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert steps(a_site(A, B), {"web.service": {"i-a": shown(A), "i-b": shown(B)}}) == Steps()


def test_an_instance_that_left_is_drained() -> None:
    assert steps(a_site(A), {"web.service": {"i-a": shown(A), "i-b": shown(B)}}) == Steps(
        commands=["set server web.service/i-b state drain"], leaving=["web.service/i-b"]
    )


@pytest.mark.parametrize("admin", [0x01, 0x08, 0x20, DRAINED, STOPPED])
def test_an_instance_that_is_drained_already_is_only_waited_for(admin) -> None:
    assert steps(a_site(), {"web.service": {"i-b": shown(B, admin)}}) == Steps(leaving=["web.service/i-b"])


@pytest.mark.parametrize("admin", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x01 | 0x08])
def test_a_drained_or_stopped_instance_that_is_wanted_is_brought_back(admin) -> None:
    assert steps(a_site(A), {"web.service": {"i-a": shown(A, admin)}}) == Steps(
        commands=["set server web.service/i-a state ready"]
    )


def test_another_weight_is_set_where_it_runs() -> None:
    assert steps(a_site(B), {"web.service": {"i-b": shown(B, DRAINED, weight=1)}}) == Steps(
        commands=["set server web.service/i-b weight 7", "set server web.service/i-b state ready"]
    )


def test_an_instance_at_another_place_arrives_before_the_old_one_goes() -> None:
    moved = Server("i-c", "10.0.0.5", 8080, 1)
    found = steps(a_site(moved), {"web.service": {"i-a": shown(A)}})

    assert found.commands[0] == f"add server web.service/i-c 10.0.0.5:8080 weight 0 {CHECK}"
    assert found.commands[-1] == "set server web.service/i-a state drain"
    assert found.leaving == ["web.service/i-a"]


def test_a_backend_that_is_not_there_needs_a_reload() -> None:
    assert steps(a_site(A), {"panteras": {}}) == Steps(missing=["web.service"])


def test_a_service_that_is_gone_is_drained_whole() -> None:
    assert steps(Site({}, {}), {"web.service": {"i-a": shown(A)}}) == Steps(
        commands=["set server web.service/i-a state drain"], leaving=["web.service/i-a"]
    )


def test_servers_that_a_template_brought_are_not_touched() -> None:
    running = {"panteras": {"page": shown(A)}, "web.service": {"i-a": shown(A), "spare": shown(B, STOPPED)}}

    assert steps(a_site(A), running) == Steps()


def test_routes_are_added_changed_and_removed() -> None:
    wanted = {"a.b/": "one", "c.d/": "two", "e.f/": "two"}
    running = {"c.d/": "one", "e.f/": "two", "x.y/": "two"}

    assert route_steps(MAP, wanted, running, {"one": {}, "two": {}}) == [
        f"add map {MAP} a.b/ one",
        f"set map {MAP} c.d/ two",
        f"del map {MAP} x.y/",
    ]


def test_a_route_to_a_backend_that_is_not_there_yet_waits_for_the_reload() -> None:
    assert route_steps(MAP, {"a.b/": "new", "c.d/": "new"}, {"c.d/": "old"}, {"old": {}}) == []


class Haproxy:
    """What its socket does to backends and their servers."""

    def __init__(self, running: dict[str, dict[str, Shown]]) -> None:
        self.running = {name: dict(servers) for name, servers in running.items()}

    def do(self, command: str) -> None:
        verb, what, path, *rest = command.split()
        backend, name = path.split("/")
        servers = self.running[backend]
        if verb == "add":
            assert name not in servers
            host, _, port = rest[0].rpartition(":")
            servers[name] = Shown(host.strip("[]"), int(port), int(rest[2]), 0x01)
            return
        old = servers[name]
        admin = (
            {"ready": 0, "drain": 0x08}.get(rest[1], old.admin) if verb == "set" and rest[0] == "state" else old.admin
        )
        weight = int(rest[1]) if verb == "set" and rest[0] == "weight" else old.weight
        servers[name] = Shown(old.address, old.port, weight, 0 if (verb, what) == ("enable", "server") else admin)


SERVERS = st.dictionaries(
    st.sampled_from(["i-a", "i-b", "i-c"]),
    st.builds(Shown, st.just("10.0.0.5"), st.just(80), st.integers(0, 256), st.sampled_from([0, 0x01, 0x08, 0x20])),
)
RUNNING = st.dictionaries(st.sampled_from(["one.service", "two.service", "three.service"]), SERVERS)


@given(RUNNING, RUNNING)
def test_after_the_commands_what_serves_is_what_is_wanted(before, after) -> None:
    backends = {
        name: Backend(name, {key: Server(key, one.address, one.port, one.weight) for key, one in servers.items()})
        for name, servers in after.items()
    }
    haproxy = Haproxy(before)

    first = steps(Site(backends, {}), haproxy.running)
    for command in first.commands:
        haproxy.do(command)
    again = steps(Site(backends, {}), haproxy.running)

    serving = {
        name: {key: one.weight for key, one in servers.items() if one.serving}
        for name, servers in haproxy.running.items()
    }
    assert again == Steps(commands=[], leaving=first.leaving, missing=first.missing)
    assert serving == {
        name: {key: one.weight for key, one in backends[name].servers.items()} if name in backends else {}
        for name in before
    }


def test_what_runs_is_a_site_of_those_who_serve() -> None:
    running = {
        "web.service": {"i-a": shown(A), "i-b": shown(B, 0x08), "page": shown(A)},
        "empty.service": {"page": shown(A)},
    }

    assert as_it_runs(running, {"web/": "web.service"}) == Site(
        {"web.service": Backend("web.service", {"i-a": A})}, {"web/": "web.service"}
    )


def test_what_is_lost_stays_and_what_is_new_comes() -> None:
    before = Site(
        {"web.service": Backend("web.service", {"i-a": A}), "old": Backend("old", {"i-b": B})}, {"old/": "old"}
    )
    wanted = Site({"web.service": Backend("web.service", {"i-b": B})}, {"web/": "web.service"})

    assert with_what_is_lost(wanted, before) == Site(
        {"web.service": Backend("web.service", {"i-a": A, "i-b": B}), "old": Backend("old", {"i-b": B})},
        {"old/": "old", "web/": "web.service"},
    )
