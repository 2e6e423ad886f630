"""One instance of a service, as this host's Consul agent is told of it. A value: no Consul, no Docker, no clock."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from panteras_dns.instance import INTERNAL_PORT

OWNER = "registrator"  # the key in Meta whose value is the host that registered it
DIGEST = "registrator-digest"  # what it was registered with: Consul does not tell the definition of a check

# Consul refuses the whole registration for a pair that is not so (agent/structs ValidateMetadata).
_MOST_PAIRS, _LONGEST_KEY, _LONGEST_VALUE = 64, 128, 512
_OURS = 3
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_TAG = 512
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)

HEALTH = {"starting": "critical", "healthy": "passing", "unhealthy": "critical"}  # of Docker's HEALTHCHECK
# A state that we set, not a sign of life: the instance must stay known while the registrator is away.
_HEALTH_TTL = "87600h"  # for ever: it is told when it changes, and the last word stays while nobody can tell


@dataclass(frozen=True, slots=True)
class Service:
    """*address* may be empty: then Consul answers with its node's. *health*: Docker's word, "" without HEALTHCHECK."""

    id: str
    name: str
    address: str
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, Any] | None = None
    health: str = ""

    @property
    def check_id(self) -> str:
        return f"service:{self.id}"

    @property
    def state(self) -> str:
        """What its HEALTHCHECK says, in Consul's words; "" where there is none, or Consul checks by itself."""
        return HEALTH.get(self.health, "") if self.check is None else ""

    def definition(self, host: str) -> dict[str, Any]:
        """The body of a registration by *host*."""
        check = self.check
        if check is None and self.state:
            check = {"Name": "Docker's HEALTHCHECK", "TTL": _HEALTH_TTL}
        bare: dict[str, Any] = {
            "ID": self.id, "Name": self.name, "Address": self.address, "Port": self.port, "Tags": list(self.tags),
        }  # fmt: skip
        if check:
            bare["Check"] = {"CheckID": self.check_id, **check}
        whole = json.dumps([bare, sorted(self.meta.items())], sort_keys=True)
        digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
        if "TTL" in bare.get("Check", {}) and self.state:
            bare["Check"]["Status"] = self.state  # how it begins; no part of the digest, since it changes
        return {**bare, "Meta": {**self.meta, OWNER: host, DIGEST: digest}}

    def without(self, *parts: str) -> "Service":
        """The same without its `meta` or `check`, for an agent that refuses these."""
        return Service(
            self.id, self.name, self.address, self.port, self.tags,
            {} if "meta" in parts else self.meta,
            None if "check" in parts else self.check,
            "" if "check" in parts else self.health,
        )  # fmt: skip


def same(known: Mapping[str, Any], definition: Mapping[str, Any]) -> bool:
    """Whether the agent's record of a service is what *definition* says."""
    alike = (
        all(known.get(key) == definition[key] for key in ("Address", "Port")) and known["Service"] == definition["Name"]
    )
    return alike and (known.get("Meta") or {}).get(DIGEST) == definition["Meta"][DIGEST]


def dns_label(name: str) -> bool:
    """Whether DNS can say `NAME.service.consul`: letters, digits, `-` and `_`, at most 63."""
    return _LABEL.fullmatch(name) is not None


def suggestion(name: str) -> str:
    """A name like *name* that DNS can say."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:63].strip("-") or "web"


def clean_meta(pairs: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The pairs that Consul takes, and one line for each that it would refuse everything for."""
    kept: dict[str, str] = {}
    told = []
    for key, value in sorted(pairs.items()):
        if key in {OWNER, DIGEST, INTERNAL_PORT} or key.startswith("consul-"):
            told.append(f"Meta {key!r}: reserved, left out")
        elif not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
            told.append(f"Meta {key[:40]!r}: left out: a key has letters, digits, - and _, at most {_LONGEST_KEY}")
        elif len(value.encode()) > _LONGEST_VALUE:
            told.append(
                f"Meta {key!r}: left out: its value has {len(value.encode())} bytes, at most {_LONGEST_VALUE} go"
            )
        elif len(kept) >= _MOST_PAIRS - _OURS:
            told.append(f"Meta {key!r}: left out: at most {_MOST_PAIRS - _OURS} pairs go")
        else:
            kept[key] = value
    return kept, told


def clean_tags(tags: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The tags, and one line for each that is left out: control characters, or longer than anything that is meant."""
    kept, told = [], []
    for tag in tags:
        if not tag.isprintable() or len(tag) > _LONGEST_TAG:
            told.append(f"tag {tag[:40]!r}: left out: expected at most {_LONGEST_TAG} printable characters")
        else:
            kept.append(tag)
    return tuple(dict.fromkeys(kept)), told
