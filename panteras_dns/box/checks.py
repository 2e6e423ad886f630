"""SERVICE_CHECK_*: what Consul is to look at, from what a container says. Pure.

The names and the order of precedence are those of Registrator (gliderlabs/registrator, consul/consul.go); the first
that is there counts.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

INTERVAL = "10s"
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+")  # Go's time.ParseDuration
_STATUSES = {"passing", "warning", "critical"}
_METHOD = re.compile(r"[A-Z]{1,20}")
_LONGEST = 2048
PREFIX = "check_"

Attributes = Mapping[str, str]


def check(attributes: Attributes, address: str, port: int, container: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The check for an instance at *address*, *port* in *container* (its id), None without; and what is wrong in it."""
    told: list[str] = []
    for kind, make in _KINDS.items():
        value = attributes.get(f"{PREFIX}{kind}", "")
        if not value:
            continue
        if len(value) > _LONGEST or not value.isprintable():
            return None, [f"SERVICE_CHECK_{kind.upper()}: left out: expected one line of at most {_LONGEST} characters"]
        try:
            made = make(value, _place(address, port), attributes, container)
        except ValueError as problem:
            return None, [f"SERVICE_CHECK_{kind.upper()}: left out: {problem}"]
        if kind != "ttl":
            made["Interval"] = _duration(attributes, "interval", told) or INTERVAL
        if kind != "ttl" and (timeout := _duration(attributes, "timeout", told)):
            made["Timeout"] = timeout
        if after := _duration(attributes, "deregister_after", told):
            made["DeregisterCriticalServiceAfter"] = after
        status = attributes.get("check_initial_status", "")
        if status in _STATUSES:
            made["Status"] = status
        elif status:
            told.append(f"SERVICE_CHECK_INITIAL_STATUS: {status[:40]!r}: expected passing, warning or critical")
        return made, told
    return None, told


def _http(value: str, place: str, attributes: Attributes, _container: str, scheme: str = "http") -> dict[str, Any]:
    made: dict[str, Any] = {"HTTP": f"{scheme}://{place}/{value.removeprefix('/')}"}
    if method := attributes.get("check_http_method", attributes.get("check_https_method", "")).upper():
        if not _METHOD.fullmatch(method):
            raise ValueError(f"SERVICE_CHECK_HTTP_METHOD {method[:40]!r} is none")
        made["Method"] = method
    return _skipping(made, attributes)


def _https(value: str, place: str, attributes: Attributes, container: str) -> dict[str, Any]:
    return _http(value, place, attributes, container, "https")


def _skipping(made: dict[str, Any], attributes: Attributes) -> dict[str, Any]:
    if _yes(attributes.get("check_tls_skip_verify", "")):
        made["TLSSkipVerify"] = True
    return made


def _cmd(value: str, _place: str, _attributes: Attributes, container: str) -> dict[str, Any]:
    # Consul runs it in the container by itself, where its agent has `enable_script_checks` and may use the engine.
    return {"DockerContainerID": container, "Shell": "/bin/sh", "Args": ["/bin/sh", "-c", value]}


def _script(value: str, place: str, _attributes: Attributes, _container: str) -> dict[str, Any]:
    host, _, port = place.rpartition(":")
    return {"Args": shlex.split(value.replace("$SERVICE_IP", host.strip("[]")).replace("$SERVICE_PORT", port))}


def _ttl(value: str, _place: str, _attributes: Attributes, _container: str) -> dict[str, Any]:
    if not _DURATION.fullmatch(value):
        raise ValueError(f"{value[:40]!r}: expected a duration like 30s")
    return {"TTL": value}


def _tcp(_value: str, place: str, _attributes: Attributes, _container: str) -> dict[str, Any]:
    return {"TCP": place}


def _grpc(value: str, place: str, attributes: Attributes, _container: str) -> dict[str, Any]:
    # `true` asks the server as a whole, any other word asks for that service of it.
    service = "" if _yes(value) else f"/{value.removeprefix('/')}"
    made: dict[str, Any] = {"GRPC": f"{place}{service}"}
    if _yes(attributes.get("check_grpc_use_tls", "")):
        made["GRPCUseTLS"] = True
    return _skipping(made, attributes)


_KINDS: dict[str, Callable[[str, str, Attributes, str], dict[str, Any]]] = {
    "http": _http,
    "https": _https,
    "cmd": _cmd,
    "script": _script,
    "ttl": _ttl,
    "tcp": _tcp,
    "grpc": _grpc,
}


def _duration(attributes: Attributes, key: str, told: list[str]) -> str:
    value = attributes.get(f"check_{key}", "")
    if value and not _DURATION.fullmatch(value):
        told.append(f"SERVICE_CHECK_{key.upper()}: {value[:40]!r}: expected a duration like 15s")
        return ""
    return value


def _yes(value: str) -> bool:
    return value.lower() in {"1", "true", "yes", "on"}


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
