"""What the filter of this host does with a packet, from what `iptables -S` prints. Pure."""

import ipaddress
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

ACCEPT, DROP = "ACCEPT", "DROP"
EITHER = frozenset((ACCEPT, DROP))

_ENDS = {ACCEPT: {ACCEPT}, DROP: {DROP}, "REJECT": {DROP}, "QUEUE": EITHER, "NFQUEUE": EITHER}
_PLAIN = ("udp", "tcp", "comment", "state", "conntrack", "addrtype", "multiport")  # say nothing but by their options
_OPENING = ("SYN", "FIN,SYN,RST,ACK SYN")  # of a connection


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
    goes: bool

    def takes(self, packet: Packet) -> bool | None:
        """None where that depends on what is not known here, like how many came before."""
        sure = True
        for option, negated, value in self.matches:
            found = _LOOKS[option](packet, value) if option in _LOOKS else None
            if found is negated:
                return False
            sure = sure and found is not None
        return True if sure else None


class Rules:
    """The chains of the table `filter`."""

    def __init__(self, told: str) -> None:
        self._policy = ACCEPT
        self._chains: dict[str, list[_Rule]] = {}
        for line in told.splitlines():
            kind, name, *words = [*shlex.split(line), "", ""]
            if kind == "-P" and name == "INPUT":
                self._policy = words[0]
            elif kind in ("-P", "-N"):
                self._chains.setdefault(name, [])
            elif kind == "-A":
                self._chains.setdefault(name, []).append(_rule(words[:-2]))

    def __contains__(self, chain: str) -> bool:
        return chain in self._chains

    def fate(self, packet: Packet) -> frozenset[str]:
        """`ACCEPT` or `DROP`; both, where it depends on what is not known here."""
        return self._through("INPUT", packet, frozenset((self._policy,)))

    def _through(self, chain: str, packet: Packet, after: frozenset[str]) -> frozenset[str]:
        """*after*: what becomes of it when the chain has let it pass. From the last rule to the first: at each, *fate*
        is what becomes of what it does not take."""
        fate = after
        for rule in reversed(self._chains.get(chain, [])):
            takes = rule.takes(packet)
            if takes is not False:
                there = self._target(rule, packet, fate, after)
                fate = there if takes else there | fate
        return fate

    def _target(self, rule: _Rule, packet: Packet, fate: frozenset[str], after: frozenset[str]) -> frozenset[str]:
        if rule.target in _ENDS:
            return frozenset(_ENDS[rule.target])
        if rule.target == "RETURN":
            return after
        if rule.target in self._chains:
            return self._through(rule.target, packet, after if rule.goes else fate)
        return fate  # LOG and others of the kind


def _rule(words: Sequence[str]) -> _Rule:
    matches, target, goes = [], "", False
    negated = False
    for option, values in _options(words):
        if option in ("-j", "-g"):
            target, goes = values.partition(" ")[0], option == "-g"
        elif option == "!":
            negated = True
        elif option != "--comment" and (option != "-m" or values not in _PLAIN):
            matches.append((option, negated, values))
            negated = False
    return _Rule(matches, target, goes)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each with its values; those of a target come after it, and say nothing here."""
    option, values = "", list[str]()
    for word in words:
        if word == "!" or (word.startswith("-") and option not in ("-j", "-g")):
            if option:
                yield option, " ".join(values)
            option, values = word, []
        else:
            values.append(word)
    if option:
        yield option, " ".join(values)


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


def _state(_packet: Packet, value: str) -> bool:
    return "NEW" in value.split(",")


_LOOKS: Mapping[str, Callable[[Packet, str], bool | None]] = {
    "-i": _name,
    "-s": _source,
    "-d": lambda packet, value: packet.destination in ipaddress.IPv4Network(value, strict=False),
    "-p": lambda packet, value: value in (packet.protocol, "all"),
    "--dport": _ports,
    "--dports": _ports,
    "--state": _state,
    "--ctstate": _state,
    "--dst-type": lambda _packet, value: "LOCAL" in value.split(","),
    "--tcp-flags": lambda _packet, value: True if value in _OPENING else None,
}
