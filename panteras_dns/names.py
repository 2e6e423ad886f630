"""Names in wire form and as text, and the suffixes of a name.

Wire form: labels with their length octets, the root's empty label last. Lower case, but for what clients sent.
"""

import ipaddress
from collections.abc import Iterator


def suffixes(name: bytes) -> Iterator[bytes]:
    """*name* and each of its ancestors, the root last."""
    # Walk the labels: endswith() would find example.com inside b"\x09x\x07example\x03com\0".
    yield name
    while length := name[0]:
        name = name[length + 1 :]
        yield name


def labels_of(name: bytes) -> list[bytes]:
    """The labels of a name or of the front part of one, each with its length octet, without the root's."""
    found = []
    while name and name[0]:
        found.append(name[: name[0] + 1])
        name = name[name[0] + 1 :]
    return found


def wire_name(text: str) -> bytes:
    """A name in wire form, lower case, from its text; `\\DDD` and `\\X` as in RFC 1035 5.1. ValueError if none."""
    labels: list[bytearray] = [bytearray()]
    at = 0
    raw = text.encode("utf-8")
    while at < len(raw):
        if raw[at] == 0x2E:
            labels.append(bytearray())
        elif raw[at] == 0x5C:
            digits = raw[at + 1 : at + 4]
            if len(digits) == 3 and digits.isdigit() and int(digits) < 256:
                labels[-1].append(int(digits))
                at += 3
            elif digits:
                labels[-1].append(digits[0])
                at += 1
            else:
                raise ValueError(f"not a name: {text!r}")
        else:
            labels[-1].append(raw[at])
        at += 1
    if not labels[-1]:
        labels.pop()
    if any(not 0 < len(label) < 64 for label in labels) and text != ".":
        raise ValueError(f"not a name: {text!r}")
    wire = b"".join(bytes([len(label)]) + label for label in labels if label) + b"\0"
    if len(wire) > 255:
        raise ValueError(f"a name over 255 octets: {text!r}")
    return wire.lower()


def text_name(name: bytes) -> str:
    """A wire name as people write it, every octet that is not plain escaped."""
    parts, at = [], 0
    while at < len(name) and (length := name[at]):
        label = name[at + 1 : at + 1 + length]
        parts.append("".join(_printable(octet) for octet in label))
        at += length + 1
    return ".".join(parts) + "."


def _printable(octet: int) -> str:
    if octet in b".\\":
        return "\\" + chr(octet)
    return chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}"


def reverse_zones(network: str) -> list[str]:
    """The zones under in-addr.arpa or ip6.arpa that together are *network*, cut at whole labels."""
    whole = ipaddress.ip_network(network)
    step = 8 if whole.version == 4 else 4
    length = -(-whole.prefixlen // step) * step
    zones = []
    for part in whole.subnets(new_prefix=length):
        labels = part.network_address.reverse_pointer.split(".")
        zones.append(".".join(labels[(whole.max_prefixlen - length) // step :]))
    return zones
