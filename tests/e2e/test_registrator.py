"""Containers appear in Consul by themselves, and are gone with their end: a real engine, a real agent."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lab import addresses
from lab.box import Containers, Program
from lab.consul import Consul
from lab.docker import Docker
from lab.gateway import command as panteras
from lab.namespace import Namespace
from lab.patience import eventually

OPTIONS = ("--host", "box", "--ip", addresses.HOST)
MARK = {"registrator": "box"}


@pytest.fixture
def start(host: Namespace, docker: Docker, consul: Consul, scratch: Path) -> Iterator[Callable[..., Program]]:
    """Start `panteras registrator`; at the end its log must be free of surprises."""
    started: list[Program] = []

    def begin(*options: str) -> Program:
        log = scratch / f"registrator-{len(started)}.log"
        started.append(Program(host, log, "registrator", "--docker", docker.place, *OPTIONS, *options))
        return started[-1]

    yield begin
    for one in started:
        one.stop()
        print(f"--- {one.log}\n{one.output}{one.errors}")
    for one in started:
        one.verify_log()


@pytest.fixture
def registrator(start: Callable[..., Program]) -> Program:
    return start()


@pytest.fixture
def containers(docker: Docker, example_image: str) -> Containers:
    return Containers(docker, example_image)


def places(consul: Consul, service: str) -> set[tuple[str, int]]:
    return {(one["Service"]["Address"], one["Service"]["Port"]) for one in consul.instances(service)}


def since(moment: str, now: float) -> float:
    """Seconds from a moment that the engine told to *now*, since 1970."""
    return now - datetime.fromisoformat(moment[:26].rstrip("Z") + "+00:00").timestamp()


def test_an_instance_is_there_half_a_second_after_its_start_and_gone_as_soon_after_its_end(
    consul: Consul, containers: Containers, docker: Docker, registrator: Program
) -> None:
    containers.run("web", "--env", "SERVICE_TAGS=http,v1")
    there = eventually(lambda: places(consul, "python1") and time.time(), "registered", every=0.01)
    late = since(containers.state("web")["StartedAt"], there)

    assert places(consul, "python1") == {(addresses.HOST, containers.port("web"))}
    docker.run("kill", "web")
    gone = eventually(lambda: not places(consul, "python1") and time.time(), "deregistered", every=0.01)
    late_end = since(containers.state("web")["FinishedAt"], gone)

    print(f"in Consul {late:.3f} s after its start, out {late_end:.3f} s after its end")
    assert late < 0.5 and late_end < 0.5


def test_a_container_that_is_told_to_stop_gets_nobody_new_while_it_finishes(
    consul: Consul, containers: Containers, docker: Docker, registrator: Program
) -> None:
    docker.run(
        *("run", "--detach", "--name", "web", "--publish", "8000", "--env", "SERVICE_NAME=python1"),
        *(
            "--entrypoint",
            "sh",
            "panteras-example:latest",
            "-c",
            "trap 'sleep 3; exit 0' TERM; while :; do sleep 0.1; done",
        ),
    )
    eventually(lambda: places(consul, "python1"), "registered")

    docker.run("kill", "--signal", "HUP", "web")  # means something else to it
    time.sleep(0.5)
    assert places(consul, "python1")
    docker.run("kill", "--signal", "TERM", "web")

    eventually(lambda: not places(consul, "python1"), "deregistered", within=1)
    assert containers.state("web")["Running"]


def test_the_words_of_registrator_are_understood_from_environment_and_labels(
    consul: Consul, containers: Containers, registrator: Program
) -> None:
    containers.run(
        "web",
        *("--publish", "8000", "--publish", "9000", "--publish", "5353/udp", "--publish", "7000"),
        *(
            "--env",
            "SERVICE_TAGS=from-environment",
            "--label",
            "SERVICE_TAGS=a,b\\,c",
            "--env",
            "SERVICE_META_TEAM=blue",
        ),
        *(
            "--env",
            "SERVICE_8000_NAME=page",
            "--env",
            "SERVICE_8000_CHECK_HTTP=/health",
            "--env",
            "SERVICE_8000_CHECK_INTERVAL=1s",
        ),
        *(
            "--env",
            "SERVICE_9000_CHECK_TCP=true",
            "--env",
            "SERVICE_7000_IGNORE=false",
            "--env",
            "SERVICE_5353_ID=names",
        ),
        service="web",
    )
    known = eventually(lambda: len(consul.known()) == 3 and consul.known(), "three services")

    assert {key: (one["Service"], sorted(one["Tags"])) for key, one in known.items()} == {
        "box:web:8000": ("page", ["a", "b,c"]),
        "box:web:9000": ("web-9000", ["a", "b,c"]),
        "names": ("web-5353", ["a", "b,c", "udp"]),
    }
    assert known["box:web:8000"]["Meta"].items() >= {**MARK, "team": "blue", "container-port": "8000"}.items()
    eventually(lambda: consul.passing("page"), "passing by its own check")
    assert checks(consul, "page") == {"service:box:web:8000": "passing"}
    assert checks(consul, "web-9000") == {"service:box:web:9000": "critical"}


def checks(consul: Consul, service: str) -> Mapping[str, str]:
    return {check["CheckID"]: check["Status"] for one in consul.instances(service) for check in one["Checks"][1:]}


def test_a_healthcheck_of_the_image_decides_whether_an_instance_is_passing(
    consul: Consul, containers: Containers, docker: Docker, registrator: Program
) -> None:
    health = ("--health-cmd", "test ! -e /tmp/ill", "--health-interval", "1s", "--health-retries", "1")
    containers.run("web", *health)

    eventually(lambda: consul.passing("python1"), "healthy")
    docker.run("exec", "web", "touch", "/tmp/ill")
    eventually(lambda: places(consul, "python1") and not consul.passing("python1"), "unhealthy, and still known")
    docker.run("exec", "web", "rm", "/tmp/ill")
    eventually(lambda: consul.passing("python1"), "healthy again")


def test_paused_renamed_and_restarted_containers_are_what_they_are(
    consul: Consul, containers: Containers, docker: Docker, registrator: Program
) -> None:
    containers.run("web")
    eventually(lambda: "box:web:8000" in consul.known(), "registered")

    docker.run("pause", "web")
    eventually(lambda: not consul.known(), "a paused container is nobody to go to")
    docker.run("unpause", "web")
    eventually(lambda: "box:web:8000" in consul.known(), "back")
    docker.run("rename", "web", "page")
    eventually(lambda: set(consul.known()) == {"box:page:8000"}, "renamed")
    docker.run("restart", "--time", "1", "page")
    eventually(lambda: places(consul, "python1") == {(addresses.HOST, containers.port("page"))}, "at its new port")


def test_what_ran_before_is_found_and_what_a_crash_left_is_removed_but_only_ours(
    consul: Consul, containers: Containers, docker: Docker, start: Callable[..., Program]
) -> None:
    consul.register("other", addresses.HOST, port=1234)
    containers.run("web")
    containers.run("gone", service="python2")
    first = start()
    assert {"box:web:8000", "box:gone:8000"} < set(consul.known())
    first.signal(signal.SIGKILL)
    first.wait(within=5)
    docker.run("rm", "--force", "gone")
    containers.run("new", service="python3")

    start()

    assert set(consul.known()) == {"box:web:8000", "box:new:8000", f"other@{addresses.HOST}"}


def test_an_operator_s_maintenance_is_not_ended_by_a_comparison(
    consul: Consul, containers: Containers, start: Callable[..., Program]
) -> None:
    containers.run("web", "--env", "SERVICE_CHECK_HTTP=/health", "--env", "SERVICE_CHECK_INTERVAL=1s")
    start().stop()
    eventually(lambda: consul.passing("python1"), "passing")
    consul.put("/v1/agent/service/maintenance/box%3Aweb%3A8000?enable=true&reason=by+hand")

    again = start()
    containers.run("next", service="python2")
    eventually(lambda: "box:next:8000" in consul.known(), "the comparison is over, and more")

    assert again.running
    assert not consul.passing("python1")
    assert "_service_maintenance:box:web:8000" in checks(consul, "python1")


def test_losing_the_engine_deregisters_nothing_and_what_changed_meanwhile_is_found(
    consul: Consul, containers: Containers, docker: Docker, registrator: Program
) -> None:
    containers.run("web", "--restart", "always")
    eventually(consul.known, "registered")

    docker.crash()
    eventually(lambda: any("no Docker engine" in line for line in registrator.warnings()), "told")
    time.sleep(1)
    known = set(consul.known())
    docker.recover()

    assert known == {"box:web:8000"}
    eventually(lambda: containers.state("web")["Running"], "started by the engine", within=20)
    eventually(
        lambda: places(consul, "python1") == {(addresses.HOST, containers.port("web"))}, "at its new port", within=20
    )


def test_an_agent_that_forgot_everything_is_told_again_at_once(
    consul: Consul, containers: Containers, registrator: Program
) -> None:
    containers.run("web")
    eventually(consul.known, "registered")

    consul.stop()
    containers.run("meanwhile", service="python2")
    consul.start()

    eventually(lambda: set(consul.known()) == {"box:web:8000", "box:meanwhile:8000"}, "both", within=5)


def test_what_can_not_be_meant_costs_one_warning_and_nothing_else(
    consul: Consul, containers: Containers, start: Callable[..., Program]
) -> None:
    registrator = start()
    consul.put("/v1/agent/service/register", {"ID": "theirs", "Name": "theirs", "Port": 1})
    containers.run("bad-name", service="no name\n; of {{ DNS }}")
    containers.run("bad-check", "--env", "SERVICE_CHECK_HTTP=/", "--env", "SERVICE_CHECK_INTERVAL=soon", service="a")
    containers.run("bad-script", "--env", "SERVICE_CHECK_SCRIPT=true", service="b")
    containers.run("bad-meta", "--env", f"SERVICE_META_HUGE={'x' * 600}", "--env", "SERVICE_META_OK=1", service="c")
    containers.run("thief", "--env", "SERVICE_ID=theirs", service="d")
    containers.run("good", service="e")
    eventually(lambda: "box:good:8000" in consul.known(), "the rest goes on")

    eventually(lambda: len(registrator.warnings()) >= 5, "a warning for each")
    assert {one.partition(":")[0] for one in registrator.warnings()} >= {"bad-name", "bad-check", "bad-meta"}
    assert {one["Service"] for one in consul.known().values()} == {"a", "b", "c", "e", "theirs"}
    assert consul.known()["theirs"]["Service"] == "theirs"
    assert consul.known()["box:bad-meta:8000"]["Meta"]["ok"] == "1"
    assert len(registrator.warnings()) == len(set(registrator.warnings()))


def test_it_says_what_it_would_register_and_takes_everything_back(
    host: Namespace, docker: Docker, consul: Consul, containers: Containers, start: Callable[..., Program]
) -> None:
    containers.run("web", "--env", "SERVICE_TAGS=http")
    words = panteras("registrator", "--docker", docker.place, *OPTIONS)
    look = [*host.prefix, *words, "--list", "--json"]

    before = attempt(look)
    start().stop()
    after = attempt(look)
    cleared = host.run(*words, "--clear")

    assert (before[0], [one["state"] for one in before[1]["services"]]) == (1, ["missing"])
    assert (after[0], [one["state"] for one in after[1]["services"]]) == (0, ["registered"])
    assert cleared == "1 deregistered\n" and not consul.known()


def attempt(words: list[str]) -> tuple[int, Any]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, json.loads(done.stdout)


def test_two_hundred_containers_are_registered_within_ten_seconds(
    consul: Consul, docker: Docker, containers: Containers, start: Callable[..., Program]
) -> None:
    names = [f"many-{number}" for number in range(200)]
    for number, name in enumerate(names):  # on the host's network: 200 of docker's own would take minutes to start
        words = ("--network", "host", "--expose", str(20_000 + number), "--env", "SERVICE_8000_IGNORE=1")
        docker.run(
            "create", "--name", name, *words, "--env", "SERVICE_NAME=many", "panteras-example:latest", "sleep", "600"
        )
    docker.run("start", *names, within=180)

    begun = time.monotonic()
    start()
    late = time.monotonic() - begun

    print(f"200 containers in {late:.2f} s, from the start of the registrator")
    assert len(consul.known()) == 200
    assert late < 10
