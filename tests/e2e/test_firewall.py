"""What `panteras doctor` makes of rules of iptables, beside what the kernel makes of the packet."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from lab.namespace import Namespace, join
from lab.patience import eventually
from lab.process import Process

from panteras_dns.doctor.iptables import ACCEPT, DROP, Packet, Rules

SERVER, CLIENT, GUESTS = "172.30.1.1", "172.30.1.7", IPv4Network("172.30.1.0/24")
RECEIVE = f"""
import socket
tcp = socket.create_server(("{SERVER}", 53), backlog=128)
asked, done = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
asked.bind(("{SERVER}", 53)), done.bind(("{SERVER}", 54))
asked.setblocking(False)
print("ready", flush=True)
while done.recv(16):  # the second of two packets on one wire: the first was before it, or nowhere
    try:
        print(asked.recv(16).decode(), flush=True)
    except BlockingIOError:
        print("nothing", flush=True)
"""
SEND = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.sendto(b"question", ("{SERVER}", 53)), one.sendto(b"done", ("{SERVER}", 54))
"""
CONNECT = f"""
import socket
with socket.socket() as one:
    one.settimeout(2)
    try:
        print(one.connect(("{SERVER}", 53)))
    except OSError:
        pass
"""
FRESH = ("-P INPUT ACCEPT", "-F", "-X", "-A INPUT -p udp --dport 54 -j ACCEPT")
RULES = {
    "nothing at all": [],
    "a policy": ["-P INPUT DROP"],
    "another interface": ["-P INPUT DROP", "-A INPUT -i eth0 -j ACCEPT"],
    "any other interface": ["-A INPUT ! -i lo -j DROP"],
    "no other interface": ["-A INPUT ! -i docker+ -j DROP"],
    "a family of interfaces": ["-P INPUT DROP", "-A INPUT -i dock+ -j ACCEPT"],
    "established alone": ["-P INPUT DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"],
    "new ones": ["-P INPUT DROP", "-A INPUT -m state --state NEW -j ACCEPT"],
    "ports": ["-P INPUT DROP", "-A INPUT -p udp -m multiport --dports 22,50:60 -j ACCEPT"],
    "other ports": ["-P INPUT DROP", "-A INPUT -p udp -m multiport --dports 22,54:60 -j ACCEPT"],
    "a range": ["-A INPUT -p udp --dport :1023 -j DROP"],
    "all but one": ["-A INPUT -p udp ! --dport 53 -j ACCEPT", "-A INPUT -p udp -j REJECT"],
    "TCP": ["-P INPUT DROP", "-A INPUT -p tcp --dport 53 -j ACCEPT"],
    "a network": ["-P INPUT DROP", "-A INPUT -s 172.16.0.0/12 -p udp --dport 53 -j ACCEPT"],
    "another network": ["-P INPUT DROP", "-A INPUT -s 10.0.0.0/8 -j ACCEPT"],
    "all but a network": ["-A INPUT ! -s 10.0.0.0/8 -j DROP"],
    "an address of ours": ["-P INPUT DROP", f"-A INPUT -d {SERVER}/32 -j ACCEPT"],
    "a local address": ["-P INPUT DROP", "-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT"],
    "a broadcast": ["-P INPUT DROP", "-A INPUT -m addrtype --dst-type BROADCAST -j ACCEPT"],
    "options in a comment": ["-P INPUT DROP", "-A INPUT -m comment --comment '! -i lo -j DROP' -j ACCEPT"],
    "a comment alone": ["-P INPUT DROP", "-A INPUT -m comment --comment ! -m state --state NEW -j ACCEPT"],
    "SYN": ["-P INPUT DROP", "-A INPUT -p tcp --syn -j ACCEPT"],
    "all but SYN": ["-A INPUT -p tcp ! --syn -j DROP"],
    "odd flags": ["-A INPUT -p tcp --tcp-flags ALL NONE -j DROP", "-A INPUT -p tcp --tcp-flags SYN,FIN SYN,FIN -j DROP"],
    "fragments": ["-A INPUT -f -j DROP"],
    "a packet for us alone": ["-P INPUT DROP", "-A INPUT -m pkttype --pkt-type unicast -j ACCEPT"],
    "a mark on the way": ["-P INPUT DROP", "-A INPUT -m comment --comment one", "-A INPUT -p udp -j ACCEPT"],
    "a chain": ["-N own", "-P INPUT DROP", "-A INPUT -j own", "-A own -p udp -j ACCEPT"],
    "a chain that is passed": ["-N own", "-A INPUT -j own", "-A INPUT -j DROP", "-A own -p tcp -j ACCEPT"],
    "a way back": ["-N own", "-A INPUT -j own", "-A INPUT -j DROP", "-A own -j RETURN", "-A own -j ACCEPT"],
    "no way back": ["-N own", "-A INPUT -g own", "-A INPUT -j DROP", "-A own -p tcp -j ACCEPT"],
    "chains in a chain": [
        "-N outer", "-N inner", "-P INPUT DROP", "-A INPUT -j outer", "-A outer -g inner", "-A outer -j ACCEPT",
        "-A inner -p udp --dport 67 -j ACCEPT",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Bridge:
    """A host, and whoever asks it through its docker0."""

    host: Namespace
    guest: Namespace
    server: Process

    def use(self, rules: Sequence[str]) -> None:
        for rule in (*FRESH, *rules):
            self.host.run("iptables", *shlex.split(rule))

    def connects(self) -> bool:
        return bool(self.guest.run(sys.executable, "-c", CONNECT))

    def arrives(self) -> bool:
        before = self.server.output
        self.guest.run(sys.executable, "-c", SEND)
        return bool("question" in eventually(lambda: self.server.output[len(before) :], "the second packet"))


@pytest.fixture(scope="module")
def bridge(scratch: Path) -> Iterator[Bridge]:
    host, guest = Namespace("asked"), Namespace("docker0")
    try:
        join(host, guest, [f"{SERVER}/24"], [f"{CLIENT}/24"])
        server = Process([sys.executable, "-c", RECEIVE], scratch / "asked.log", host)
        try:
            eventually(lambda: "ready" in server.output, "its sockets")
            yield Bridge(host, guest, server)
        finally:
            server.stop()
    finally:
        host.delete()
        guest.delete()


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_the_doctor_reads_rules_as_the_kernel_does(bridge: Bridge, rules: Sequence[str]) -> None:
    bridge.use(rules)
    told = Rules(bridge.host.run("iptables", "-S"))

    udp, tcp = (told.fate(Packet("docker0", GUESTS, IPv4Address(SERVER), kind)) for kind in ("udp", "tcp"))

    assert udp == {ACCEPT if bridge.arrives() else DROP}
    assert tcp == {ACCEPT if bridge.connects() else DROP}
