"""What the front page shows, and why a name leads nowhere: views of the catalogue, as values and as HTML. Pure.

Every text in it is somebody else's: the templates escape all of it, and links are made of names that were checked.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from panteras_dns.box.site import OWN, Names, Site
from panteras_dns.instance import Instance

_LONGEST_OUTPUT = 300
_MOST_NAMESERVERS = 3  # that resolv.conf(5) takes

Services = Mapping[str, Sequence[Instance]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A service on the page."""

    name: str
    link: str  # "" where it can't be opened by a browser
    passing: int
    instances: Sequence[Instance]
    tags: Sequence[str]

    @property
    def health(self) -> str:
        if self.passing == len(self.instances):
            return "passing"
        return "warning" if self.passing else "critical"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why nobody answers at a name: an HTTP status, one line, and what else is worth knowing."""

    status: int
    text: str
    details: tuple[str, ...] = ()
    similar: tuple[str, ...] = ()


def entries(services: Services, site: Site, names: Names) -> list[Entry]:
    """In order of name, the gateway itself last."""
    found = []
    for name, instances in services.items():
        if name == "consul" or not instances:
            continue
        shown = f"{name.lower()}.{names.suffixes[0]}"
        opens = f"{shown}/" in site.routes or name == OWN
        tags = sorted({tag for one in instances for tag in one.tags})
        ordered = sorted(instances, key=lambda one: (one.node, one.place))
        found.append(
            Entry(name, f"http://{shown}/" if opens else "", sum(one.usable for one in instances), ordered, tags)
        )
    return sorted(found, key=lambda one: (one.name == OWN, one.name))


def reason(host: str, services: Services, site: Site, names: Names, path: str = "/") -> Reason:
    """Why *host*, in lower case and without a port, can't be shown."""
    label = next((host[: -len(end) - 1] for end in names.suffixes if host.endswith(f".{end}")), "")
    if not label:
        if any(f"{host}{path}".startswith(route) for route in site.routes):
            return Reason(503, f"Nobody usable is behind {host} here.")
        return Reason(404, f"No service has the name {host or 'that was asked for'}.")
    service = label.rpartition(".")[2]
    known = {name.lower(): instances for name, instances in services.items()}
    if service not in known or not known[service]:
        similar = difflib.get_close_matches(service, [one for one in known if known[one]], 3, 0.6)
        return Reason(
            404, f"Consul knows no service {service}.", (), tuple(f"{one}.{names.suffixes[0]}" for one in similar)
        )
    instances = known[service]
    if f"{label}.{names.suffixes[0]}/" not in site.routes:
        if f"{service}.{names.suffixes[0]}/" in site.routes:
            return Reason(404, f"{service} has no instance with the tag {label.rpartition('.')[0]}.")
        ports = ", ".join(sorted({str(one.port) for one in instances}))
        return Reason(
            404, f"{service} is there, at port {ports}, and the balancer takes it for no web service.",
            ("A service that has the tag http, or listens on one of the usual ports, opens here.",),
        )  # fmt: skip
    details = [
        f"{one.id}: {check.name or 'check'} is {check.status}: {check.output[:_LONGEST_OUTPUT] or 'no output'}"
        for one in instances
        for check in one.checks
        if check.status == "critical"
    ]
    failing = sum(not one.usable for one in instances)
    return Reason(
        503, f"{service}: {len(instances)} registered, {len(instances) - failing} usable.", tuple(details[:20])
    )


def nameservers(entries: Sequence[Entry]) -> list[str]:
    """Where the DNS is: each gateway registers itself, on its own docker host."""
    own = [one.address for entry in entries if entry.name == OWN for one in entry.instances if one.usable]
    return list(dict.fromkeys(own))[:_MOST_NAMESERVERS]


def page(entries: Sequence[Entry], names: Names, problem: str, version: int) -> str:
    return _environment().get_template("front.html.j2").render(
        entries=entries, names=names, problem=problem, nameservers=nameservers(entries), version=version, own=OWN
    )  # fmt: skip


def explanation(host: str, why: Reason, names: Names) -> str:
    return _environment().get_template("why.html.j2").render(host=host, why=why, front=f"{OWN}.{names.suffixes[0]}")


def _environment() -> Environment:
    def source(name: str) -> str:
        return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")

    return Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
