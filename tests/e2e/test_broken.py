"""Hosts that are broken on purpose: named by `panteras doctor` and `panteras explain`, and healed by the commands that the
doctor prints. A real systemd, with a Docker engine, a Consul and an installed gateway of its own."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab import addresses
from lab.docker import Docker
from lab.machine import RESOLVED, Machine, build
from lab.patience import eventually
from lab.resolver import Resolver

NAME = "web.service.consul"
TOKEN = "b1946ac9-2b1e-4a52-9d2c-0a6f0c1e77aa"  # of this machine's own Consul
PACKAGES = ["curl", "dbus", "dnsmasq-base", "dnsutils", "docker.io", "iproute2", "iptables", "procps", "ufw"]
UNITS = {
    "consul": """
[Service]
ExecStart=/usr/local/bin/consul agent -dev -log-level warn -config-dir /etc/consul.d
""",
    "web": """
[Service]
ExecStart=/usr/bin/python3 -m http.server 80 --directory /usr/share/python3
[Install]
WantedBy=multi-user.target
""",
    "dnsmasq": f"""
[Service]
ExecStart=/usr/sbin/dnsmasq -k --conf-file=/dev/null --listen-address=127.0.0.1 --bind-interfaces --server={addresses.RESOLVER}
[Install]
WantedBy=multi-user.target
""",
}
LINES = f"""{RESOLVED}
COPY consul web dnsmasq /etc/systemd/system/
RUN cd /etc/systemd/system && for unit in consul web dnsmasq; do mv $unit $unit.service; done && mkdir /etc/consul.d \\
 && mkdir docker.service.d && printf '[Unit]\\nStartLimitIntervalSec=0\\n' > docker.service.d/often.conf && systemctl enable web
"""
FIND = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int count, char **names) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    char text[INET_ADDRSTRLEN];
    if (count != 2 || getaddrinfo(names[1], NULL, &hints, &found)) return 2;
    for (; found; found = found->ai_next)
        puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text));
    return 0;
}
"""


@dataclass(frozen=True)
class Broken:
    """*doctor* and *explain* are the codes; *inside*: explain runs in a container; *after*: what the set-up leaves."""

    how: tuple[str, ...]
    doctor: str
    explain: str
    inside: bool = False
    after: tuple[str, ...] = ()


def _servers(*, live: bool = False, **config: Any) -> str:
    """Docker with that configuration."""
    text = json.dumps({**config, **({"live-restore": True} if live else {})})
    return f"printf '%s' '{text}' > /etc/docker/daemon.json && systemctl restart docker"


RESOLV_CONF = "printf '{}\\n' > /etc/resolv.conf"
OURS = RESOLV_CONF.format("nameserver 127.0.0.1")
STRANGER = f"nameserver {addresses.RESOLVER}"
STOP = "systemctl stop panteras-dns.socket panteras-dns.service"
STUB = "../run/systemd/resolve/stub-resolv.conf"
SECRET = json.dumps({"acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": TOKEN, "agent": TOKEN}}})
FILTERED = (
    "iptables -A INPUT -i lo -j ACCEPT",
    "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "iptables -A INPUT -p tcp --dport 80 -j ACCEPT",
    "iptables -P INPUT DROP",
)
OPENED = ("iptables -P INPUT ACCEPT", "iptables -F INPUT")
DOCKER0 = "172.18.0.1"  # the machine itself is on the outer engine's 172.17.0.0/16
BROKEN = {
    "the gateway is stopped": Broken((STOP,), "PAN101", "PAN101"),
    "the host asks a stranger": Broken((RESOLV_CONF.format(STRANGER),), "PAN102", "PAN102"),
    "the host asks a stranger as well": Broken((f"echo {STRANGER} >> /etc/resolv.conf",), "PAN502", "PAN502"),
    "systemd-resolved asks a stranger": Broken(
        (f"ln -sf {STUB} /etc/resolv.conf", "systemctl start systemd-resolved", "resolvectl dns eth0 " + addresses.RESOLVER),
        "PAN102",
        "PAN102",
        after=("rm -r /etc/systemd/resolved.conf.d /etc/resolv.conf", "systemctl stop systemd-resolved", OURS),
    ),
    "dnsmasq holds port 53": Broken((STOP, "systemctl enable --now dnsmasq.service"), "PAN501", "PAN501"),
    "Consul is stopped": Broken(("systemctl stop consul",), "PAN301", "PAN301"),
    "an ACL hides the names": Broken(
        (f"echo '{SECRET}' > /etc/consul.d/acl.json", "systemctl restart consul"),
        "PAN204",
        "PAN204",
        after=("rm /etc/consul.d/acl.json", "systemctl restart consul"),
    ),
    "the firewall drops what containers ask": Broken(
        FILTERED, "PAN511", "PAN101", inside=True, after=OPENED
    ),
    "ufw drops what containers ask": Broken(
        ("ufw allow 80/tcp", "ufw --force enable"), "PAN511", "PAN101", inside=True, after=("ufw --force reset",)
    ),
    "containers ask a stranger": Broken((_servers(dns=[addresses.RESOLVER]),), "PAN510", "PAN102", inside=True),
    "a container asks a stranger since before": Broken(
        (
            _servers(dns=[addresses.RESOLVER], live=True),
            "docker restart app",
            _servers(dns=[DOCKER0], live=True),
        ),
        "PAN513",
        "PAN102",
        inside=True,
    ),
}  # fmt: skip


class Host(Machine):
    def sh(self, line: str) -> str:
        return self.run("sh", "-c", line)

    def told(self, *words: str) -> Mapping[str, Any]:
        """What a command says with --json, whatever its exit status."""
        text = self.attempt("sh", "-c", '"$@" --json 2>&1', "sh", *words)
        try:
            found: Mapping[str, Any] = json.loads(text)
        except ValueError:
            raise AssertionError(text) from None
        return found

    def doctor(self) -> Mapping[str, list[str]]:
        """The commands by the code of each finding; the clock is the test machine's own."""
        checks = self.told("panteras", "doctor")["checks"]
        return {found["code"]: found["fix"] for one in checks if one["check"] != "clock" for found in one["findings"]}

    def explain(self, inside: bool) -> str:
        """The code: the verdict's, or else that of a hop's detail."""
        where = ("docker", "exec", "app") if inside else ()
        told = self.told(*where, "panteras", "explain", NAME)
        details = [detail for hop in told["hops"] for detail in hop["details"]]
        return str(told["verdict"]["code"] or next((one[:6] for one in details if one.startswith("PAN")), ""))

    def is_well(self) -> bool:
        return not self.doctor() and not self.explain(inside=False) and not self.explain(inside=True)


@pytest.fixture(scope="module")
def image(_engine: Docker, box_image: str, scratch: Path) -> str:
    context = scratch / "broken"
    context.mkdir()
    for name, text in UNITS.items():
        (context / name).write_text(text)
    return build(_engine, "panteras-broken", context, PACKAGES, LINES)


@pytest.fixture(scope="module")
def application(scratch: Path) -> Path:
    """What is in a container: a look-up by musl, and the machine's own programs."""
    place = scratch / "application"
    for folder in ("usr", "opt", "tmp", "etc"):
        (place / folder).mkdir(parents=True)
    for folder in ("bin", "lib", "lib64"):
        (place / folder).symlink_to(f"usr/{folder}")
    words = ["musl-gcc", "-static", "-x", "c", "-o", str(place / "find"), "-"]
    subprocess.run(words, input=FIND, text=True, timeout=60, check=True)
    return place


@pytest.fixture(scope="module")
def machine(_engine: Docker, _resolver: Resolver, image: str, application: Path) -> Iterator[Host]:
    consul = ("--volume", "/usr/bin/consul:/usr/local/bin/consul:ro", "--volume", f"{application}:/application:ro")
    made = Host(_engine, image, "--dns", addresses.RESOLVER, *consul, engine=True)
    try:
        made.sh(f"umount /etc/resolv.conf; {RESOLV_CONF.format(STRANGER)}")
        web = {"name": "web", "address": made.run("hostname", "--ip-address"), "port": 80, "token": TOKEN}
        made.sh(f"echo '{json.dumps({'service': web})}' > /etc/consul.d/web.json; systemctl start consul")
        made.sh("panteras install --yes --docker && panteras install confirm && systemctl restart docker")
        made.sh("tar --directory /application --create . | docker import - app")
        mounts = "--volume /usr:/usr:ro --volume /opt:/opt:ro"
        words = (
            f"--detach --restart always --stop-signal KILL --name app {mounts} --env PATH=/opt/panteras/bin:/usr/bin"
        )
        made.sh(f"docker run {words} app sleep infinity")
        eventually(made.is_well, "all is well", 30, every=1)
        yield made
    finally:
        print(made.attempt("journalctl", "--no-pager", "-o", "short-precise", "--lines", "400"))
        _engine.remove_containers()


@pytest.mark.parametrize("program", ["getent ahostsv4", "/find"], ids=["glibc", "musl"])
def test_a_container_of_a_host_that_was_installed_finds_the_name(machine: Host, program: str) -> None:
    found = machine.sh(f"docker exec app {program} {NAME}").split()

    assert found[0] == machine.run("hostname", "--ip-address")


def test_what_containers_could_not_reach_is_not_installed(machine: Host) -> None:
    machine.sh("panteras uninstall --yes")
    for line in FILTERED:
        machine.sh(line)
    told = machine.attempt("sh", "-c", "panteras install --yes --docker 2>&1; echo = $?")
    for line in OPENED:
        machine.sh(line)
    machine.sh("panteras install --yes --docker && panteras install confirm")

    assert f"the container app does not reach the gateway at {DOCKER0}" in told, told
    assert told.endswith("taken back, as it was before\n= 1\n")
    assert machine.is_well()


@pytest.mark.parametrize("what", BROKEN)
def test_it_is_named_by_both_and_healed_by_what_is_printed(machine: Host, what: str) -> None:
    one = BROKEN[what]
    for line in one.how:
        machine.sh(line)
    fix = eventually(lambda: machine.doctor().get(one.doctor), f"{one.doctor} with commands", 30, every=1)
    eventually(lambda: machine.explain(one.inside) == one.explain, one.explain, 30, every=1)
    for line in fix:
        machine.sh(f"export CONSUL_HTTP_TOKEN={TOKEN}; {line}")
    eventually(machine.is_well, "all is well", 30, every=1)
    for line in one.after:
        machine.sh(line)
    eventually(machine.is_well, "all is well again", 30, every=1)
