"""Every web service by its name on port 80 of the host: real Consul, real HAProxy, browsers that never see an error."""

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import addresses
from lab.box import Crowd, Program, Sample, opens, page
from lab.browser import shown
from lab.consul import Consul
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.instance import PORT, Instance
from lab.namespace import Namespace
from lab.patience import eventually

ONE, TWO = addresses.PYTHON1
NAME = "python1.service.consul"
FRONT = "panteras.service.consul"


@pytest.fixture
def start(host: Namespace, consul: Consul, scratch: Path) -> Iterator[Callable[..., Program]]:
    """Start `panteras balancer`; at the end its log must be free of surprises."""
    started: list[Program] = []

    def begin(*options: str, ready: bool = True) -> Program:
        log = scratch / f"balancer-{time.monotonic_ns()}.log"
        words = ("balancer", "--run-dir", str(scratch / "balancer"), "--host", "box", "--ip", addresses.HOST)
        started.append(Program(host, log, *words, *options, ready=ready))
        return started[-1]

    yield begin
    for one in started:
        one.stop()
        print(f"--- {one.log}\n{one.output}{one.errors}")
    for one in started:
        one.verify_log()


@pytest.fixture
def more(host: Namespace, scratch: Path) -> Iterator[Callable[[int], list[Sample]]]:
    """More instances, at ports of their own from 9000 on."""
    instances: list[Sample] = []

    def begin(count: int) -> list[Sample]:
        new = [Sample(host, 9000 + len(instances) + number, scratch) for number in range(count)]
        instances.extend(new)
        return new

    yield begin
    for one in instances:
        one.stop()


def register(consul: Consul, name: str, key: str, address: str, port: int, *tags: str, **more: object) -> None:
    consul.put("/v1/agent/service/register", {
        "ID": key, "Name": name, "Address": address, "Port": port, "Tags": list(tags), **more,
    })  # fmt: skip


@pytest.fixture
def web(consul: Consul, python1: list[Instance]) -> None:
    """python1 in Consul, two instances."""
    for one in python1:
        register(consul, "python1", f"python1@{one.address}", one.address, PORT, "http")


def seen(laptop: Namespace, name: str, count: int = 20) -> set[str]:
    return {page(laptop, addresses.HOST, name)[1].strip() for _ in range(count)}


def test_the_service_opens_by_each_of_its_names_and_both_instances_answer_in_turn(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program]
) -> None:
    start("--name", "apps.example.com")
    opens(laptop, addresses.HOST, NAME)

    assert seen(laptop, NAME) == {f"python1 at {ONE}", f"python1 at {TWO}"}
    for name in (
        "python1.service.dc1.consul",
        "python1.apps.example.com",
        "PYTHON1.service.consul.",
        "http.python1.service.consul",
    ):
        assert page(laptop, addresses.HOST, name)[0] == 200, name


def test_why_a_name_does_not_open_is_said_in_its_place(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program]
) -> None:
    start()
    opens(laptop, addresses.HOST, NAME)
    failing = {"Name": "disk", "TTL": "10m", "Status": "passing"}
    register(consul, "broken", "broken1", ONE, PORT, "http", Check=failing)
    register(consul, "quiet", "quiet1", ONE, 5432)
    opens(laptop, addresses.HOST, "broken.service.consul")
    consul.put("/v1/agent/check/update/service:broken1", {"Status": "critical", "Output": "<b>full</b>"})
    eventually(lambda: page(laptop, addresses.HOST, "broken.service.consul")[0] == 503, "an explanation")
    eventually(lambda: "5432" in page(laptop, addresses.HOST, "quiet.service.consul")[1], "another")

    status, text = page(laptop, addresses.HOST, "pyhton1.service.consul")
    _, broken = page(laptop, addresses.HOST, "broken.service.consul")
    _, html = page(laptop, addresses.HOST, "broken.service.consul", "/", "--header", "Accept: text/html")
    quiet_status, _ = page(laptop, addresses.HOST, "quiet.service.consul")
    assert (status, text) == (404, "Consul knows no service pyhton1. Did you mean python1.service.consul?\n")
    assert "broken: 1 registered, 0 usable." in broken and "disk is critical: <b>full</b>" in broken
    assert "&lt;b&gt;full" in html and "<b>full" not in html
    assert quiet_status == 404


def test_tags_give_further_names_paths_and_shares(
    laptop: Namespace, consul: Consul, more: Callable[[int], list[Sample]], start: Callable[..., Program]
) -> None:
    more(2)
    register(consul, "shop", "old", ONE, 9000, "http", "v1", "weight=9", "paas-shop.example.com")
    register(consul, "shop", "new", ONE, 9001, "http", "v2", "weight=1", "urlprefix-www.example.com/index strip=/index")
    register(consul, "hidden", "hidden", ONE, 9000, "http", "balancer=off")
    start()
    opens(laptop, addresses.HOST, "shop.service.consul")

    assert counted(laptop, "shop.service.consul") == {"9000": 18, "9001": 2}
    assert counted(laptop, "v2.shop.service.consul") == {"9001": 20}
    assert counted(laptop, "shop.example.com") == {"9000": 20}
    assert counted(laptop, "www.example.com", "/index") == {"9001": 20}
    assert page(laptop, addresses.HOST, "www.example.com", "/other")[0] == 404
    assert page(laptop, addresses.HOST, "hidden.service.consul")[0] == 404
    consul.put("/v1/agent/service/maintenance/new?enable=true")
    eventually(lambda: counted(laptop, "shop.service.consul") == {"9000": 20}, "maintenance takes it out")
    consul.put("/v1/agent/service/maintenance/new?enable=false")
    eventually(lambda: counted(laptop, "shop.service.consul") == {"9000": 18, "9001": 2}, "and back in")


def counted(laptop: Namespace, name: str, path: str = "/") -> dict[str, int]:
    """How many of 20 requests each instance has answered, by its port."""
    words = ["curl", "--silent", "--max-time", "10", "--resolve", f"{name}:80:{addresses.HOST}"]
    answers = laptop.run(*words, *[f"http://{name}{path}"] * 20).splitlines()
    return dict(Counter(answer.split()[0].removeprefix("at-") for answer in answers))


def test_no_request_fails_while_instances_come_and_go_and_services_are_added(
    laptop: Namespace,
    consul: Consul,
    web: None,
    more: Callable[[int], list[Sample]],
    start: Callable[..., Program],
    scratch: Path,
) -> None:
    balancer = start()
    opens(laptop, addresses.HOST, NAME)
    crowd = Crowd(laptop, addresses.HOST, NAME, 1000, scratch)
    for turn in range(3):
        instances = more(4)
        for one in instances:
            register(consul, "python1", f"more-{one.port}", ONE, one.port, "http")
        for number in range(2):
            register(consul, f"new{turn}-{number}", f"new{turn}-{number}", ONE, PORT, "http")
        opens(laptop, addresses.HOST, f"new{turn}-1.service.consul")
        time.sleep(0.5)
        for one in instances:
            consul.put(f"/v1/agent/service/deregister/more-{one.port}")
        eventually(
            lambda: servers(laptop).count("python1.service,i-") == 2, "the others are gone from HAProxy", within=10
        )
        for one in instances:
            one.stop()
    told = crowd.leave()

    print(told)
    assert told["failed"] == {}
    assert told["done"] > 3000 and len(told["pages"]) >= 2
    assert balancer.errors.count("reloaded in") >= 3
    assert balancer.errors.count(" add server ") >= 12


def servers(laptop: Namespace) -> str:
    """HAProxy's statistics, as they are on port 81."""
    return laptop.run("curl", "--silent", f"http://{addresses.HOST}:81/;csv")


def test_who_is_registered_and_does_not_listen_yet_gets_nobody(
    host: Namespace, laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program], scratch: Path
) -> None:
    start()
    opens(laptop, addresses.HOST, NAME)
    crowd = Crowd(laptop, addresses.HOST, NAME, 300, scratch)
    for number in range(6):
        register(consul, "python1", f"early{number}", ONE, 9100 + number, "http")
    eventually(lambda: servers(laptop).count("DOWN") >= 6, "known as not listening")
    late = Sample(host, 9100, scratch)
    eventually(lambda: servers(laptop).count("DOWN") < 6, "the one that listens now is used")
    told = crowd.leave()
    late.stop()

    assert told["failed"] == {} and told["done"] > 20


def test_without_consul_everything_stays_and_a_consul_that_forgot_does_not_empty_the_site_at_once(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program], python1: list[Instance]
) -> None:
    balancer = start()
    opens(laptop, addresses.HOST, NAME)

    consul.stop()
    time.sleep(1)
    without = page(laptop, addresses.HOST, NAME)[0]
    eventually(lambda: "the last that Consul said stays" in balancer.errors, "told")
    eventually(lambda: "What is shown may be old" in page(laptop, addresses.HOST, FRONT)[1], "told on the page")
    consul.start()
    eventually(lambda: "Consul answers again" in balancer.errors, "told")
    forgotten = page(laptop, addresses.HOST, NAME)[0]
    for one in python1:
        register(consul, "python1", f"python1@{one.address}", one.address, PORT, "http")

    assert (without, forgotten) == (200, 200)
    eventually(lambda: page(laptop, addresses.HOST, NAME)[0] == 200, "still there")


def test_a_killed_haproxy_is_back_with_what_it_served_and_a_killed_balancer_costs_nobody_a_request(
    host: Namespace, laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program], scratch: Path
) -> None:
    balancer = start()
    opens(laptop, addresses.HOST, NAME)
    master = haproxy(balancer)

    crowd = Crowd(laptop, addresses.HOST, NAME, 200, scratch)
    balancer.signal(signal.SIGKILL)
    balancer.wait(within=5)
    time.sleep(1)
    again = start()
    register(consul, "python2", "python2", ONE, PORT, "http")
    opens(laptop, addresses.HOST, "python2.service.consul")
    told = crowd.leave()
    assert told["failed"] == {} and told["done"] > 200
    assert Path(f"/proc/{master}").exists() and not again.children()

    # It was taken over, and is looked after all the same.
    os.kill(master, signal.SIGTERM)  # ends with its workers, as if the machine's operator had done it
    eventually(lambda: not Path(f"/proc/{master}").exists() or page_fails(laptop), "it is gone")
    eventually(again.children, "another one")
    assert opens(laptop, addresses.HOST, NAME) and opens(laptop, addresses.HOST, "python2.service.consul")


def haproxy(balancer: Program) -> int:
    """The master; a check of a configuration may be on its way beside it."""
    (master,) = [pid for pid in balancer.children() if "master.sock" in Path(f"/proc/{pid}/cmdline").read_text()]
    return master


def page_fails(laptop: Namespace) -> bool:
    try:
        return page(laptop, addresses.HOST, NAME)[0] != 200
    except AssertionError:
        return True


def test_a_file_from_another_day_with_an_address_that_is_gone_is_mended(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program], scratch: Path
) -> None:
    balancer = start()
    opens(laptop, addresses.HOST, NAME)
    file = scratch / "balancer" / "haproxy.cfg"
    eventually(lambda: "server i-" in file.read_text(), "the file, which follows")
    balancer.stop()
    bind = f"    bind {addresses.HOST}:80\n"
    text = file.read_text()
    assert bind in text and "server i-" in text
    file.write_text(text.replace(bind, bind + bind.replace(addresses.HOST, "10.77.200.200")))
    consul.freeze()
    try:
        balancer = start(ready=False)
        opens(laptop, addresses.HOST, NAME)  # with what the file had, before Consul says anything
    finally:
        consul.thaw()
    eventually(lambda: " ready: " in balancer.errors, "ready", within=20)
    assert "10.77.200.200" not in file.read_text()


def test_a_silent_haproxy_is_waited_for_and_told(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program]
) -> None:
    balancer = start()
    opens(laptop, addresses.HOST, NAME)
    master = haproxy(balancer)
    workers = [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    silent = "HAProxy does not answer: "
    assert silent not in balancer.errors, "it is no trouble that HAProxy takes a moment to start"
    try:
        eventually(lambda: silent in balancer.errors, "told", within=40)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: "HAProxy is as it should be again" in balancer.errors, "again", within=20)
    assert opens(laptop, addresses.HOST, NAME)


def test_a_template_that_haproxy_does_not_take_ends_the_start_in_one_line(host: Namespace, scratch: Path) -> None:
    template = scratch / "odd.j2"
    template.write_text("global\n    nonsense here\n")
    words = panteras("balancer", "--run-dir", str(scratch / "odd"), "--host", "box", "--template", str(template))
    done = subprocess.run([*host.prefix, *words], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert "could not start: " in done.stderr and "nonsense" in done.stderr and "Traceback" not in done.stderr


def test_haproxy_is_started_again_when_it_dies(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program]
) -> None:
    balancer = start()
    opens(laptop, addresses.HOST, NAME)
    register(consul, "python1", "third", ONE, PORT, "http")
    time.sleep(2)
    master = haproxy(balancer)
    worker = int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])

    for pid in (master, worker):
        os.kill(pid, signal.SIGKILL)

    assert opens(laptop, addresses.HOST, NAME, within=10)
    eventually(lambda: servers(laptop).count("python1.service,i-") == 3, "with all of its instances")


def test_hostile_services_change_nothing_for_the_others(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program]
) -> None:
    balancer = start()
    hostile = (
        "x\nbackend evil",
        "a; shutdown frontend names",
        "{{ 7 * 7 }}",
        "%[env(PATH)]",
        "ü" * 40,
        "a" * 200,
        "a.b c",
    )
    for number, text in enumerate(hostile):
        register(
            consul,
            "evil",
            f"evil{number}",
            ONE,
            PORT,
            "http",
            f"urlprefix-{text}",
            f"paas-h{number}.example.com/{text}",
            text,
        )
        register(consul, text, f"named{number}", ONE, PORT, "http", "weight=99999999")
    register(consul, "nowhere", "nowhere", "no.such.host; quit", PORT, "http")
    register(consul, "last", "last", ONE, PORT, "http")

    for name in ("last", "evil"):
        opens(laptop, addresses.HOST, f"{name}.service.consul")
    assert page(laptop, addresses.HOST, NAME)[0] == 200
    names = set(re.findall(r"^([^#,]+),", servers(laptop), re.MULTILINE))
    assert not [name for name in names if not re.fullmatch(r"[A-Za-z0-9._-]+", name)]
    assert any("left out" in line for line in balancer.warnings())
    assert len(balancer.warnings()) == len(set(balancer.warnings()))


def test_a_template_of_ones_own_is_taken_and_one_that_haproxy_refuses_is_not(
    host: Namespace, laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program], scratch: Path
) -> None:
    default = Path(__file__).parents[2] / "panteras_dns/box/templates/haproxy.cfg.j2"
    own = scratch / "own.cfg.j2"
    own.write_text(
        default.read_text().replace("frontend names\n", "frontend names\n    http-response set-header X-Own yes\n")
    )
    balancer = start("--template", str(own))
    opens(laptop, addresses.HOST, NAME)
    head = laptop.run("curl", "--silent", "--head", "--header", f"Host: {NAME}", f"http://{addresses.HOST}/")
    own.write_text(default.read_text().replace("    mode http", "    mode nonsense", 1))
    eventually(lambda: "the last good configuration stays" in balancer.errors, "told")

    assert "x-own: yes" in head.lower()
    assert page(laptop, addresses.HOST, NAME)[0] == 200
    own.write_text("{% if %}")
    words = panteras("balancer", "--template", str(own), "--run-dir", str(scratch / "other"))
    refused = subprocess.run([*host.prefix, *words], capture_output=True, text=True, timeout=20, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"panteras: {own}: line 1: ") and "Traceback" not in refused.stderr


def test_another_way_to_balance_is_taken_as_it_runs_and_instances_that_haproxy_refuses_come_by_a_reload(
    laptop: Namespace, consul: Consul, web: None, start: Callable[..., Program], python1: list[Instance], scratch: Path
) -> None:
    default = Path(__file__).parents[2] / "panteras_dns/box/templates/haproxy.cfg.j2"
    own = scratch / "source.cfg.j2"
    own.write_text(default.read_text())
    balancer = start("--template", str(own))
    opens(laptop, addresses.HOST, NAME)
    before = balancer.errors.count("reloaded in")
    # With it HAProxy takes no server while it runs.
    own.write_text(default.read_text().replace("balance roundrobin", "balance source"))
    eventually(lambda: balancer.errors.count("reloaded in") > before, "the new template")

    consul.put("/v1/agent/service/deregister/python1%40" + python1[0].address)
    consul.put("/v1/agent/service/deregister/python1%40" + python1[1].address)
    register(consul, "python1", "new", python1[1].address, PORT, "http", "new")
    eventually(lambda: seen(laptop, NAME, 3) == {f"python1 at {python1[1].address}"}, "the new instance", within=15)


def test_it_listens_where_the_world_is_not_and_two_do_not_share_a_directory(
    host: Namespace, consul: Consul, web: None, start: Callable[..., Program], scratch: Path
) -> None:
    start()
    listening = host.run("ss", "-Hltn", "sport", "=", ":80").split()
    words = panteras("balancer", "--run-dir", str(scratch / "balancer"))
    second = subprocess.run([*host.prefix, *words], capture_output=True, text=True, timeout=20, check=False)

    assert f"{addresses.HOST}:80" in listening and "0.0.0.0:80" not in listening
    assert f"{addresses.HOST_OUTSIDE}:80" not in listening  # a public address
    assert (second.returncode, second.stderr.count("another balancer uses it")) == (2, 1)


def settled(laptop: Namespace) -> int:
    """The version of the front page, once nothing changes any more."""

    def look() -> int:
        first, second = (
            json.loads(page(laptop, addresses.HOST, FRONT, "/news?since=none")[1])["version"]
            for _ in "12"
            if not time.sleep(0.5)
        )
        return first if first == second else 0

    return eventually(look, "a front page that is settled")


def test_the_front_page_lists_the_services_and_follows_them(
    laptop: Namespace, gateway: Gateway, consul: Consul, web: None, start: Callable[..., Program], scratch: Path
) -> None:
    start()
    opens(laptop, addresses.HOST, FRONT)
    eventually(lambda: consul.passing("panteras") == {addresses.HOST}, "its name")
    html = shown(laptop, f"http://{FRONT}/", scratch / "chromium-front")
    known = json.loads(page(laptop, addresses.HOST, FRONT, "/services.json")[1])
    version = settled(laptop)
    asked = subprocess.Popen(
        [
            *laptop.prefix,
            "curl",
            "--silent",
            "--header",
            f"Host: {FRONT}",
            f"http://{addresses.HOST}/news?since={version}",
        ],
        stdout=subprocess.PIPE,
    )
    time.sleep(0.5)
    waits = asked.poll() is None
    register(consul, "python9", "python9", ONE, PORT, "http")
    news, _ = asked.communicate(timeout=10)

    assert (
        f'<a href="http://{NAME}/"' in html
        and f"nameserver {addresses.HOST}" in html
        and "sshuttle @sshuttle.conf" in html
    )
    assert next(one for one in known["services"] if one["name"] == "python1")["passing"] == 2
    assert waits and json.loads(news)["version"] > version
    assert consul.passing("panteras") == {addresses.HOST}
