"""What a container asks to be registered as: SERVICE_* in its environment and labels, its ports, its addresses.

Pure: the JSON of `docker inspect` in, services out. The meaning of the words is Registrator's (gliderlabs/registrator,
bridge/bridge.go), so that existing images and job files keep working; docs/registrator.md tells where we differ.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from panteras_dns.box.checks import PREFIX, check
from panteras_dns.box.service import Service, clean_meta, clean_tags, dns_label, suggestion
from panteras_dns.instance import INTERNAL_PORT

_OWN_KEYS = {"name", "tags", "id", "ignore"}
_PORTS = re.compile(r"(\d+)/(tcp|udp|sctp)")
_LONGEST_ID = 255
_NUMBER = re.compile(r"[0-9]{1,5}")
Inspected = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """How this host registers. *ip*: what is told as the address of published ports; *node*: this host's address in
    Consul, where a port is published everywhere and *ip* is not said."""

    host: str
    node: str = ""
    ip: str = ""
    internal: bool = False
    explicit: bool = False
    tags: tuple[str, ...] = ()

    @property
    def family(self) -> int:
        """4 or 6: of two bindings of a port, that of this family is told."""
        known = self.ip or self.node
        return 6 if ":" in known else 4


@dataclass(frozen=True, slots=True)
class _Port:
    number: int
    protocol: str
    address: str
    published: int


def services(container: Inspected, rules: Rules, owner: Inspected | None = None) -> tuple[list[Service], list[str]]:
    """The services of a running *container*, and a line for each thing in it that can't be meant.

    *owner*: the container whose network it uses (`--network container:ID`).
    """
    told: list[str] = []
    ports = sorted(_ports(container, rules, owner), key=lambda one: (one.number, one.protocol))
    if _is_of_nomad(container):
        tcp = {(one.number, one.published) for one in ports if one.protocol == "tcp"}
        ports = [one for one in ports if one.protocol != "udp" or (one.number, one.published) not in tcp]
    found: dict[str, Service] = {}
    for port in ports:
        made = _service(container, port, len(ports) > 1, rules, told)
        if made is not None and made.id in found:
            told.append(f"SERVICE_ID {made.id!r}: on two ports; the first is registered")
        elif made is not None:
            found[made.id] = made
    return list(found.values()), list(dict.fromkeys(told))


def network_owner(container: Inspected) -> str:
    """The id of the container whose network this one uses, or ""."""
    mode = str(container.get("HostConfig", {}).get("NetworkMode", ""))
    return mode.removeprefix("container:") if mode.startswith("container:") else ""


def _is_of_nomad(container: Inspected) -> bool:
    """Nomad publishes every port for TCP and for UDP (drivers/docker), whatever the job meant: the service is one."""
    return any(line.startswith("NOMAD_ALLOC_ID=") for line in (container.get("Config") or {}).get("Env") or [])


def name(container: Inspected) -> str:
    return str(container.get("Name", "")).removeprefix("/") or str(container.get("Id", ""))[:12]


def attributes(container: Inspected, port: int) -> tuple[dict[str, str], set[str]]:
    """SERVICE_* for *port*, in lower case and without SERVICE_; and which of them are said for this port alone.

    A label beats the environment, and what is said for a port beats what is said for all.
    """
    config = container.get("Config") or {}
    lines = [line.partition("=") for line in config.get("Env") or []]
    said = [(key, value) for key, equals, value in lines if equals]
    said += list((config.get("Labels") or {}).items())
    general, own = {}, {}
    for key, value in said:
        if not key.upper().startswith("SERVICE_"):
            continue
        rest = key[len("SERVICE_") :].lower()
        number, _, word = rest.partition("_")
        if _NUMBER.fullmatch(number) and word:
            if int(number) == port:
                own[word] = str(value)
        elif rest:
            general[rest] = str(value)
    return {**general, **own}, set(own)


def _service(container: Inspected, port: _Port, several: bool, rules: Rules, told: list[str]) -> Service | None:
    said, own = attributes(container, port.number)
    if said.get("ignore"):
        return None
    called = said.get("name", "")
    if not called:
        if rules.explicit:
            return None
        called = _image_name(container)
    if several and "name" not in own:
        called = f"{called}-{port.number}"
    if not dns_label(called):
        told.append(
            f"port {port.number}: {called[:80]!r} is no name that DNS can say: not registered; "
            f"set SERVICE_{port.number}_NAME={suggestion(called)}"
        )
        return None
    tags, wrong_tags = clean_tags(_tags(said.get("tags", ""), rules.tags, port.protocol))
    meta, wrong_meta = clean_meta(
        {
            key.removeprefix("meta_"): value
            for key, value in said.items()
            if key not in _OWN_KEYS and not key.startswith(PREFIX)
        }
    )
    looked_at, wrong_check = check(said, port.address or rules.node, port.published, str(container["Id"]))
    told += [*wrong_tags, *wrong_meta, *wrong_check]
    return Service(
        id=_id(container, port, said.get("id", ""), rules.host, told),
        name=called,
        address=port.address,
        port=port.published,
        tags=tags,
        meta={**meta, INTERNAL_PORT: str(port.number)},
        check=looked_at,
        health=str((container.get("State", {}).get("Health") or {}).get("Status", "")),
    )


def _id(container: Inspected, port: _Port, asked: str, host: str, told: list[str]) -> str:
    if asked:
        # An id of our own form would be another container's.
        if asked.isprintable() and len(asked) <= _LONGEST_ID and not asked.startswith(f"{host}:"):
            return asked
        told.append(
            f"SERVICE_ID: left out: expected at most {_LONGEST_ID} printable characters, not beginning with {host}:"
        )
    return f"{host}:{name(container)}:{port.number}{'' if port.protocol == 'tcp' else f':{port.protocol}'}"


def _image_name(container: Inspected) -> str:
    """`registry:5000/team/web:1.2@sha256:…` is `web`."""
    image = str((container.get("Config") or {}).get("Image", ""))
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _tags(text: str, always: tuple[str, ...], protocol: str) -> list[str]:
    """Divided at commas, but not at `\\,`; not trimmed, as ever."""
    said = [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", text) if part]
    return [*said, *always, *(["udp"] if protocol == "udp" else [])]


def _ports(container: Inspected, rules: Rules, owner: Inspected | None) -> Iterator[_Port]:
    """Every port that can be reached, and where."""
    network = (owner or container).get("NetworkSettings") or {}
    if ((owner or container).get("HostConfig") or {}).get("NetworkMode") == "host":
        for key in (container.get("Config") or {}).get("ExposedPorts") or {}:
            number, protocol = _split(key)
            yield _Port(number, protocol, rules.ip or rules.node, number)
        return
    inside = _inside(network, rules.family)
    for key, bindings in (network.get("Ports") or {}).items():
        number, protocol = _split(key)
        if rules.internal:
            if inside:
                yield _Port(number, protocol, inside, number)
        elif (bound := _binding(bindings or [], rules)) is not None:
            yield _Port(number, protocol, *bound)


def _split(key: str) -> tuple[int, str]:
    """The number and the protocol of `80/tcp`."""
    found = _PORTS.fullmatch(key)
    return (int(found[1]), found[2]) if found else (0, "tcp")


def _inside(network: Mapping[str, Any], family: int) -> str:
    """The container's own address, of *family* where it has one."""
    key, other = ("GlobalIPv6Address", "IPAddress") if family == 6 else ("IPAddress", "GlobalIPv6Address")
    places = [network, *(network.get("Networks") or {}).values()]
    return next((str(one[which]) for which in (key, other) for one in places if one and one.get(which)), "")


def _binding(bindings: list[Mapping[str, str]], rules: Rules) -> tuple[str, int] | None:
    """The address to tell, and the port on the host; None where nobody else can reach it.

    Docker lists a binding for each family, and their ports may differ: the one of our family is taken.
    """
    usable = []
    for one in bindings:
        text, port = one.get("HostIp") or "0.0.0.0", one.get("HostPort", "")  # noqa: S104  Docker's word for all
        if port.isdigit() and int(port) and not _is_loopback(address := ipaddress.ip_address(text)):
            usable.append((address, int(port)))
    usable.sort(key=lambda one: one[0].version != rules.family)
    if not usable:
        return None
    chosen, number = usable[0]
    return rules.ip or (rules.node if chosen.is_unspecified else str(chosen)), number


def _is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (inner is not None and inner.is_loopback)
