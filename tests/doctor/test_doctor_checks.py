"""Each check of the doctor on a machine that is told to it: the finding, and the commands that mend it."""

import json
from pathlib import Path

import pytest

from panteras_dns.doctor import containers, machine, resolver
from panteras_dns.doctor.consul import Agent, agent
from panteras_dns.doctor.finding import PROBLEM, WARNING, Finding, Looked, Report
from panteras_dns.doctor.host import Host
from panteras_dns.query import Found

GATEWAY = "127.0.0.1"
BRIDGE = "docker0  UP  172.17.0.1/16 fe80::1/64\n"


class Told(Host):
    """A machine as the test tells of it: files below *root*, and what the rest of it says."""

    def __init__(
        self, root: Path, gateways=(GATEWAY,), held="", commands=None, answers=None, open_ports=(), files=65536
    ):
        super().__init__(root)
        object.__setattr__(self, "said", (set(gateways), held, commands or {}, answers or {}, set(open_ports), files))

    def is_gateway(self, server):
        return server.host in self.said[0]

    def holder(self, address, port):
        return self.said[1]

    def command(self, *words):
        return self.said[2].get(" ".join(words[:2]))

    def ask(self, server, name, kind="A"):
        rcode, reason = self.said[3].get(name, ("NOERROR", ""))
        return None if not rcode else Found(name, kind, rcode, [], reason, "", "", str(server), 1.0)

    def accepts(self, address, port):
        return port in self.said[4]

    def file_limit(self):
        return self.said[5]

    def put(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return self


def codes(found) -> list[str]:
    return [one.code for one in found]


def test_port_53_is_the_gateway_s(tmp_path) -> None:
    assert codes(resolver.port(Told(tmp_path))) == []
    assert codes(resolver.port(Told(tmp_path, gateways=()))) == ["PAN101"]
    (held,) = resolver.port(Told(tmp_path, gateways=(), held="systemd-resolve (pid 412, systemd-resolved.service)"))
    assert held.code == "PAN501" and "DNSStubListener=no" in held.fix[1]
    (held,) = resolver.port(Told(tmp_path, gateways=(), held="dnsmasq (pid 7, dnsmasq.service)"))
    assert held.fix == ("systemctl disable --now dnsmasq.service", "systemctl restart panteras-dns")
    (held,) = resolver.port(Told(tmp_path, gateways=(), held="dnsmasq (pid 7)"))
    assert held.what == "port 53 is held by dnsmasq (pid 7)" and held.fix == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 127.0.0.1\n", []),
        ("nameserver 9.9.9.9\n", ["PAN102"]),
        ("", ["PAN102"]),
        ("nameserver 9.9.9.9\nnameserver 127.0.0.1\n", ["PAN102"]),
        ("nameserver 127.0.0.1\nnameserver 9.9.9.9\n", ["PAN502"]),
        ("nameserver 127.0.0.53\n", ["PAN102"]),
    ],
)
def test_the_only_server_of_the_machine_is_a_gateway(tmp_path, text, found) -> None:
    host = Told(tmp_path).put("/etc/resolv.conf", text).put("/run/systemd/resolve/resolv.conf", "nameserver 9.9.9.9\n")

    assert codes(resolver.resolv_conf(host)) == found


def test_a_link_is_removed_before_the_file_is_written(tmp_path) -> None:
    host = Told(tmp_path).put("/run/there", "nameserver 9.9.9.9\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").symlink_to(tmp_path / "run/there")
    (found,) = resolver.resolv_conf(host)

    assert found.fix == ("rm /etc/resolv.conf", "printf 'nameserver 127.0.0.1\\n' > /etc/resolv.conf")


def test_answers_are_missed_from_consul_and_from_upstream(tmp_path) -> None:
    answers = {"consul.service.consul": ("SERVFAIL", "PAN301 refused"), ".": ("", "")}
    found = list(resolver.names(Told(tmp_path, answers=answers)))

    assert [(one.code, one.level) for one in found] == [("PAN301", PROBLEM), ("PAN310", WARNING)]
    assert codes(resolver.names(Told(tmp_path))) == []
    assert codes(resolver.names(Told(tmp_path, gateways=(), answers=answers))) == []


@pytest.mark.parametrize(
    ("daemon", "resolv", "found", "why"),
    [
        ('{"dns": ["172.17.0.1"]}', "nameserver 127.0.0.1\n", [], ""),
        (None, "nameserver 172.17.0.1\n", [], ""),
        (None, "nameserver 127.0.0.1\n", ["PAN510"], "Docker gives them servers of Google's"),
        (None, "nameserver 9.9.9.9\n", ["PAN510"], "they get those of /etc/resolv.conf: 9.9.9.9"),
        ('{"dns": ["9.9.9.9"], "debug": true}', "", ["PAN510"], "has other servers for them: 9.9.9.9"),
        ("{", "", ["PAN512"], "Docker does not start with it"),
        ("[]", "", ["PAN512"], "Docker does not start with it"),
    ],
)
def test_containers_ask_the_gateway(tmp_path, daemon, resolv, found, why) -> None:
    host = Told(tmp_path, gateways=(GATEWAY, "172.17.0.1"), commands={"ip -4": BRIDGE}).put("/etc/resolv.conf", resolv)
    if daemon is not None:
        host.put("/etc/docker/daemon.json", daemon)
    told = list(containers.servers(host))

    assert codes(told) == found
    assert all(why in one.why for one in told)


def test_what_is_said_in_daemon_json_already_stays(tmp_path) -> None:
    host = Told(tmp_path, commands={"ip -4": BRIDGE}).put("/etc/docker/daemon.json", '{"debug": true}')
    (found,) = containers.servers(host)
    written = found.fix[1].partition("'%s\\n' '")[2].partition("'")[0]

    assert json.loads(written) == {"debug": True, "dns": ["172.17.0.1"]}


def test_without_docker_nobody_looks_for_its_containers(tmp_path) -> None:
    assert codes(containers.servers(Told(tmp_path))) == codes(containers.firewall(Told(tmp_path))) == []


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ("-P INPUT ACCEPT\n", []),
        ("-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n", ["PAN511"]),
        ("-P INPUT DROP\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n", ["PAN511"]),
        ("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n", ["PAN511"]),
        ("-P INPUT DROP\n-A INPUT -i docker0 -p udp -m udp --dport 53 -j ACCEPT\n", []),
        ("-P INPUT DROP\n-A INPUT -i eth0 -p udp -m udp --dport 53 -j ACCEPT\n", ["PAN511"]),
        ("-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT\n", ["PAN511"]),
    ],
)
def test_the_firewall_lets_containers_ask(tmp_path, rules, found) -> None:
    host = Told(tmp_path, commands={"ip -4": BRIDGE, "iptables -S": rules})

    assert codes(containers.firewall(host)) == found


def itself(recursors=(), version="1.20.1"):
    return {"Config": {"Version": version}, "DebugConfig": {"DNSRecursors": list(recursors)}}


FINE = {"leader": "10.0.0.5:8300", "services": {"consul": [], "web": []}, "itself": itself()}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, []),
        ({"problem": "refused"}, ["PAN520"]),
        ({"leader": ""}, ["PAN302"]),
        ({"services": {}}, ["PAN204"]),
        ({"services": {"consul": [], "a_b": [], "a b": []}}, ["PAN521"]),
        ({"itself": itself(version="1.7.2")}, ["PAN522"]),
        ({"itself": itself(["127.0.0.1:53"])}, ["PAN523"]),
        ({"itself": itself(["10.0.0.5"])}, ["PAN523"]),
        ({"itself": itself(["[::1]:53"])}, ["PAN523"]),
        ({"itself": itself(["9.9.9.9:53", "9.9.9.10"])}, []),
    ],
)
def test_the_agent(told, found) -> None:
    assert codes(agent(Agent(**{**FINE, **told}), ["127.0.0.1", "10.0.0.5"])) == found


def test_limits(tmp_path) -> None:
    small = Told(tmp_path, files=1024).put("/proc/sys/net/core/rmem_max", "65536\n")

    assert codes(machine.limits(small)) == ["PAN540", "PAN541"]
    assert codes(machine.limits(Told(tmp_path).put("/proc/sys/net/core/rmem_max", "212992\n"))) == []


@pytest.mark.parametrize(
    ("days", "level", "text"),
    [(20, WARNING, "in 20 days"), (3, PROBLEM, "in 3 days"), (-2, PROBLEM, "ended on 2026-12-04")],
)
def test_certificates_that_end_soon(tmp_path, monkeypatch, days, level, text) -> None:
    one = {
        "what": "alice/laptop (ssh)",
        "not_after": "2026-12-04T00:00:00Z",
        "days": days,
        "renew": "panteras access renew alice/laptop",
    }
    monkeypatch.setattr(Told, "ending", lambda _self, _state: [one])
    (found,) = machine.certificates(Told(tmp_path))

    assert (found.code, found.level, found.fix) == ("PAN531", level, ("panteras access renew alice/laptop",))
    assert found.what.startswith("alice/laptop (ssh) end") and text in found.what


def test_where_nobody_was_let_in_no_certificate_ends(tmp_path) -> None:
    assert codes(machine.certificates(Told(tmp_path))) == []


def test_a_door_that_is_shut(tmp_path) -> None:
    (tmp_path / "var/lib/panteras/access/door").mkdir(parents=True)

    assert codes(machine.doors(Told(tmp_path))) == ["PAN532"]
    assert codes(machine.doors(Told(tmp_path, open_ports=(2222,)))) == []


def test_a_report_ends_with_its_sum_and_an_exit_status() -> None:
    wrong = Finding("PAN501", "port 53 is held by x", "nobody answers", ("systemctl stop x", "systemctl start y"))
    warned = Finding("PAN530", "the clock", "it is wrong", (), WARNING)
    report = Report(
        [Looked("port 53", (wrong,)), Looked("clock", (warned,)), Looked("names"), Looked("odd", (), "why")]
    )

    assert report.as_text().splitlines() == [
        "FAIL PAN501 port 53 is held by x",
        "     nobody answers",
        "fix: systemctl stop x",
        "     systemctl start y",
        "warn PAN530 the clock",
        "     it is wrong",
        "ok   names",
        "-    odd: not checked: why",
        "1 problem, 1 warning in 4 checks",
    ]
    assert (report.exit_status(), Report([Looked("clock", (warned,))]).exit_status()) == (1, 0)
    assert Report([Looked("clock", (warned,))]).exit_status(strict=True) == 1
    assert Report([Looked("names")]).as_text() == "ok   names\nall is well: 1 checks"
    assert json.loads(report.as_json())["checks"][0]["findings"][0]["fix"] == ["systemctl stop x", "systemctl start y"]
