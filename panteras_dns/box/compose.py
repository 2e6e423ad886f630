"""compose.yaml for one machine of a datacenter: what it is, from a TOML file and the environment, each value checked.
Pure.

The keys are those of the file; in the environment the same in capitals, which goes before the file.
"""

import ipaddress
import re
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

ROLES = ("stand-alone", "master", "worker")
SHIPPED_IP = "${IP:?set IP to the address of this host that others reach, as in: IP=10.0.0.5 docker compose up -d}"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?")
_PATH = re.compile(r"/[A-Za-z0-9._/-]*")


class BadBox(Exception):
    """What is wrong, a line each: where, what, and what was expected."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Box:
    """One machine. *servers*: how many Consul servers the datacenter has; *listen*: where browsers knock."""

    role: str = "stand-alone"
    ip: str = ""
    listen_ip: str = ""
    dc: str = "dc1"
    node: str = ""
    servers: int = 1
    consul_hosts: tuple[str, ...] = ()
    wan_hosts: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    door_dns: str = "172.17.0.1"
    consul_image: str = "hashicorp/consul:1.20"
    consul_config: str = "/etc/consul.d"
    sample: bool = False

    @property
    def is_server(self) -> bool:
        return self.role != "worker"


def box(text: bytes, source: str, environment: Mapping[str, str], role: str = "") -> Box:
    """A Box from TOML *text* and the environment; *role* goes before both. `BadBox` for what can't be meant."""
    try:
        said: dict[str, Any] = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadBox([f"{source}: {problem}"]) from None
    where = dict.fromkeys(said, source)
    for field in fields(Box):
        value = environment.get(field.name.upper(), "")
        if value:
            said[field.name] = value.replace(",", " ").split() if field.name in _LISTS else value
            where[field.name] = f"environment {field.name.upper()}"
    if role:
        said["role"], where["role"] = role, "--role"
    errors = [f"{source}: {key}: unknown; expected {', '.join(_CHECKS)}" for key in said if key not in _CHECKS]
    found: dict[str, Any] = {}
    for key, check in _CHECKS.items():
        if key in said:
            try:
                found[key] = check(said[key])
            except ValueError as problem:
                errors.append(f"{where[key]}: {'' if where[key].startswith('environment ') else f'{key}: '}{problem}")
    if not errors:
        errors = _together(found, source)
    if errors:
        raise BadBox(errors)
    return Box(**found)


def render(made: Box) -> str:
    """The file. What can't stand in it was refused before."""
    return _render(made, shipped=False)


def shipped() -> str:
    """The compose.yaml of the repository: stand-alone, with the variables that `docker compose` fills in."""
    return _render(Box(ip=SHIPPED_IP, node="${NODE:-box}", dc="${DC:-dc1}", sample=True), shipped=True)


def _render(made: Box, shipped: bool) -> str:
    source = files(__package__).joinpath("templates", "compose.yaml.j2").read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False  # noqa: S701
    )  # fmt: skip
    # Names and addresses hold nothing that JSON would escape, and a variable of compose must stay as it is.
    environment.filters["tojson"] = lambda value: f'"{value}"'
    client = (
        "127.0.0.1${LISTEN_IP:+ ${LISTEN_IP:-}}" if shipped else " ".join(filter(None, ["127.0.0.1", made.listen_ip]))
    )
    return environment.from_string(source).render(box=made, shipped=shipped, client=client)


def _together(found: dict[str, Any], source: str) -> list[str]:
    """What only shows with the other keys; fills in what follows from them."""
    role = found.setdefault("role", "stand-alone")
    errors = []
    if "ip" not in found:
        errors.append(f"{source}: ip: expected this host's address that others reach; or the environment's IP")
    if role != "stand-alone" and not found.get("consul_hosts"):
        errors.append(f"{source}: consul_hosts: expected the addresses of the Consul servers, for the role {role}")
    if role == "stand-alone" and found.get("consul_hosts"):
        errors.append(f"{source}: consul_hosts: a stand-alone box joins nobody; expected the role master or worker")
    found.setdefault("servers", len(found.get("consul_hosts", ())) if role == "master" else 1)
    if role == "stand-alone" and found["servers"] != 1:
        errors.append(f"{source}: servers: a stand-alone box is the only one; expected 1")
    if role == "master" and found["servers"] % 2 == 0:
        errors.append(f"{source}: servers: {found['servers']}: expected an odd number, so that a majority is left")
    if "node" not in found:
        own = socket.gethostname().partition(".")[0].lower()
        if not _NAME.fullmatch(own):
            errors.append(
                f"{source}: node: this host's name, {own!r}, can be none in Consul; expected one here: a-z, 0-9 and -"
            )
        found["node"] = own
    found.setdefault("sample", role == "stand-alone")
    return errors


def _one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{value!r}: expected {', '.join(words)}")
        return str(value)

    return check


def _address(value: Any) -> str:
    try:
        found = ipaddress.ip_address(str(value).replace("%", " "))  # behind a scope any text would do
    except ValueError:
        raise ValueError(f"not an address: {value!r}, expected one like 10.0.0.5") from None
    if found.is_unspecified or found.is_multicast:
        raise ValueError(f"{value}: would listen everywhere; expected one address of this host")
    return str(found)


def _own(value: Any) -> str:
    if ":" in (found := _address(value)):
        raise ValueError(f"{found}: expected an IPv4 address: ports are published at it")
    return found


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{value!r}: expected {expected}")
        return value

    return check


def _list(each: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{value!r}: expected a list")
        return tuple(each(one) for one in value)

    return check


def _number(value: Any) -> int:
    if str(value) not in set("1234567"):
        raise ValueError(f"{value!r}: expected 1 to 7")
    return int(value)


def _flag(value: Any) -> bool:
    if str(value).lower() not in {"true", "false", "1", "0"}:
        raise ValueError(f"{value!r}: expected true or false")
    return str(value).lower() in {"true", "1"}


def _place(value: Any) -> str:
    host, _, port = str(value).rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(f"{value!r}: expected ADDR:PORT, like 10.0.0.5:80")
    return f"{_address(host.strip('[]'))}:{port}" if ":" not in host else f"[{_address(host.strip('[]'))}]:{port}"


_host = _matching(_HOST, "a host's name or address")
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "role": _one_of(*ROLES),
    "ip": _own,
    "listen_ip": _address,
    "dc": _matching(_NAME, "a datacenter's name: a-z, 0-9 and -"),
    "node": _matching(_NAME, "a node's name: a-z, 0-9 and -"),
    "servers": _number,
    "consul_hosts": _list(_host),
    "wan_hosts": _list(_host),
    "upstreams": _list(_address),
    "names": _list(_host),
    "listen": _list(_place),
    "statistics": _list(_place),
    "door_dns": _address,
    "consul_image": _matching(_IMAGE, "an image like hashicorp/consul:1.20"),
    "consul_config": _matching(_PATH, "a directory like /etc/consul.d"),
    "sample": _flag,
}
_LISTS = {"consul_hosts", "wan_hosts", "upstreams", "names", "listen", "statistics"}
