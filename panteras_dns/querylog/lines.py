"""An exchange as a line of JSON. Pure. Fields are added, none changes its meaning."""

import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dnslib import QTYPE, RCODE

from panteras_dns.names import text_name
from panteras_dns.querylog.pairing import Exchange, question
from panteras_dns.wire import AAAA, EDE, A, Malformed, Reply, read_reply

_MOST = 16  # addresses of an answer


def line(exchange: Exchange, client: str, who: Mapping[str, str]) -> bytes:
    """*client*: its address as it may be shown; *who*: address -> name of a container."""
    asked = question(exchange.query[2:] or _as_query(exchange.reply[2:]))
    told: dict[str, Any] = {
        "at": datetime.fromtimestamp(exchange.asked, UTC).isoformat(timespec="milliseconds"),
        "client": client,
        "transport": "tcp" if exchange.tcp else "udp",
        "name": text_name(asked.name)[:-1] or ".",
        "type": QTYPE.forward.get(asked.type, f"TYPE{asked.type}"),
        "rcode": None,
        "ms": None,
    }
    if exchange.client in who:
        told["container"] = who[exchange.client]
    if exchange.reply:
        told |= _reply(exchange)
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _reply(exchange: Exchange) -> dict[str, Any]:
    rcode = exchange.reply[3] & 15
    told: dict[str, Any] = {"rcode": str(RCODE.forward.get(rcode, rcode))}
    if exchange.query:
        told["ms"] = round((exchange.answered - exchange.asked) * 1000, 2)
    try:
        reply = read_reply(exchange.reply[2:])
    except Malformed:
        return told
    if addresses := _addresses(reply):
        told["answers"] = addresses
    why = reply.edns.option(EDE) if reply.edns else None
    if why and len(why) > 2:
        told["reason"] = why[2:].decode("utf-8", "replace")
    return told


def _addresses(reply: Reply) -> list[str]:
    found = [one for one in reply.section(1) if one.type in (A, AAAA)][:_MOST]
    return [str(ipaddress.ip_address(reply.body[one.data : one.end])) for one in found if one.end - one.data in (4, 16)]


def _as_query(reply: bytes) -> bytes:
    """A reply's head and question, as the query may have been."""
    return b"\0\0" + reply[2:4] + bytes(6) + reply[10:] if len(reply) > 10 else b""


def truncated(address: str) -> str:
    """The network of an address: /24, /48 (the privacy switch)."""
    found = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False).network_address)
