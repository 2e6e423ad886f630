"""The stage for the VPN door: a laptop, a gateway, a host with the services, in network namespaces; and two ways in.

One is the door. The other has the defaults that most people run, those of kylemanna/docker-openvpn, in OpenVPN 2.6 with
keys and certificates of the same kinds. The parts are those of the end-to-end lab.
"""

import contextlib
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from lab.gateway import Gateway
from lab.gateway import command as panteras
from lab.namespace import Namespace, join
from lab.process import Process
from lab.vpn import Client, Identities, Program

GATEWAY, SERVICE, NETWORK, INSIDE = "10.77.1.1", "10.77.9.11", "10.77.9.0/24", "10.77.9.1"
STREAMS = 5201  # port
__all__ = ["DOOR", "PLAIN", "SERVICE", "STREAMS", "Stage", "panteras"]

DOOR, PLAIN = "door", "kylemanna's defaults"

PLAIN_SERVER = """\
server 192.168.255.0 255.255.255.0
verb 3
ca {vpn}/ca.crt
cert {vpn}/server.crt
key {vpn}/server.key
dh none
tls-auth {folder}/ta.key
key-direction 0
keepalive 10 60
persist-key
persist-tun
proto udp
port 1195
dev plain0
dev-type tun
status {folder}/plain.status
user nobody
group nogroup
comp-lzo no
push "comp-lzo no"
push "route 10.77.9.0 255.255.255.0"
"""
PLAIN_CLIENT = """\
client
nobind
dev plain1
dev-type tun
remote-cert-tls server
remote {gateway} 1195 udp
key-direction 1
{own}
<tls-auth>
{secret}</tls-auth>
"""


class Stage(contextlib.ExitStack):
    """Everything, from the first namespace to the servers; leaving it ends all of it, in reverse."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._identities = Identities(folder, INSIDE, "--network", NETWORK)
        self.laptops: dict[str, Namespace] = {}

    def set(self) -> None:
        """Hosts, wires, names, and somebody to send and receive."""
        self._gateway, service = self._host("gateway"), self._host("service")
        join(self._gateway, service, [f"{INSIDE}/24"], [f"{SERVICE}/24"])
        service.add_route("default", INSIDE)
        self._gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._gateway.use_resolvers("198.51.100.53")  # an upstream that is never asked
        self._plain_gateway = self._host("plain")
        join(self._plain_gateway, service, ["10.77.8.1/24"], ["10.77.8.2/24"])
        self._plain_gateway.add_route(NETWORK, "10.77.8.2")
        self._plain_gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for number, (way, gateway) in enumerate(((DOOR, self._gateway), (PLAIN, self._plain_gateway)), 1):
            self.laptops[way] = self._host(f"laptop{number}")
            join(gateway, self.laptops[way], [f"10.77.{number}.1/24"], [f"10.77.{number}.2/24"])
        words = ["iperf3", "--server", "--bind", SERVICE, "--port", str(STREAMS), "--forceflush"]
        self._keep(Process(words, self._folder / "iperf3.log", service))
        self._keep(Gateway(self._gateway, self._folder / "gateway.log"))

    def start_to_first_packet(self) -> float:
        """Seconds from nothing, on either side, to an answer through the tunnel. The door stays open."""
        profile = self._identities.profile(f"laptop{time.monotonic_ns()}", GATEWAY)
        began = time.monotonic()
        door = self._keep(Program(self._identities, self._gateway, self._folder))
        client = Client(self.laptops[DOOR], profile)
        self._keep(client)
        client.connect()
        _reach(self.laptops[DOOR])
        took = time.monotonic() - began
        self._door = (client, door)
        return took

    def close_door(self) -> None:
        for one in self._door:
            one.stop()

    def open_plain(self) -> None:
        """The other way in."""
        vpn, folder, laptop = self._identities.state / "vpn", self._folder, self.laptops[PLAIN]
        profile = self._identities.profile("plain", GATEWAY).read_text()
        own = "\n".join(_section(profile, name) for name in ("ca", "cert", "key"))
        self._gateway.run("openvpn", "--genkey", "secret", f"{folder}/ta.key")
        (folder / "plain-server.conf").write_text(PLAIN_SERVER.format(vpn=vpn, folder=folder))
        secret = (folder / "ta.key").read_text()
        text = PLAIN_CLIENT.format(gateway="10.77.2.1", own=own, secret=secret)
        (folder / "plain-client.conf").write_text(text)
        for side, host in (("server", self._plain_gateway), ("client", laptop)):
            words = ["openvpn", "--config", f"{folder}/plain-{side}.conf"]
            end = self._keep(Process(words, folder / f"plain-{side}.log", host))
            end.wait_until(lambda end=end: "Initialization Sequence Completed" in end.output, "connected")
        # As its start script does it; without, the services would need a route back.
        where = ("-s", "192.168.255.0/24", "-o", "service")
        self._plain_gateway.run("iptables", "-t", "nat", "-A", "POSTROUTING", *where, "-j", "MASQUERADE")
        _reach(laptop)

    def _host(self, role: str) -> Namespace:
        made = Namespace(role)
        self.callback(made.delete)
        return made

    def _keep(self, process: Process) -> Process:
        self.callback(process.stop)
        return process


def _reach(laptop: Namespace) -> None:
    """A connection to the service, and back."""
    laptop.run("timeout", "5", "bash", "-c", f"</dev/tcp/{SERVICE}/{STREAMS}")


def _section(profile: str, name: str) -> str:
    found = re.search(rf"<{name}>.*</{name}>", profile, re.DOTALL)
    assert found
    return found[0]
