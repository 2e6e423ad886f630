"""`panteras explain`: broken set-ups, each named with its cause; real Consul, real gateway, real balancer."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from lab import addresses
from lab.box import Program
from lab.consul import Consul, reached_by_tcp
from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.instance import PORT, Instance
from lab.namespace import Namespace
from lab.patience import eventually
from lab.resolver import Resolver

ONE, TWO = addresses.PYTHON1
ROOT = Path(__file__).parents[2]


class Told:
    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.status, self.text, self.errors = done.returncode, done.stdout, done.stderr
        assert "Traceback" not in done.stderr, done.stderr

    @property
    def last(self) -> str:
        return self.text.splitlines()[-1]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def explain(host: Namespace, *words: str) -> Told:
    command: Sequence[str] = [*host.prefix, *panteras("explain", *words)]
    return Told(subprocess.run(command, capture_output=True, text=True, timeout=30, check=False))


def failed(host: Namespace, code: str, text: str, *words: str) -> Told:
    told = explain(host, *words)
    assert told.last == f"FAIL {code} {text}", told.text
    assert told.status == 1
    return told


@pytest.fixture
def here(host: Namespace, gateway: Gateway) -> Iterator[Namespace]:
    """The docker host, which asks its own gateway."""
    host.use_resolvers("127.0.0.1")
    yield host
    host.use_resolvers(addresses.RESOLVER)


@pytest.fixture
def registered(python1: list[Instance], consul: Consul) -> None:
    """Both instances, in Consul."""
    consul.register("python1", ONE, TWO, port=PORT)


def test_a_name_that_works(here: Namespace, registered: None) -> None:
    told = explain(here, "python1.service.consul")

    assert told.status == 0, told.text
    assert told.last.startswith("ok   ") and ONE in told.last and TWO in told.last
    assert "2 of 2 passing: box" in told.text
    assert "2 of 2 accept a connection from here" in told.text
    assert "resolv.conf -> 127.0.0.1" in told.text


def test_a_service_that_is_not_there(here: Namespace, registered: None) -> None:
    failed(here, "PAN202", "Consul has no service pyton1; did you mean python1?", "pyton1.service.consul")


def test_no_instance_passes(here: Namespace, consul: Consul) -> None:
    # The agent tells the catalogue of a change of the state at once, of one of the output alone much later.
    consul.register("web", ONE, port=9, check={**reached_by_tcp(ONE, 9), "Status": "passing"})
    consul.register("web", TWO, port=9)
    consul.put("/v1/agent/service/maintenance/web@" + TWO + "?enable=true&reason=upgrade")
    eventually(lambda: "connection refused" in json.dumps(consul.instances("web")), "the check's output", within=15)
    told = failed(here, "PAN201", "web is registered, no instance passes", "web.service.consul")

    assert re.search(r"web@\S+ box  .*connection refused", told.text)
    assert "Service Maintenance Mode: upgrade" in told.text
    assert f"ssh box consul maint -disable -service=web@{TWO}" in told.text
    assert "0 of 2 passing" in told.text


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("v9.python1.service.consul", "PAN203", "python1 has no instance with the tag v9; it has none"),
        ("python1.service.dc9.consul", "PAN205", "Consul knows no datacenter dc9: dc1; did you mean dc1?"),
        ("python1.consul", "PAN206", "Consul knows no name of this form: python1"),
        ("bax.node.consul", "PAN207", "Consul has no node bax; did you mean box?"),
        ("near.query.consul", "PAN208", "Consul has no query near"),
        ("python1.service.consul.corp.example", "PAN104", "the search suffix corp.example stands behind python1.service.consul"),
        ("nowhere.example.com", "PAN312", f"nowhere.example.com does not exist, says {addresses.RESOLVER}:53"),
    ],
)  # fmt: skip
def test_each_cause_has_its_code(here: Namespace, registered: None, name: str, code: str, text: str) -> None:
    failed(here, code, text, name)


def test_no_record_of_the_type(here: Namespace, registered: None) -> None:
    failed(here, "PAN209", "python1.service.consul has no AAAA record", "python1.service.consul", "--type", "aaaa")


def test_consul_is_away(here: Namespace, consul: Consul) -> None:
    consul.stop()
    try:
        told = explain(here, "python1.service.consul")
    finally:
        consul.start()

    assert told.last.startswith("FAIL PAN301 Consul does not answer: 127.0.0.1:8600")
    assert "fix:  systemctl start consul.service" in told.text
    assert "not checked: needs the hop before" in told.text


def test_without_the_http_api_it_says_what_dns_can_tell(here: Namespace, registered: None) -> None:
    told = explain(here, "pyton1.service.consul", "--consul", "http://127.0.0.1:9")

    assert told.last.startswith("FAIL PAN200 Consul does not have the service pyton1, and why is not known: ")
    assert explain(here, "python1.service.consul", "--consul", "http://127.0.0.1:9").status == 0


def test_nobody_answers_and_nobody_is_a_gateway(host: Namespace, resolver: Resolver) -> None:
    silent = explain(host, "python1.service.consul", "--server", "127.0.0.1:9")
    stranger = explain(host, "python1.service.consul")

    assert silent.last.startswith("FAIL PAN101 127.0.0.1:9 does not answer") and silent.status == 3
    assert stranger.last == f"FAIL PAN102 {addresses.RESOLVER}:53 is no gateway: nobody who knows Consul was asked"


def test_a_client_that_is_not_allowed(
    serve: Callable[..., Gateway], host: Namespace, laptop: Namespace, consul: Consul, scratch: Path
) -> None:
    config = scratch / "strict.toml"
    config.write_text('[dns]\nallow = ["127.0.0.0/8"]\n')
    serve("--config", str(config))
    told = explain(laptop, "python1.service.consul", "--server", addresses.HOST)

    assert told.last == f"FAIL PAN103 {addresses.HOST}:53 refuses: this client is not on the access list"


def test_whether_a_client_may_ask_by_the_configuration(here: Namespace, registered: None, scratch: Path) -> None:
    config = scratch / "from.toml"
    config.write_text('[dns]\nallow = ["local", "10.8.0.0/16"]\n')
    name = "python1.service.consul"
    allowed = explain(here, name, "--from", "10.8.0.7", "--config", str(config))
    told = "10.9.0.7 is in none of the networks that may ask"
    refused = failed(here, "PAN103", told, name, "--from", "10.9.0.7", "--config", str(config))

    assert allowed.status == 0 and "client     10.8.0.7 may ask: 10.8.0.0/16" in allowed.text
    assert "10.8.0.0/16" in refused.text and "gateway" not in refused.text


def test_the_shell_completes_the_names_of_services(host: Namespace, consul: Consul) -> None:
    consul.register("python1", ONE)
    consul.register("web", ONE)
    script = Path(sys.executable).with_name("panteras")
    typed = ("_PANTERAS_COMPLETE=bash_complete", "COMP_WORDS=panteras explain py", "COMP_CWORD=2")
    told = host.run("env", *typed, str(script))

    assert told == "plain,python1.service.consul\n"


def test_an_upstream_that_is_away(here: Namespace, resolver: Resolver) -> None:
    resolver.stop()
    try:
        told = explain(here, "nobody.example.com")
    finally:
        resolver.start()

    assert told.last.startswith("FAIL PAN310 SERVFAIL from 127.0.0.1:53: ")


def test_an_instance_that_does_not_listen(here: Namespace, consul: Consul) -> None:
    consul.register("shut", ONE, port=9)
    told = failed(
        here, "PAN403", "shut resolves, and 1 of 1 instances do not accept connections", "shut.service.consul"
    )

    assert f"shut@{ONE} {ONE}:9  does not" in told.text


def test_the_page_behind_a_name(here: Namespace, consul: Consul, registered: None, scratch: Path) -> None:
    name = "web.service.consul"
    definition = {"ID": "web", "Name": "web", "Address": ONE, "Port": PORT, "Tags": ["http"]}
    consul.put("/v1/agent/service/register", definition)
    run = scratch / "explain-balancer"
    words = ("balancer", "--run-dir", str(run), "--host", "box", "--ip", addresses.HOST)
    balancer = Program(here, scratch / "explain-balancer.log", *words)
    try:
        eventually(lambda: "panteras" in {one["Service"] for one in consul.known().values()}, "the front page")
        opens = f"http://{name}/ at {addresses.HOST}: 200"
        eventually(lambda: opens in explain(here, name).text, "its page", within=15)
        good = explain(here, name)
        off = {**definition, "Tags": ["http", "balancer=off"]}
        consul.put("/v1/agent/service/register", off)
        eventually(lambda: "404 from the balancer" in explain(here, name).text, "no page", within=15)
        without = explain(here, name)
    finally:
        balancer.stop()
    away = explain(here, name)
    consul.forget_all()

    assert good.status == 0 and opens in good.text
    assert without.last.startswith(f"FAIL PAN402 {name} resolves, and has no page: 404 from the balancer")
    assert away.last.startswith(f"FAIL PAN401 {name} resolves, and has no page: ")


TOKEN = "5a8f3c0e-1f0b-4b60-9b53-6f2f0c4d9a11"  # of this test's own Consul


class Guarded(Consul):
    """Consul that shows nothing without a token."""

    def _configuration(self) -> Mapping[str, Any]:
        acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": TOKEN, "agent": TOKEN}}
        return {**super()._configuration(), "acl": acl}

    def _leads(self) -> bool:
        try:
            return bool(self._ask("GET", "/v1/status/leader"))
        except (OSError, AssertionError):
            return False


@pytest.fixture
def guarded(scratch: Path) -> Iterator[Namespace]:
    """A host whose Consul has a service and lets nobody see it."""
    host = Namespace("guarded")
    directory = scratch / "guarded"
    directory.mkdir()
    agent = Guarded(host, directory)
    agent.start()
    definition = json.dumps({"Name": "web", "Address": "127.0.0.1", "Port": 80})
    url = f"http://127.0.0.1:8500/v1/agent/service/register?token={TOKEN}"
    eventually(lambda: _put(host, url, definition), "web in Consul", within=20)
    gateway = Gateway(host, directory / "dns.log", "--upstream", "127.0.0.9")
    yield host
    gateway.stop()
    agent.stop()
    host.delete()


def _put(host: Namespace, url: str, body: str) -> bool:
    words = ["curl", "--silent", "--fail", "-X", "PUT", url, "--data", body]
    return subprocess.run([*host.prefix, *words], timeout=10, check=False).returncode == 0


def test_what_an_acl_hides(guarded: Namespace, scratch: Path) -> None:
    token = scratch / "token"
    token.write_text(TOKEN)
    hidden = "the service web may be there: Consul leaves out what this token may not read"
    failed(guarded, "PAN204", hidden, "web.service.consul", "--server", "127.0.0.1")
    seen = "1 of 1 instances of web pass, and Consul's DNS has none"
    failed(guarded, "PAN210", seen, "web.service.consul", "--server", "127.0.0.1", "--token-file", str(token))


def test_the_reason_goes_out_with_the_answer_and_into_the_log_once(
    host: Namespace, gateway: Gateway, consul: Consul
) -> None:
    def reason() -> str:
        told = host.run("dig", "@127.0.0.1", "wep.service.consul")
        return "".join(re.findall(r"; EDE: 0 \(Other\): \((.*)\)", told))

    missing = "PAN202 Consul has no service wep; did you mean web?"
    failing = "PAN201 wep is registered, no instance passes"
    consul.register("web", ONE)
    eventually(lambda: reason() == missing, "the reason")
    assert [reason() for _ in range(5)] == [missing] * 5
    consul.register("wep", ONE, check=reached_by_tcp(ONE, 9))
    eventually(lambda: reason() == failing, "the new reason", within=15)

    log = gateway.errors + gateway.output
    assert log.count(f"wep.service.consul: {failing}") == 1
    assert missing not in log, "anybody can make up such names"


def test_json_has_the_same(here: Namespace, registered: None) -> None:
    told = explain(here, "pyton1.service.consul", "--json").json

    assert told["version"] == 1 and told["name"] == "pyton1.service.consul"
    assert told["verdict"]["code"] == "PAN202"
    assert [hop["stage"] for hop in told["hops"]] == ["this host", "gateway", "consul", "instances"]


@pytest.mark.parametrize("words", [("a..b",), ("web.service.consul", "--type", "NOPE"), ("x" * 300,)])
def test_what_is_no_question_is_told_in_one_line(host: Namespace, words: tuple[str, ...]) -> None:
    told = explain(host, "--server", "127.0.0.1:9", *words)

    assert told.status == 2
    assert "not a" in told.errors or "over 255" in told.errors
