"""What one worker tells of itself when it is asked: plain values, bounded, as they go through a channel. Pure.

Shapes: `counters` is a list of [name, {label: value}, number]; `failures` and `queries` are rows that came after
those that were told before, each {at, client, name, type, route, …}, *at* in seconds since the epoch.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnslib import QTYPE, RCODE

from panteras_dns.cache import Cache
from panteras_dns.failures import Failure, host_text
from panteras_dns.forwarder import Forwarder
from panteras_dns.metrics import busiest, samples
from panteras_dns.names import text_name
from panteras_dns.querylog.tap import Tap
from panteras_dns.upstream import SCALE, Health
from panteras_dns.wire import Malformed, read_query

_LONGEST = 253  # characters of a name; escaped octets take four
MOST_FAILURES, MOST_QUERIES, MOST_NAMED = 200, 50, 20  # in one snapshot: it has to fit one message


@dataclass
class Seat:
    """Where a worker's numbers are."""

    forwarder: Forwarder
    cache: Cache
    healths: Iterable[Health]
    tap: Tap | None = None


def snapshot(seat: Seat, asked: Mapping[str, Any], ahead: float) -> dict[str, Any]:
    """*asked*: how many `failures` are known already, the time (monotonic) of the `latest` query that is, and whether
    somebody looks at what is `named`. The epoch is
    *ahead* of the monotonic clock by so many seconds."""
    healths = list(seat.healths)
    failures = seat.forwarder.failures
    return {
        "counters": [
            [name, dict(labels), number]
            for (name, labels), number in samples(seat.forwarder, seat.cache, healths).items()
        ]
        + [["panteras_querylog_dropped_total", {}, seat.tap.dropped if seat.tap else 0]],
        "upstreams": [_upstream(label, lanes, ahead) for label, lanes in _by_label(healths).items()],
        "failed": failures.count,
        "failures": [_failure(one, ahead) for one in failures.since(int(asked.get("failures", 0)), MOST_FAILURES)],
        "latest": seat.forwarder.recent[-1][0] if seat.forwarder.recent else 0.0,
        "queries": list(_queries(seat.forwarder, float(asked.get("queries", 0)), ahead)),
        **(_named(seat.forwarder) if asked.get("named") else {}),
    }


def _named(forwarder: Forwarder) -> dict[str, Any]:
    """Who asks most, and for what; it walks all that is remembered, so only for those who look."""
    return {
        "names": [[shown(name), number] for name, number in busiest(forwarder, MOST_NAMED)],
        "clients": Counter(host_text(client) for _, _, client in forwarder.recent).most_common(MOST_NAMED),
    }


def shown(name: bytes) -> str:
    """A name as people write it: without the dot at its end, unless that is all, and cut where nobody reads on."""
    text = text_name(name)[:-1] or "."
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _by_label(healths: list[Health]) -> dict[str, list[Health]]:
    """The same server may be in several groups, with a health in each."""
    found: dict[str, list[Health]] = {}
    for health in healths:
        found.setdefault(health.label, []).append(health)
    return found


def _upstream(label: str, lanes: list[Health], ahead: float) -> dict[str, Any]:
    """One server: numbers added up, and the worst of its lanes."""
    worst = next((one for one in lanes if not one.usable), lanes[0])
    down = worst.down_since
    latency = [sum(counts) for counts in zip(*(one.latency for one in lanes), strict=True)]
    return {
        "server": label,
        "usable": worst.usable,
        "reason": "leads back here" if worst.cut else worst.reason if down is not None else "",
        "since": down + ahead if down is not None else None,
        "buckets": [[2**number / SCALE, count] for number, count in enumerate(latency) if count],
        "waited": sum(one.waited for one in lanes),
        "lost": sum(one.timeouts + one.refused for one in lanes),
    }


def _failure(failure: Failure, ahead: float) -> dict[str, Any]:
    return {
        "at": failure.at + ahead,
        "client": host_text(failure.client),
        "name": shown(failure.name),
        "type": QTYPE.forward.get(failure.type, f"TYPE{failure.type}"),
        "route": failure.route,
        "rcode": str(RCODE.forward.get(failure.rcode, failure.rcode)),
        "reason": failure.reason,
    }


def _queries(forwarder: Forwarder, after: float, ahead: float) -> Iterator[dict[str, Any]]:
    new = [one for one in forwarder.recent if one[0] > after]
    for at, packet, client in new[-MOST_QUERIES:]:
        try:
            query = read_query(packet[2:])
        except Malformed:
            continue
        plan = forwarder.udp.young.get(packet[2:]) or forwarder.tcp.young.get(packet[2:])
        yield {
            "at": at + ahead,
            "client": host_text(client),
            "name": shown(query.name),
            "type": QTYPE.forward.get(query.type, f"TYPE{query.type}"),
            "route": plan.fate if plan else "",
        }
