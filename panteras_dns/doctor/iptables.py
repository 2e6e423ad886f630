"""What the filter of this host does with a packet, from what `iptables -S` prints. Pure."""

import ipaddress
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

ACCEPT, DROP = "ACCEPT", "DROP"
EITHER = frozenset((ACCEPT, DROP))

_ENDS = {ACCEPT: frozenset((ACCEPT,)), DROP: frozenset((DROP,)), "REJECT": frozenset((DROP,))}
_PASSED_ON = (
    *("", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DSCP", "LOG", "MARK", "NFLOG", "NOTRACK"),
    *("RATEEST", "SECMARK", "SET", "TCPMSS", "TOS", "TRACE", "TTL", "ULOG"),
)
_PLAIN = ("udp", "tcp", "comment", "state", "conntrack", "addrtype", "multiport", "pkttype")  # only their options speak
_NUMBERS = {"6": "tcp", "17": "udp"}


@dataclass(frozen=True, slots=True)
class Packet:
    """The first of a question: from *interface*, of somebody in *source*, to *port* of *destination*, which is here."""

    interface: str
    source: ipaddress.IPv4Network
    destination: ipaddress.IPv4Address
    protocol: str
    port: int = 53


@dataclass(frozen=True, slots=True)
class _Rule:
    """*matches*: option, whether it is negated, value. *target*: "" for none; *goes*: it does not come back here."""

    matches: Sequence[tuple[str, bool, str]]
    target: str
    goes: bool = False

    def takes(self, packet: Packet) -> bool | None:
        """None where that depends on what is not known here, like how many came before."""
        sure = True
        for option, negated, value in self.matches:
            found = _look(packet, option, value)
            if found is negated:
                return False
            sure = sure and found is not None
        return True if sure else None


_UNREADABLE = _Rule((("?", False, ""),), "?")


class Rules:
    """The chains of the table `filter`."""

    def __init__(self, told: str) -> None:
        self._policy = EITHER
        self._chains: dict[str, list[_Rule]] = {}
        for line in told.split("\n"):
            kind, name, rest = (*line.split(" ", 2), "", "", "")[:3]
            if kind == "-P" and name == "INPUT":
                self._policy = _ENDS.get(rest.strip(), EITHER)
            elif kind in ("-P", "-N"):
                self._chains.setdefault(name, [])
            elif kind == "-A":
                self._chains.setdefault(name, []).append(_rule(rest))

    def __contains__(self, chain: str) -> bool:
        return chain in self._chains

    def fate(self, packet: Packet, opened: str = "") -> frozenset[str]:
        """`ACCEPT` or `DROP`; both, where it depends on what is not known here. *opened*: a chain as if it took it."""
        chains = {**self._chains, opened: [_Rule((), ACCEPT)]} if opened else self._chains
        return _through(chains, ("INPUT",), packet, self._policy)


def _through(
    chains: Mapping[str, Sequence[_Rule]], path: tuple[str, ...], packet: Packet, after: frozenset[str]
) -> frozenset[str]:
    """Through the last chain of *path*, the way there. *after*: what becomes of it when the chain has let it pass. From
    the last rule to the first: at each, *fate* is what becomes of what it does not take."""
    fate = after
    for rule in reversed(chains.get(path[-1], ())):
        takes = rule.takes(packet)
        if takes is False:
            continue
        if rule.target in chains and rule.target not in path:  # iptables takes no loops
            there = _through(chains, (*path, rule.target), packet, after if rule.goes else fate)
        elif rule.target == "RETURN":
            there = after
        else:
            there = fate if rule.target in _PASSED_ON else _ENDS.get(rule.target, EITHER)
        fate = there if takes else there | fate
    return fate


def _rule(text: str) -> _Rule:
    try:
        words = shlex.split(text)
    except ValueError:
        return _UNREADABLE
    matches, target, goes, negated = [], "", False, False
    for option, value in _options(words):
        if option in ("-j", "-g"):
            target, goes = value.partition(" ")[0], option == "-g"
        elif option == "!":
            negated = True
        elif option != "--comment" and (option != "-m" or value not in _PLAIN):
            matches.append((option, negated, value))
            negated = False
    return _Rule(matches, target, goes)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each with its values. A comment may look like anything; those of a target come last, and say nothing here."""
    option, values = "", list[str]()
    for word in words:
        is_value = option in ("-j", "-g") or (option == "--comment" and not values)
        if not is_value and (word == "!" or word.startswith("-")):
            if option:
                yield option, " ".join(values)
            option, values = word, []
        else:
            values.append(word)
    if option:
        yield option, " ".join(values)


def _look(packet: Packet, option: str, value: str) -> bool | None:
    """Whether a packet is of that kind; None for what is not known here, or not understood."""
    try:
        return _LOOKS[option](packet, value)
    except (KeyError, ValueError):
        return None


def _name(packet: Packet, value: str) -> bool:
    return packet.interface.startswith(value[:-1]) if value.endswith("+") else packet.interface == value


def _source(packet: Packet, value: str) -> bool | None:
    network = ipaddress.IPv4Network(value, strict=False)
    if packet.source.subnet_of(network):
        return True
    return None if packet.source.overlaps(network) else False


def _ports(packet: Packet, value: str) -> bool:
    ranges = (one.partition(":") for one in value.split(","))
    return any(
        int(first or 0) <= packet.port <= int(last or (65535 if colon else first)) for first, colon, last in ranges
    )


def _state(_packet: Packet, value: str) -> bool | None:
    states = value.split(",")
    return True if "NEW" in states else None if "UNTRACKED" in states else False


def _flags(_packet: Packet, value: str) -> bool:
    """The first packet of a connection is a SYN and nothing else."""
    looked_at, wanted = value.split(" ")
    return wanted == ("SYN" if "SYN" in looked_at.split(",") else "NONE")


_LOOKS: Mapping[str, Callable[[Packet, str], bool | None]] = {
    "-i": _name,
    "-o": lambda _packet, _value: False,
    "-s": _source,
    "-d": lambda packet, value: packet.destination in ipaddress.IPv4Network(value, strict=False),
    "-p": lambda packet, value: _NUMBERS.get(value, value) in (packet.protocol, "all"),
    "-f": lambda _packet, _value: False,
    "--dport": _ports,
    "--dports": _ports,
    "--state": _state,
    "--ctstate": _state,
    "--dst-type": lambda _packet, value: "LOCAL" in value.split(","),
    "--pkt-type": lambda _packet, value: value == "unicast",
    "--tcp-flags": _flags,
}
