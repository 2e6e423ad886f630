"""Each check of the doctor on a machine that is told to it: the finding, and the commands that mend it."""

import json
import shlex
from pathlib import Path

import pytest
from builders import a_consul, succeeded

from panteras_dns.config import parse
from panteras_dns.doctor import containers, firewall, machine, resolver
from panteras_dns.doctor.consul import Agent, agent
from panteras_dns.doctor.examine import asked
from panteras_dns.doctor.finding import PROBLEM, WARNING, Finding, Looked, Report, Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.endpoint import Endpoint
from panteras_dns.query import Found
from panteras_dns.rest import Answer

GATEWAY = "127.0.0.1"
CONFIGURED = '[[route]]\ndomains = ["."]\nservers = ["9.9.9.9"]\n'
BRIDGE = "docker0  UP  172.17.0.1/16 fe80::1/64\n"


class Told(Host):
    """A machine as the test tells of it: files below *root*, and what the rest of it says."""

    def __init__(
        self, root: Path, gateways=(GATEWAY,), held="", commands=None, answers=None, open_ports=(), config=CONFIGURED
    ):
        super().__init__(root, parse(config))
        object.__setattr__(self, "said", (set(gateways), held, commands or {}, answers or {}, set(open_ports)))

    def is_gateway(self, server):
        return server.host in self.said[0]

    def holder(self, address, port):
        return self.said[1]

    def command(self, *words):
        return self.said[2].get(" ".join(words[:2]))

    def ask(self, server, name, kind="A"):
        rcode, reason = self.said[3].get(name, ("NOERROR", ""))
        return None if not rcode else Found(name, kind, rcode, [], reason, "", "", str(server), 1.0)

    def open_files(self, port):
        return (self.root.joinpath("files").exists() and (412, int(self.read("/files")))) or None

    def accepts(self, address, port):
        return port in self.said[4]

    def put(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return self


def codes(found) -> list[str]:
    return [one.code for one in found]


UNIT = "/etc/systemd/system/panteras-dns.service"


def test_port_53_is_the_gateway_s(tmp_path) -> None:
    assert codes(resolver.port(Told(tmp_path))) == []
    (nobody,) = resolver.port(Told(tmp_path, gateways=()).put(UNIT, ""))
    assert (nobody.code, nobody.fix) == ("PAN101", ("systemctl start panteras-dns.service",))


@pytest.mark.parametrize(
    ("who", "stopped"),
    [
        ("dnsmasq (pid 7, dnsmasq.service)", "dnsmasq.service"),
        ("named (pid 7, named.service)", "named.service"),
        ("dnsmasq (pid 7)", ""),
        ("docker-proxy (pid 7, docker.service)", ""),
        ("dnsmasq (pid 7, NetworkManager.service)", ""),
        ("panteras (pid 7, panteras-dns.service)", ""),
        ("$(reboot).service (pid 5)", ""),
        ("dnsmasq.service (pid 5, docker.service)", ""),
        ("another program (run as root to see which)", ""),
    ],
)
def test_only_what_is_a_dns_server_and_nothing_else_is_to_be_stopped(tmp_path, who, stopped) -> None:
    (found,) = resolver.port(Told(tmp_path, gateways=(), held=who).put(UNIT, ""))
    expected = (f"systemctl disable --now {stopped}", "systemctl start panteras-dns.service") if stopped else ()

    assert found.what == f"port 53 is held by {who}" and found.fix == expected


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

    assert found.fix == ("rm /etc/resolv.conf", "printf %s 'nameserver 127.0.0.1\n' > /etc/resolv.conf")


def test_nothing_is_changed_that_would_take_the_names_away(tmp_path) -> None:
    down = Told(tmp_path, gateways=()).put("/etc/resolv.conf", "nameserver 9.9.9.9\n")
    unconfigured = Told(tmp_path, config="").put("/etc/resolv.conf", "nameserver 127.0.0.1\nnameserver 9.9.9.9\n")
    (first,), (second,) = resolver.resolv_conf(down), resolver.resolv_conf(unconfigured)

    assert first.fix == second.fix == ()
    assert "first let a gateway answer" in first.why and "give the gateway servers for all other names" in second.why


def test_whatever_stands_in_resolv_conf_is_no_command_and_the_rest_of_it_stays(tmp_path) -> None:
    odd = "nameserver 127.0.0.1\nnameserver fe80::1%';reboot;'\nnameserver\t2001:DB8:0::1 # ours\noptions ndots:1\n"
    host = Told(tmp_path).put("/etc/resolv.conf", odd)
    (found,) = resolver.resolv_conf(host)
    words = shlex.split(found.fix[0])

    assert words[:2] == ["printf", "%s"] and words[3:] == [">", "/etc/resolv.conf"]
    assert words[2] == "nameserver 127.0.0.1\noptions ndots:1\n"


def test_answers_are_missed_from_consul_and_from_upstream(tmp_path) -> None:
    answers = {"consul.service.consul": ("SERVFAIL", "PAN301 refused"), ".": ("", "")}
    found = list(resolver.names(Told(tmp_path, answers=answers)))

    assert [(one.code, one.level) for one in found] == [("PAN301", PROBLEM), ("PAN310", WARNING)]
    assert codes(resolver.names(Told(tmp_path))) == []
    with pytest.raises(Unseen, match="no gateway answers"):
        list(resolver.names(Told(tmp_path, gateways=(), answers=answers)))


@pytest.mark.parametrize(
    ("daemon", "resolv", "found", "why"),
    [
        ('{"dns": ["172.17.0.1"]}', "nameserver 127.0.0.1\n", [], ""),
        (None, "nameserver 172.17.0.1\n", [], ""),
        (None, "nameserver 127.0.0.1\n", ["PAN510"], "Docker gives them servers of Google's"),
        (None, "nameserver 9.9.9.9\n", ["PAN510"], "they get those of /etc/resolv.conf: 9.9.9.9"),
        ('{"dns": ["9.9.9.9"], "debug": true}', "", ["PAN510"], "has other servers for them: 9.9.9.9"),
        ('{"debug": true,}', "", ["PAN512"], "Docker does not start with it"),
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
    host = Told(tmp_path, (GATEWAY, "172.17.0.1"), commands={"ip -4": BRIDGE})
    host.put("/etc/docker/daemon.json", '{"debug": "it\'s"}')
    (found,) = containers.servers(host)

    assert json.loads(shlex.split(found.fix[1])[2]) == {"debug": "it's", "dns": ["172.17.0.1"]}


def test_docker_is_not_sent_to_an_address_where_no_gateway_answers(tmp_path) -> None:
    (found,) = containers.servers(Told(tmp_path, commands={"ip -4": BRIDGE}))

    assert found.fix == () and "nor does one answer at 172.17.0.1" in found.why


def test_without_docker_nobody_looks_for_its_containers(tmp_path) -> None:
    assert codes(containers.servers(Told(tmp_path))) == codes(firewall.firewall(Told(tmp_path))) == []


def itself(recursors=(), version="1.20.1"):
    return {"Config": {"Version": version}, "DebugConfig": {"DNSRecursors": list(recursors)}}


FINE = {"leader": "10.0.0.5:8300", "services": {"consul": [], "web": []}, "itself": itself()}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, []),
        ({"problem": "refused", "leader": None, "services": None, "itself": None}, ["PAN520"]),
        ({"problem": "500", "services": None, "itself": None}, ["PAN520"]),
        ({"problem": "500", "leader": "", "services": None, "itself": None}, ["PAN520", "PAN302"]),
        ({"leader": ""}, ["PAN302"]),
        ({"services": {}}, ["PAN204"]),
        ({"services": {"consul": [], "a_b": [], "a b": []}}, ["PAN521"]),
        ({"itself": itself(version="1.7.2")}, ["PAN522"]),
        ({"itself": itself(["127.0.0.1:53"])}, ["PAN523"]),
        ({"itself": itself(["10.0.0.5"])}, ["PAN523"]),
        ({"itself": itself(["127.0.0.53:53", "127.0.0.1:5353", "nonsense"])}, []),
        ({"itself": itself(["9.9.9.9:53", "9.9.9.10"])}, []),
    ],
)
def test_the_agent(told, found) -> None:
    assert (
        codes(agent(Agent(**{**FINE, **told}), (), {Endpoint("127.0.0.1", 53), Endpoint("10.0.0.5", 53)}.__contains__))
        == found
    )


@pytest.mark.parametrize(
    ("path", "answer", "found"),
    [
        ("/v1/status/leader", "<html>Welcome</html>", ["PAN520"]),
        ("/v1/status/leader", Answer(500, {}, "No cluster leader"), ["PAN520"]),
        ("/v1/status/leader", "", ["PAN302"]),
        ("/v1/status/leader", "[fd00::5]:8300", []),
        ("/v1/catalog/services", Answer(500, {}, "rpc error"), ["PAN520"]),
        ("/v1/catalog/services", Answer(403, {}, "Permission denied"), []),
        ("/v1/catalog/services", "<html>Welcome</html>", ["PAN520"]),
        ("/v1/agent/self", Answer(500, {}, "rpc error"), ["PAN520"]),
        ("/v1/agent/self", Answer(403, {}, "Permission denied"), []),
    ],
)
def test_what_the_agent_does_not_tell_is_a_finding(path, answer, found) -> None:
    said = {
        "/v1/status/leader": "10.0.0.5:8300",
        "/v1/catalog/services": {"consul": [], "web": []},
        "/v1/agent/self": itself(),
    }
    told = succeeded(asked(a_consul({**said, path: answer})))

    assert codes(agent(told, (), lambda _: False)) == found


def test_limits(tmp_path) -> None:
    small = Told(tmp_path).put("/proc/sys/net/core/rmem_max", "65536\n")

    assert codes(machine.limits(small)) == ["PAN541"]
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


def test_nothing_is_stopped_for_which_there_is_nothing_to_start(tmp_path) -> None:
    (found,) = resolver.port(Told(tmp_path, gateways=(), held="dnsmasq (pid 7, dnsmasq.service)"))

    assert found.fix == () and "DHCP" in found.why


def test_a_stub_that_is_dead_is_told_whoever_is_behind_it(tmp_path) -> None:
    host = Told(tmp_path, answers={"localhost": ("", "")}).put("/etc/resolv.conf", "nameserver 127.0.0.53\n")
    host.put("/run/systemd/resolve/resolv.conf", "nameserver 127.0.0.1\n")
    (found,) = resolver.resolv_conf(host)
    assert found.fix == ("printf %s 'nameserver 127.0.0.1\n' > /etc/resolv.conf",)

    host.put("/lib/systemd/system/systemd-resolved.service", "")
    (found,) = resolver.resolv_conf(host)

    assert (found.code, found.fix) == ("PAN101", ("systemctl start systemd-resolved.service",))


def test_whom_systemd_resolved_asks_has_to_be_seen(tmp_path) -> None:
    with pytest.raises(Unseen, match="does not tell whom systemd-resolved asks"):
        list(resolver.resolv_conf(Told(tmp_path).put("/etc/resolv.conf", "nameserver 127.0.0.53\n")))


def test_where_no_gateway_answers_what_follows_from_it_is_not_told(tmp_path) -> None:
    host = Told(tmp_path, gateways=(), commands={"ip -4": BRIDGE}).put("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    host.put("/etc/docker/daemon.json", '{"dns": ["172.17.0.1"]}')
    for check in (resolver.resolv_conf, resolver.names, containers.servers):
        with pytest.raises(Unseen, match=r"no gateway answers at 127\.0\.0\.1:53"):
            list(check(host))


def test_what_is_there_is_started(tmp_path) -> None:
    containers_ = {"docker ps": "panteras-consul-1\nweb\n"}

    assert Told(tmp_path, commands=containers_).start("consul") == ("docker start panteras-consul-1",)
    assert Told(tmp_path).start("consul") == ()
    host = Told(tmp_path).put("/lib/systemd/system/consul.service", "")
    assert host.start("consul") == ("systemctl start consul.service",)
    host.put("/etc/systemd/system/consul.socket", "")
    assert host.start("consul") == ("systemctl start consul.socket consul.service",)
    refused = host.start_consul("127.0.0.1:8600 refused the question")
    assert refused == ("systemctl start consul.socket consul.service", "journalctl -u consul -n 50")
    assert host.start_consul("192.0.2.7:8600 refused the question") == ()


def test_what_others_say_is_nothing_to_a_terminal() -> None:
    told = Report([Looked("Consul", (Finding("PAN521", "\x1b[2J", "why"),))]).as_text()

    assert "\x1b" not in told and "\\x1b[2J" in told


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


@pytest.mark.parametrize(("files", "found"), [(1024, ["PAN543"]), (65536, [])])
def test_a_server_that_may_open_few_files(tmp_path, files, found):
    told = list(machine.limits(Told(tmp_path).put("/files", str(files))))

    assert codes(told) == found
    assert [one.fix for one in told] == [("prlimit --pid 412 --nofile=65536:65536",)] * len(found)
