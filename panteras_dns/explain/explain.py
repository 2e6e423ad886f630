"""Follows a name hop by hop: who is asked, what the gateway says, what Consul has, who opens the page."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from panteras_dns.consul import Consul, Refused
from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.asked import Asked, asked, searched
from panteras_dns.explain.catalogue import facts
from panteras_dns.explain.explanation import FAIL, UNKNOWN, WARN, Explanation, Hop
from panteras_dns.explain.hereabouts import answers, no_consul, silent, stranger, strangers
from panteras_dns.explain.page import Page
from panteras_dns.explain.verdict import Facts, Verdict, missing
from panteras_dns.host.resolv import FILES, STUBS, nameservers
from panteras_dns.instance import GATEWAY, Instance, instance
from panteras_dns.knock import listening
from panteras_dns.query import Found, Unanswered, is_gateway, look_up
from panteras_dns.rest import Unreachable

PATIENCE = 3.0  # seconds for an answer
_KNOCK = 1.0
_MOST_SHOWN = 5
_BESIDE = 1.0  # for a server that is asked only whether it is a gateway, too


@dataclass(frozen=True, slots=True)
class Question:
    """*server*: whom to ask; None for whom this machine asks."""

    name: str
    type: str = "A"
    server: Endpoint | None = None
    domain: str = "consul"


class Explainer:
    """*files*: where this machine's own servers stand, as resolv.conf(5)."""

    def __init__(self, reactor: Any, consul: Consul, files: Sequence[Path] = FILES) -> None:
        self._reactor, self._consul, self._files = reactor, consul, files

    async def explain(self, question: Question, client: Hop | None = None) -> Explanation:
        """*client*: whether a certain one may ask at all. ValueError for what is no question."""
        told = Explanation(question.name, question.type.upper(), [client] if client else [])
        if client and client.state == FAIL:
            told.verdict = Verdict("PAN103", client.told, note="dns.allow in the configuration says who may ask")
            return told
        server = question.server or await self._own_server(told)
        if server is None:
            told.verdict = Verdict("PAN101", "this machine names no DNS server: /etc/resolv.conf has no nameserver")
            told.checked = False
            return told
        try:
            found, ours = await self._gateway(question, server, told)
        except Unanswered as problem:
            told.hops.append(Hop("gateway", str(problem), FAIL))
            told.verdict = await deferToThread(silent, server, str(problem))
            told.checked = False
            return told
        wanted = asked(question.name, question.domain)
        if found.rcode == "REFUSED":
            told.hops[-1] = replace(told.hops[-1], state=FAIL)
            told.verdict = Verdict("PAN103", f"{found.asked} refuses: {_reason(found)}")
        elif wanted is None:
            told.verdict = _elsewhere(question, found, server)
        elif not ours and found.rcode != "NOERROR":
            told.verdict = await deferToThread(stranger, server)
        else:
            await self._consul_name(question, wanted, found, server, told)
        return told

    # -- hops

    async def _own_server(self, told: Explanation) -> Endpoint | None:
        """Whom this machine asks: behind a stub of systemd-resolved, the first server that it asks in turn."""
        lists = [found for found in (nameservers(_read(file)) for file in self._files) if found]
        if not lists:
            told.hops.append(Hop("this host", "resolv.conf names no server", FAIL))
            return None
        first = lists[0]
        real = next((found for found in lists if found[0] not in STUBS), first)
        if real is not first and not await deferToThread(answers, Endpoint(first[0], 53), _BESIDE):
            real = first  # a stub that is dead: whom it would ask does not matter
        way = " -> ".join(dict.fromkeys(["resolv.conf", first[0], real[0]]))
        # systemd-resolved asks by domain, not one after the other: what stands beside there is for links of their own.
        others = await deferToThread(strangers, real[1:] if real is first else [], _BESIDE)
        beside = (f"PAN502 {', '.join(others)} may be asked, too, and no gateway answers there",) if others else ()
        told.hops.append(Hop("this host", way, WARN if others else "ok", details=beside))
        return Endpoint(real[0], 53)

    async def _gateway(self, question: Question, server: Endpoint, told: Explanation) -> tuple[Found, bool]:
        found: Found = await deferToThread(look_up, question.name, question.type, server, False, PATIENCE)
        route = found.route
        ours: bool = bool(route) or await deferToThread(is_gateway, server, PATIENCE)
        way = f"route {route}, {found.server}" if route else "is a gateway" if ours else "is no gateway of ours"
        told.hops.append(Hop("gateway", f"{server} {way}", "ok" if ours else WARN, found.milliseconds))
        return found, ours

    async def _consul_name(
        self, question: Question, wanted: Asked, found: Found, server: Endpoint, told: Explanation
    ) -> None:
        source = found.server or "Consul"
        if found.rcode not in ("NOERROR", "NXDOMAIN"):
            told.hops.append(Hop("consul", _reason(found), FAIL))
            told.hops.append(Hop("instances", "not checked: needs the hop before", UNKNOWN))
            told.verdict = (
                Verdict("PAN302", f"Consul has no leader: {_reason(found)}", fix=("consul operator raft list-peers",))
                if found.reason.startswith("PAN302")
                else await deferToThread(no_consul, server, _reason(found))
            )
            return
        known = await facts(self._consul, wanted)
        none = not found.records
        told.hops.append(
            Hop("consul", f"{source} {found.rcode}{', no record' if none else ''}", FAIL if none else "ok")
        )
        if none and found.rcode == "NOERROR" and not wanted.name:
            told.verdict = Verdict("PAN209", f"{question.name} is a part of the tree, and has no record of its own")
        elif none and found.rcode == "NOERROR":
            told.verdict = Verdict("PAN209", f"{question.name} has no {question.type.upper()} record")
        elif none:
            told.verdict = missing(wanted, known)
            told.hops.append(_instances(known, told.verdict))
        else:
            told.hops.append(_instances(known, Verdict("", "")))
            told.verdict = Verdict("", f"{_addresses(found)} in {found.milliseconds:.1f} ms")
            await self._beyond(question, known, told)

    async def _beyond(self, question: Question, known: Facts, told: Explanation) -> None:
        """The balancer, and the instances themselves."""
        passing = [one for one in known.instances or () if one.usable][:_MOST_SHOWN]
        tcp = {f"{one.node}/{one.id}": (one.address, one.port) for one in passing if "udp" not in one.tags}
        if not tcp:
            return
        open_now = await listening(self._reactor, tcp, _KNOCK)
        shut = [one for one in passing if f"{one.node}/{one.id}" in tcp.keys() - open_now]
        told.hops.append(
            Hop(
                "connect",
                f"{len(open_now)} of {len(tcp)} accept a connection from here",
                WARN if shut else "ok",
                details=tuple(f"{one.id} {one.place}  does not" for one in shut),
            )
        )
        if shut:
            told.verdict = Verdict(
                "PAN403",
                f"{shut[0].service} resolves, and {len(shut)} of {len(tcp)} instances do not accept connections",
            )
            return
        await self._page(question, passing, told)

    async def _page(self, question: Question, passing: Sequence[Instance], told: Explanation) -> None:
        """Only where a balancer has registered itself, and for a service that wants to be in a browser."""
        if not any("http" in one.tags for one in passing):
            return
        try:
            known = [found for one in await self._consul.instances(GATEWAY) if (found := instance(one))]
        except (Unreachable, Refused):
            return
        if not known:
            return
        gateways = [one for one in known if one.usable]
        if not gateways:  # Consul has noticed before us
            away = f"the balancer on {known[0].node} does not pass its check"
            told.hops.append(Hop("page", away, FAIL))
            told.verdict = Verdict("PAN401", f"{question.name} resolves, and has no page: {away}")
            return
        page = await Page(self._reactor).open(gateways[0].address, question.name.rstrip("."))
        told.hops.append(Hop("page", page.told, "ok" if page.good else FAIL, page.milliseconds))
        if not page.good:
            told.verdict = Verdict(page.code, f"{question.name} resolves, and has no page: {page.told}")


def _instances(known: Facts, verdict: Verdict) -> Hop:
    if known.instances is None:
        why = known.problem or ("not there" if known.catalogue is not None else "not checked")
        return Hop("instances", why, UNKNOWN if not verdict.code else FAIL)
    passing = [one for one in known.instances if one.usable]
    where = f": {', '.join(sorted({one.node for one in passing})[:_MOST_SHOWN])}" if passing else ""
    state = FAIL if verdict.code else "ok"
    return Hop("instances", f"{len(passing)} of {len(known.instances)} passing{where}", state, details=verdict.details)


def _elsewhere(question: Question, found: Found, server: Endpoint) -> Verdict:
    """For names that are not Consul's."""
    if found.rcode == "NOERROR" and found.records:
        return Verdict("", f"{_addresses(found)} in {found.milliseconds:.1f} ms")
    if found.rcode == "NOERROR":
        return Verdict("PAN209", f"{question.name} has no {question.type.upper()} record")
    suffix = searched(question.name, question.domain)
    if found.rcode == "NXDOMAIN" and suffix:
        meant = question.name.rstrip(".")[: -len(suffix) - 1]
        return Verdict(
            "PAN104",
            f"the search suffix {suffix} stands behind {meant}",
            fix=(f"panteras explain {shlex.quote(meant)}.",),
        )
    if found.rcode == "NXDOMAIN":
        return Verdict("PAN312", f"{question.name} does not exist, says {found.server or server}")
    return Verdict("PAN310", f"{found.rcode} from {server}: {_reason(found)}")


def _reason(found: Found) -> str:
    """What the server said, without the code before it."""
    return re.sub(r"^PAN\d{3} ", "", found.reason) or f"{found.rcode}, and no reason is given"


def _addresses(found: Found) -> str:
    kinds = ("A", "AAAA", "SRV", "PTR", "TXT", "MX", "NS")
    data = [line.split(None, 4)[4] for line in found.records if line.split()[3] in kinds]
    more = f" and {len(data) - 8} more" if len(data) > 8 else ""
    return ", ".join(data[:8]) + more if data else f"{len(found.records)} records"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
