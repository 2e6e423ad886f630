"""The sample catalogue of `panteras serve --demo`: what Consul would say of four containers.

python1 and python2 with two instances each, in the names and shapes that Consul has. Needs no Consul.
"""

import ipaddress

from panteras_dns.names import wire_name
from panteras_dns.records import Records, Static, compile_records
from panteras_dns.wire import SRV, TXT, A

INSTANCES = {
    "python1": (("10.0.1.5", 31001), ("10.0.1.9", 31002)),
    "python2": (("10.0.1.5", 31003), ("10.0.1.9", 31004)),
}
NODES = {"node1": "10.0.1.5", "node2": "10.0.1.9", "consul": "127.0.0.1"}


def catalogue() -> Records:
    """The zone `consul` with the sample services; every TTL is 0, as Consul's are."""
    found = [Static(wire_name("consul.service.consul"), A, 0, ipaddress.ip_address("127.0.0.1").packed)]
    for node, address in NODES.items():
        for name in (f"{node}.node.consul", f"{node}.node.dc1.consul"):
            found.append(Static(wire_name(name), A, 0, ipaddress.ip_address(address).packed))
            found.append(Static(wire_name(name), TXT, 0, b"\x17consul-network-segment="))
    for service, instances in INSTANCES.items():
        for address, port in instances:
            found += _instance(service, address, port)
    return compile_records(found, closed={wire_name("consul"): 0})


def _instance(service: str, address: str, port: int) -> list[Static]:
    packed = ipaddress.ip_address(address).packed
    target = wire_name(f"{packed.hex()}.addr.dc1.consul")
    data = (1).to_bytes(2, "big") * 2 + port.to_bytes(2, "big") + target
    names = (f"{service}.service.consul", f"{service}.service.dc1.consul")
    found = [Static(wire_name(name), A, 0, packed) for name in names]
    found += [Static(wire_name(name), SRV, 0, data) for name in (*names, f"_{service}._tcp.service.consul")]
    return [*found, Static(target, A, 0, packed)]
