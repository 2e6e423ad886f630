"""The one server that all the others ask: nsd, which plays Consul and the rest of the world.

Its answers have the shape of Consul's: TTL 0, no authority section, addresses in rotating order.
"""

from pathlib import Path

from benchmarks.process import Process, require

PROGRAM, PACKAGE = "nsd", "nsd"
SERVICES = 112

CONFIG = """\
server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  database: ""
  pidfile: ""
  xfrdfile: ""
  xfrdir: "{folder}"
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  minimal-responses: yes
  round-robin: yes
  rrl-ratelimit: 0
  receive-buffer-size: 4194304
  send-buffer-size: 4194304
remote-control:
  control-enable: no
zone:
  name: consul
  zonefile: consul.zone
zone:
  name: example
  zonefile: example.zone
"""

ZONE = """\
$ORIGIN {name}.
$TTL {ttl}
@ SOA ns hostmaster 1 3600 600 86400 {ttl}
@ NS ns
ns A 127.0.0.1
"""


def upstream(port: int, core: int, folder: Path) -> Process:
    """nsd with one server process and its zones, written to *folder*."""
    require(PROGRAM, PACKAGE)
    config = folder / "nsd.conf"
    config.write_text(CONFIG.format(port=port, folder=folder))
    services = "".join(_service(number) for number in range(1, SERVICES + 1))
    (folder / "consul.zone").write_text(ZONE.format(name="consul", ttl=0) + services)
    (folder / "example.zone").write_text(ZONE.format(name="example", ttl=86400) + "* A 192.0.2.1\n")
    return Process([PROGRAM, "-d", "-c", str(config)], port, core, folder / "nsd.log")


def _service(number: int) -> str:
    """Two to four instances of a service, with an SRV record for each."""
    name = f"python{number}.service"
    lines = []
    for instance in range(1, 3 + number % 3):
        address = f"10.{instance}.{number // 256}.{number % 256}"
        node = f"node{instance}-{number}.node.dc1"
        lines += [f"{name} A {address}", f"{name} SRV 1 1 {8000 + instance} {node}", f"{node} A {address}"]
    return "".join(f"{line}\n" for line in lines)
