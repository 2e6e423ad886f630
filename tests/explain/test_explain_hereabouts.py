"""What is said of this host, and which commands are printed where."""

import pytest

from panteras_dns.endpoint import Endpoint
from panteras_dns.explain import hereabouts
from panteras_dns.host import starting

HERE, THERE = Endpoint("127.0.0.1", 53), Endpoint("10.9.9.7", 53)
STUB = Endpoint("127.0.0.53", 53)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Files of a host, and what Docker says of containers that were stopped."""
    stopped = []
    monkeypatch.setattr(starting, "addresses", lambda: ["127.0.0.1", "10.0.0.5"])
    monkeypatch.setattr(hereabouts, "holder", lambda *_: "dnsmasq (pid 412)")

    def start(unit):
        return starting.to_start(unit, tmp_path, lambda *_: "\n".join(stopped))

    def start_consul(problem):
        return starting.to_start_consul(problem, tmp_path, lambda *_: "\n".join(stopped))

    monkeypatch.setattr(hereabouts, "to_start", start)
    monkeypatch.setattr(hereabouts, "to_start_consul", start_consul)

    def has(*units, containers=()):
        stopped[:] = containers
        for unit in units:
            place = tmp_path / "etc/systemd/system" / unit
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()

    return has


def test_who_is_silent_here_is_started(host):
    assert hereabouts.silent(HERE, "no answer").fix == ("panteras doctor",)
    host("panteras-dns.service", "systemd-resolved.service")

    assert hereabouts.silent(HERE, "no answer").fix == ("systemctl start panteras-dns.service",)
    assert hereabouts.silent(Endpoint("127.0.0.1", 5353), "no answer").fix == ()
    assert hereabouts.silent(STUB, "no answer").fix == ("systemctl start systemd-resolved.service",)
    assert hereabouts.silent(THERE, "no answer").fix == () and "another host" in hereabouts.silent(THERE, "x").note


@pytest.mark.parametrize("names", [["pihole-dnsmasq", "my-panteras-dns2"], ["dns"], ["panteras-dns;reboot"], []])
def test_nobody_else_s_container_is_started(host, names):
    host(containers=names)
    assert hereabouts.silent(HERE, "no answer").fix == ("panteras doctor",)


@pytest.mark.parametrize("name", ["panteras-dns", "panteras-dns-1", "box_panteras-dns_1"])
def test_ours_is_by_its_whole_name(host, name):
    host(containers=["pihole-dnsmasq", name])
    assert hereabouts.silent(HERE, "no answer").fix == (f"docker start {name}",)


def test_a_stranger_holds_port_53_of_this_host_and_of_no_other(host):
    assert hereabouts.stranger(HERE).code == "PAN501" and "dnsmasq (pid 412)" in hereabouts.stranger(HERE).text
    for other in (THERE, STUB, Endpoint("127.0.0.1", 8600)):
        assert hereabouts.stranger(other).code == "PAN102", other


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("127.0.0.1:8600 refused the question", ("systemctl start consul.service", "journalctl -u consul -n 50")),
        ("10.0.0.5:8600 refused the question", ("systemctl start consul.service", "journalctl -u consul -n 50")),
        ("http://localhost:8500: Connection refused", ("systemctl start consul.service", "journalctl -u consul -n 50")),
        ("http://127.0.0.1:8500: the answer is 500", ("journalctl -u consul -n 50",)),
        ("[::1]:8600 did not answer in time", ("journalctl -u consul -n 50",)),
        ("10.9.9.7:8600 refused the question", ("panteras doctor",)),
        ("no word of whom", ("panteras doctor",)),
    ],
)
def test_consul_is_started_where_it_is_and_only_when_it_does_not_run(host, reason, fix):
    host("consul.service")
    found = hereabouts.no_consul(HERE, reason)

    assert (found.code, found.text, found.fix) == ("PAN301", f"Consul does not answer: {reason}", fix)
    assert hereabouts.no_consul(THERE, reason).fix == ()


def test_a_container_of_consul_s(host):
    host(containers=["consul-exporter", "panteras-consul-1"])
    assert hereabouts.no_consul(HERE, "127.0.0.1:8600 refused the question").fix == ("docker start panteras-consul-1",)
