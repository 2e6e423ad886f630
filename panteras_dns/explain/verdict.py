"""From what DNS and Consul's catalogue said to the reason, and the commands that help. Pure."""

import difflib
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from panteras_dns.explain.asked import Asked
from panteras_dns.instance import Check, Instance

_MOST_SHOWN = 8
_LONGEST_OUTPUT = 120
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:-]*")
_LOOK = ("panteras registrator --list",)
# Consul's own advice for DNS: names and addresses may be read by who has no token.
LET_READ = (
    "consul acl policy create -name dns-read"
    """ -rules 'node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }'""",
    "consul acl token update -id anonymous -policy-name dns-read -merge-policies",
)
LET_READ_NOTE = (
    "they need a token in CONSUL_HTTP_TOKEN that may write ACLs;"
    " an agent with a default token answers with the rights of that one instead"
)
_CODES = {"node": "PAN207", "query": "PAN208"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What Consul's HTTP API said. None: it was not asked, or did not say. *problem*: why it could not be asked."""

    problem: str = ""
    leads: bool | None = None
    datacenters: Sequence[str] | None = None
    catalogue: Mapping[str, Sequence[str]] | None = None  # names (of services, nodes or queries) and their tags
    instances: Sequence[Instance] | None = None
    hidden: bool = False  # something was left out for the token's rights


@dataclass(frozen=True, slots=True)
class Verdict:
    """*code* is "" where all is well. *details*: a line for each instance that matters; *fix*: commands."""

    code: str
    text: str
    details: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    note: str = ""


def missing(asked: Asked, facts: Facts) -> Verdict:
    """Why Consul's DNS says that there is nothing."""
    if not asked.form:
        return Verdict(
            "PAN206", f"Consul knows no name of this form: {asked.name}", fix=_suggested(asked.name.rpartition(".")[2])
        )
    if facts.leads is False:
        return Verdict("PAN302", "Consul has no leader", fix=("consul operator raft list-peers",))
    if asked.datacenter and facts.datacenters is not None and asked.datacenter not in facts.datacenters:
        near = _near(asked.datacenter, facts.datacenters)
        known = ", ".join(facts.datacenters) or "none"
        return Verdict("PAN205", f"Consul knows no datacenter {asked.datacenter}: {known}{near}")
    if asked.datacenter and facts.leads and facts.catalogue is None:
        return Verdict("PAN303", f"{asked.datacenter} does not answer: {facts.problem}", fix=("consul members -wan",))
    if facts.problem or facts.catalogue is None:
        return _undecided(asked, facts.problem or "its HTTP API was not asked")
    if asked.elsewhere or asked.form in ("connect", "ingress", "virtual", "addr"):
        return _undecided(asked, "its catalogue is not looked into for this form")
    if asked.form in ("node", "query"):
        return _there(asked) if asked.name in map(str.lower, facts.catalogue) else _unknown(asked, facts)
    return _service(asked, facts)


def _undecided(asked: Asked, why: str) -> Verdict:
    return Verdict("PAN200", f"Consul does not have {_what(asked)}, and why is not known: {why}")


def _there(asked: Asked) -> Verdict:
    if asked.form == "query":
        return Verdict("PAN208", f"the query {asked.name} is defined, and finds no instance that passes")
    return Verdict("PAN210", f"the node {asked.name} is in the catalogue, and not in Consul's DNS")


def _service(asked: Asked, facts: Facts) -> Verdict:
    catalogue, instances = facts.catalogue or {}, facts.instances or ()
    tags = next((each for name, each in catalogue.items() if name.lower() == asked.name), None)
    if tags is None:
        return _unknown(asked, facts)
    if asked.tag:
        instances = [one for one in instances if asked.tag in map(str.lower, one.tags)]
        if not instances:
            known = ", ".join(sorted(tags)[:_MOST_SHOWN]) or "none"
            return Verdict("PAN203", f"{asked.name} has no instance with the tag {asked.tag}; it has {known}")
    if any(one.usable for one in instances):
        count = sum(one.usable for one in instances)
        told = f"{count} of {len(instances)} instances of {asked.name} pass, and Consul's DNS has none"
        return Verdict("PAN210", told, note="it changed a moment ago, or an ACL hides it there: see PAN204")
    return Verdict(
        "PAN201",
        f"{asked.name} is registered, no instance passes",
        details=tuple(line for one in instances[:_MOST_SHOWN] for line in _failing(one)),
        fix=tuple(dict.fromkeys(command for one in instances[:_MOST_SHOWN] for command in _remedies(one))),
    )


def _unknown(asked: Asked, facts: Facts) -> Verdict:
    if facts.hidden:
        told = f"{_what(asked)} may be there: Consul leaves out what this token may not read"
        return Verdict("PAN204", told, fix=LET_READ, note=LET_READ_NOTE)
    code = _CODES.get(asked.form, "PAN202")
    near = _near(asked.name, facts.catalogue or ())
    return Verdict(code, f"Consul has no {asked.form} {asked.name}{near}", fix=_LOOK if code == "PAN202" else ())


def _failing(one: Instance) -> list[str]:
    place = f"{one.id} {one.node}"
    checks = [check for check in one.checks if check.status == "critical"]
    if not checks:
        return [f"{place}  {one.place} is no place to go to"]
    return [f"{place}  {_told(check)}" for check in checks[:3]]


def _told(check: Check) -> str:
    output = " ".join(check.output.split())[:_LONGEST_OUTPUT]
    return f"{check.name or 'check'}: {output or check.status}"


def _remedies(one: Instance) -> list[str]:
    """On the instance's own node: the log of its container, or the end of its maintenance. Nothing for names that a
    shell, here or there, could take for something else: anybody may have registered them."""
    checks = [check for check in one.checks if check.status == "critical"]
    _, colon, rest = one.id.partition(":")
    container = rest.partition(":")[0]  # HOST:CONTAINER:PORT, as the registrator has it
    if not _PLAIN.fullmatch(one.node) or not _PLAIN.fullmatch(one.id):
        return []
    if any(check.id.startswith("_service_maintenance") for check in checks):
        return [f"ssh {one.node} consul maint -disable -service={one.id}"]
    if any(check.id == "_node_maintenance" for check in checks):
        return [f"ssh {one.node} consul maint -disable"]
    return [f"ssh {one.node} docker logs --tail 50 {container}"] if colon and _PLAIN.fullmatch(container) else []


def _what(asked: Asked) -> str:
    return f"the {asked.form} {asked.name}".rstrip()


def _near(name: str, known: Collection[str]) -> str:
    found = difflib.get_close_matches(name, [one.lower() for one in known], 3, 0.6)
    return f"; did you mean {', '.join(found)}?" if found else ""


def _suggested(label: str) -> tuple[str, ...]:
    return (f"panteras explain {shlex.quote(label)}.service.consul",) if label else ()
