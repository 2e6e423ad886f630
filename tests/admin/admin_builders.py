"""Snapshots as workers tell them, and rows of failures."""

from typing import Any


def a_failure(at: float = 99.0, **given: Any) -> dict[str, Any]:
    return {
        "at": at,
        "client": "192.0.2.7",
        "name": "web.service.consul",
        "type": "A",
        "route": "consul",
        "rcode": "NXDOMAIN",
        "reason": "PAN201 web is registered, no instance passes",
        **given,
    }


def told(queries: int = 0, rows: list[dict[str, Any]] | None = None, **given: Any) -> dict[str, Any]:
    return {
        "pid": 1,
        "begun": -10_000.0,
        "counters": [["panteras_queries_total", {"route": "consul"}, queries]],
        "upstreams": [],
        "failed": 0,
        "failures": [],
        "queries": rows or [],
        "names": [],
        "clients": [],
        **given,
    }
