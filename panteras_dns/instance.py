"""An instance as Consul's catalogue tells of it, with its checks. Pure: one record of /v1/health/service in, a value
out."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GATEWAY = "panteras"  # the service of the gateways themselves: the front page
INTERNAL_PORT = "container-port"  # in Meta, by the registrator
_MOST_WEIGHT = 256  # HAProxy's
_NUMBER = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    status: str
    output: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """*address*: where others reach it; of the service, or else of its node. *status* is that of its worst check."""

    service: str
    id: str
    node: str
    address: str
    port: int
    tags: tuple[str, ...]
    meta: Mapping[str, str]
    status: str
    weight: int
    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        """As Consul's DNS has it: a warning is no failure. Maintenance is a critical check."""
        return self.status != "critical" and 0 < self.port < 65536 and _is_address(self.address)

    @property
    def container_port(self) -> int:
        told = self.meta.get(INTERNAL_PORT, "")
        return int(told) if _NUMBER.fullmatch(told) else 0

    @property
    def place(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def instance(record: Mapping[str, Any]) -> Instance | None:
    """None for a record that is no place to go to: a proxy of a service mesh, or not one at all."""
    try:
        node, service = record["Node"], record["Service"]
        if service.get("Kind"):
            return None
        checks = tuple(map(_check, record.get("Checks") or []))
        status = _worst(checks)
        return Instance(
            service=str(service["Service"]),
            id=str(service["ID"]),
            node=str(node["Node"]),
            address=str(service.get("Address") or node.get("Address") or ""),
            port=int(service.get("Port") or 0),
            tags=tuple(map(str, service.get("Tags") or ())),
            meta=service.get("Meta") or {},
            status=status,
            weight=_weight(service, status),
            checks=checks,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _check(told: Mapping[str, Any]) -> Check:
    """Without output its notes: there an operator's maintenance has its reason."""
    words = ("Name", "Status", "Output", "Notes", "CheckID")
    name, status, output, notes, key = (str(told.get(word) or "").strip() for word in words)
    return Check(name, status, output or notes, key)


def _worst(checks: tuple[Check, ...]) -> str:
    said = {check.status for check in checks}
    return next((status for status in ("critical", "warning") if status in said), "passing")


def _weight(service: Mapping[str, Any], status: str) -> int:
    """0 to 256. A tag or Meta `weight=N` goes before Consul's own weights."""
    tagged = next((tag[len("weight=") :] for tag in service.get("Tags") or () if tag.startswith("weight=")), "")
    said = tagged or str((service.get("Meta") or {}).get("weight", ""))
    if _NUMBER.fullmatch(said):
        return min(int(said), _MOST_WEIGHT)
    weights = service.get("Weights") or {}
    return min(max(int(weights.get("Warning" if status == "warning" else "Passing", 1)), 0), _MOST_WEIGHT)


def _is_address(text: str) -> bool:
    """Without a scope: behind `%` any text would do, line breaks and commands among it."""
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
