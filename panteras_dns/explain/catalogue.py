"""Asks Consul's HTTP API what it has under a name."""

from typing import Any

from panteras_dns.consul import Consul, Refused
from panteras_dns.explain.asked import Asked
from panteras_dns.explain.verdict import Facts
from panteras_dns.instance import instance
from panteras_dns.rest import Unreachable


async def facts(consul: Consul, asked: Asked) -> Facts:
    """What it says, as far as it says something: each question may fail, and the first that does ends it."""
    found: dict[str, Any] = {}
    try:
        found["leads"] = bool(await consul.leader())
        found["datacenters"] = await consul.datacenters()
        if asked.datacenter and asked.datacenter not in found["datacenters"]:
            return Facts(**found)
        names, hidden = await consul.names(asked.form, asked.datacenter)
        # Every datacenter has its servers in its catalogue, as the service `consul`: who is not shown even these may
        # read nothing. Releases before 1.11 say it in no other way.
        found["hidden"] = hidden or (
            asked.form != "query" and not (names if asked.form == "node" else "consul" in names)
        )
        found["catalogue"] = names
        if asked.form not in ("node", "query"):
            spelt = next((name for name in found["catalogue"] if name.lower() == asked.name), "")
            records = await consul.instances(spelt, asked.datacenter) if spelt else []
            found["instances"] = [one for one in map(instance, records) if one is not None]
    except Unreachable as problem:
        found["problem"] = str(problem)
    except Refused as problem:
        if problem.status == 403:
            found["hidden"], found["catalogue"] = True, found.get("catalogue") or {}
        else:
            found["problem"] = str(problem)
    return Facts(**found)
