"""From what Consul has to the reason: the cause alone, with the commands that help."""

import json

import pytest
from cargo import an_instance

from panteras_dns.explain.asked import Asked, asked
from panteras_dns.explain.explanation import FAIL, Explanation, Hop
from panteras_dns.explain.verdict import Facts, Verdict, missing

WEB = Asked("service", "web")
CATALOGUE = {"Web": ["v1", "v2"], "api": [], "consul": []}


def facts(**more) -> Facts:
    return Facts(**{"leads": True, "datacenters": ["dc1", "dc2"], "catalogue": CATALOGUE, **more})


def critical(name="it answers", output="connection refused", key="service:web-1"):
    return {"Name": name, "Status": "critical", "Output": output, "CheckID": key}


@pytest.mark.parametrize(
    ("name", "known", "code", "text"),
    [
        ("web.consul", facts(), "PAN206", "Consul knows no name of this form: web"),
        ("web.service.consul", Facts(problem="refused"), "PAN200", "Consul does not have the service web, and why is not known: refused"),
        ("web.service.consul", Facts(), "PAN200", "Consul does not have the service web, and why is not known: its HTTP API was not asked"),
        ("web.service.consul", facts(leads=False), "PAN302", "Consul has no leader"),
        ("web.service.dc3.consul", facts(), "PAN205", "Consul knows no datacenter dc3: dc1, dc2; did you mean dc2, dc1?"),
        ("web.service.dc2.consul", facts(catalogue=None, problem="late"), "PAN303", "dc2 does not answer: late"),
        ("web.service.consul", facts(catalogue=None, problem="late"), "PAN200", "Consul does not have the service web, and why is not known: late"),
        ("web.service.consul", facts(problem="late"), "PAN200", "Consul does not have the service web, and why is not known: late"),
        ("web.connect.consul", facts(), "PAN200", "Consul does not have the connect web, and why is not known: its catalogue is not looked into for this form"),
        ("web.service.east.peer.consul", facts(), "PAN200", "Consul does not have the service web, and why is not known: its catalogue is not looked into for this form"),
        ("near.query.consul", facts(catalogue={"near": []}), "PAN208", "the query near is defined, and finds no instance that passes"),
        ("box1.node.consul", facts(catalogue={"Box1": []}), "PAN210", "the node box1 is in the catalogue, and not in Consul's DNS"),
        ("wep.service.consul", facts(), "PAN202", "Consul has no service wep; did you mean web?"),
        ("other.service.consul", facts(), "PAN202", "Consul has no service other"),
        ("other.service.consul", facts(hidden=True), "PAN204", "the service other may be there: Consul leaves out what this token may not read"),
        ("box.node.consul", facts(catalogue={"box1": []}), "PAN207", "Consul has no node box; did you mean box1?"),
        ("near.query.consul", facts(catalogue={}), "PAN208", "Consul has no query near"),
        ("v3.web.service.consul", facts(instances=[an_instance(tags=["v1"])]), "PAN203", "web has no instance with the tag v3; it has v1, v2"),
        ("web.service.consul", facts(instances=[an_instance()]), "PAN210", "1 of 1 instances of web pass, and Consul's DNS has none"),
    ],
)  # fmt: skip
def test_each_cause(name, known, code, text) -> None:
    found = missing(asked(name), known)

    assert (found.code, found.text) == (code, text)


def test_no_passing_instance_is_told_with_each_check_and_what_helps() -> None:
    instances = [
        an_instance(id="node2:web-1:80", node="node2", checks=[critical(output="503\n db  timeout")]),
        an_instance(
            id="web-2",
            node="node5",
            checks=[critical("Service Maintenance Mode", "upgrade", "_service_maintenance:web-2")],
        ),
        an_instance(id="web-3", node="node 6", checks=[critical("Node Maintenance Mode", "", "_node_maintenance")]),
        an_instance(id="web-4", node="node7", address="nowhere"),
    ]
    found = missing(WEB, facts(instances=instances))

    assert (found.code, found.text) == ("PAN201", "web is registered, no instance passes")
    assert found.details == (
        "node2:web-1:80 node2  it answers: 503 db timeout",
        "web-2 node5  Service Maintenance Mode: upgrade",
        "web-3 node 6  Node Maintenance Mode: critical",
        "web-4 node7  nowhere:8000 is no place to go to",
    )
    assert found.fix == (
        "ssh node2 docker logs --tail 50 web-1",
        "ssh node5 consul maint -disable -service=web-2",
    )


@pytest.mark.parametrize(
    ("key", "node"), [("h:$(reboot):1", "node2"), ("h:web-1:80", "-oProxyCommand=reboot"), ("h:a b:1", "n")]
)
def test_nothing_that_a_shell_would_take_for_more_is_printed_as_a_command(key, node) -> None:
    maintained = critical(key="_service_maintenance:x")

    assert missing(WEB, facts(instances=[an_instance(id=key, node=node, checks=[critical()])])).fix == ()
    assert missing(WEB, facts(instances=[an_instance(id=key, node=node, checks=[maintained])])).fix == ()


def test_what_a_check_says_can_be_no_command_and_no_terminal_s() -> None:
    evil = an_instance(id="$(reboot):a;b:1", node="`id`", checks=[critical(output="\x1b]0;gone\x07")])
    found = missing(WEB, facts(instances=[evil]))
    told = Explanation("web", "A", [Hop("instances", "0 of 1", FAIL, details=found.details)], found).as_text()

    assert found.fix == ()
    assert "\x1b" not in told and "\\x1b]0;gone\\x07" in told


def test_an_explanation_ends_with_its_verdict_and_its_exit_status() -> None:
    fine = Explanation(
        "web.service.consul",
        "A",
        [Hop("gateway", "127.0.0.1:53", milliseconds=0.84)],
        Verdict("", "10.0.0.5 in 0.8 ms"),
    )
    wrong = Explanation(
        "x",
        "A",
        [],
        Verdict("PAN301", "Consul does not answer", fix=("systemctl start consul", "journalctl -u consul")),
    )

    assert fine.as_text().splitlines()[-1] == "ok   10.0.0.5 in 0.8 ms"
    assert "0.8 ms" in fine.as_text().splitlines()[0]
    assert (fine.exit_status, wrong.exit_status, Explanation("x", "A", checked=False).exit_status) == (0, 1, 3)
    assert wrong.as_text().splitlines() == [
        "fix:  systemctl start consul",
        "      journalctl -u consul",
        "FAIL PAN301 Consul does not answer",
    ]
    assert json.loads(fine.as_json())["verdict"] == {
        "code": "",
        "text": "10.0.0.5 in 0.8 ms",
        "details": [],
        "fix": [],
        "note": "",
    }
