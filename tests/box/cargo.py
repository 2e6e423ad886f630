"""Containers as the engine inspects them, and records as Consul's catalogue has them: builders for the tests of the box."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from panteras_dns.instance import Instance, instance

ID = "4c01db0b339c" + "0" * 52

# Digits that int() does not take, and letters that a pattern without regard to case takes for k, s and i.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="²³¹\u212a\u017f\u0130\u0131"), max_size=80)


def bound(*places: str) -> list[dict[str, str]]:
    """Bindings as the engine lists them: `0.0.0.0:32768`, `:::32769`."""
    return [dict(zip(("HostIp", "HostPort"), (one.rpartition(":")[::2]), strict=True)) for one in places]


def published(*ports: int | str) -> dict[str, list[dict[str, str]]]:
    """Each port on all addresses of the host, of both families, at 30000 more than inside."""
    keys = [one if isinstance(one, str) else f"{one}/tcp" for one in ports]
    return {
        key: bound(f"0.0.0.0:{30000 + int(key.split('/')[0])}", f":::{30000 + int(key.split('/')[0])}") for key in keys
    }


def a_container(
    *environment: str,
    name: str = "web1",
    image: str = "acme/web:1.2",
    labels: Mapping[str, str] | None = None,
    ports: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One that runs, with port 8000 published where nothing else is said. *more*: mode, exposed, network, health."""
    health = {"Health": {"Status": more["health"]}} if "health" in more else {}
    return {
        "Id": ID,
        "Name": f"/{name}",
        "State": {"Running": True, **health},
        "Config": {
            "Image": image,
            "Env": list(environment),
            "Labels": dict(labels or {}),
            "ExposedPorts": {key: {} for key in more.get("exposed", ())},
        },
        "HostConfig": {"NetworkMode": more.get("mode", "bridge")},
        "NetworkSettings": {"Ports": published(8000) if ports is None else dict(ports), **more.get("network", {})},
    }


def a_check(status: str, name: str = "it answers", output: str = "") -> dict[str, str]:
    return {"Name": name, "Status": status, "Output": output}


def a_record(name: str = "web", address: str = "10.0.0.5", port: int = 8000, **more: Any) -> dict[str, Any]:
    """*more*: id, tags, meta, weights, checks, node, kind."""
    return {
        "Node": {"Node": more.get("node", "box1"), "Address": "10.0.0.1"},
        "Service": {
            "ID": more.get("id", f"{name}-1"),
            "Service": name,
            "Address": address,
            "Port": port,
            "Tags": list(more.get("tags", ())),
            "Meta": dict(more.get("meta", {})),
            "Weights": more.get("weights", {"Passing": 1, "Warning": 1}),
            "Kind": more.get("kind", ""),
        },
        "Checks": list(more.get("checks", ())),
    }


def an_instance(name: str = "web", address: str = "10.0.0.5", port: int = 8000, **more: Any) -> Instance:
    found = instance(a_record(name, address, port, **more))
    assert found is not None
    return found


def services(*instances: Instance) -> dict[str, Sequence[Instance]]:
    """By name, as the catalogue tells of them."""
    return {name: [one for one in instances if one.service == name] for name in {one.service for one in instances}}
