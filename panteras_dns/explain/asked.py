"""What a name below Consul's domain asks for. Pure: the forms of the table in Consul's documentation of its DNS."""

from dataclasses import dataclass

FORMS = ("service", "node", "query", "connect", "ingress", "virtual", "addr")
_PLACES = ("dc", "peer", "sg", "ns", "ap")  # each behind the label that it is about
_NO_TAG = ("tcp", "udp")  # `_web._tcp`: a protocol, not a tag


@dataclass(frozen=True, slots=True)
class Asked:
    """*form* is "" for one that Consul does not know; *name* is "" for the form's own, like `service.consul`."""

    form: str
    name: str = ""
    tag: str = ""
    datacenter: str = ""
    elsewhere: bool = False  # of a peer, a sameness group: not in this catalogue


def asked(name: str, domain: str = "consul") -> Asked | None:
    """None for a name that is not below *domain*."""
    labels = name.lower().rstrip(".").split(".")
    end = domain.lower().strip(".").split(".")
    if labels[-len(end) :] != end:
        return None
    labels = labels[: -len(end)]
    place, elsewhere = "", False
    while len(labels) >= 2 and labels[-1] in _PLACES:
        place = labels[-2] if labels[-1] == "dc" else place
        elsewhere = elsewhere or labels[-1] != "dc"
        labels = labels[:-2]
    if len(labels) >= 2 and (labels[-2] in FORMS or labels[-2].startswith("_")) and not _is_form(labels[-1]):
        place, labels = labels[-1], labels[:-1]
    if len(labels) >= 2 and labels[0].startswith("_") and labels[1].startswith("_"):
        return _rfc2782(labels, place)
    if not labels:
        return Asked("domain", datacenter=place)
    *front, form = labels
    if form not in FORMS:
        return Asked("", ".".join(labels), datacenter=place)
    if form in ("node", "query", "addr"):
        return Asked(form, ".".join(front), datacenter=place)
    return Asked(form, front[-1] if front else "", ".".join(front[:-1]), place, elsewhere)


def _is_form(label: str) -> bool:
    return label in FORMS or label.startswith("_")


def _rfc2782(labels: list[str], place: str) -> Asked:
    """`_web._v1.service`, `_web._tcp`, `_web._tcp.query`: the second label is a tag."""
    tag = labels[1][1:]
    rest = labels[2:] or ["service"]
    if rest not in (["service"], ["query"]):
        return Asked("", ".".join(labels), datacenter=place)
    return Asked(rest[0], labels[0][1:], "" if tag in _NO_TAG else tag, place)


def searched(name: str, domain: str = "consul") -> str:
    """The search suffix behind a Consul name, as in `web.service.consul.corp.example`; "" where there is none."""
    labels = name.lower().rstrip(".").split(".")
    end = domain.lower().strip(".").split(".")
    for at in range(1, len(labels) - len(end)):
        if labels[at : at + len(end)] == end and any(form in labels[:at] for form in FORMS):
            return ".".join(labels[at + len(end) :])
    return ""
