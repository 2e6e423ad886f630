"""Profiles for OpenVPN's clients: one file a device, everything in it. In variants, since not all clients set a DNS."""

import io
from collections.abc import Sequence

from panteras_dns.access.door import ALIAS
from panteras_dns.access.index import Entry
from panteras_dns.access.report import day
from panteras_dns.access.vpn.settings import FULL, Vpn
from panteras_dns.access.vpn.template import fill, template

UNIVERSAL, LINUX = "universal", "linux-2.6"
VARIANTS = (UNIVERSAL, LINUX)

_VERSION = (2, 6)
_MOST_QR = 2953  # bytes: version 40, level L (ISO/IEC 18004)


def render(entry: Entry, host: str, chosen: Vpn, ca: str, variant: str = UNIVERSAL) -> str:
    """The text of a profile. *ca*: its certificate as PEM."""
    values = {
        "id": entry.id,
        "until": day(entry.not_after),
        "reach": entry.services or "all services",
        "host": host,
        "udp": chosen.udp,
        "tcp": chosen.tcp,
        "alias": ALIAS,
        "ca": ca.strip(),
        "certificate": entry.certificate.strip(),
        "key": entry.private_key.decode().strip(),
        "wrapped": entry.wrapped_key.strip(),
    }
    so = {variant, *(one.kind for one in chosen.transports)}
    return fill(template("client.ovpn"), _VERSION, so, values)


def files(entry: Entry, host: str, chosen: Vpn, ca: str) -> dict[str, bytes]:
    """What a device gets."""
    name = f"{entry.name}-{entry.device}"
    universal = render(entry, host, chosen, ca)
    found = {
        f"{name}.ovpn": universal.encode(),
        f"{name}-{LINUX}.ovpn": render(entry, host, chosen, ca, LINUX).encode(),
    }
    if code := qr(compact(universal)):
        found[f"{name}.svg"] = code
    values = {
        "id": entry.id,
        "name": name,
        "until": day(entry.not_after),
        "reach": entry.services or "all services",
        "domain": chosen.domain,
        "tcp": chosen.tcp or "443",
        "tunnel": "Everything goes through the tunnel." if chosen.tunnel == FULL else "All else goes as without it.",
        "qr": f", or point a phone at {name}.svg, which is the same file as a QR code" if code else "",
    }
    found["README.md"] = fill(template("README.md"), _VERSION, (), values).encode()
    return found


def compact(profile: str) -> str:
    """The same without comments, and what a client does anyway: so that it fits into a code."""
    needless: Sequence[str] = (
        "#",
        "verb ",
        "resolv-retry ",
        "persist-",
        "auth-nocache",
        "server-poll-timeout ",
        "data-ciphers-fallback ",
    )
    return "\n".join(line for line in profile.splitlines() if not line.startswith(tuple(needless)))


def qr(text: str) -> bytes | None:
    """*text* as a QR code, an SVG; None when it is too long for one."""
    if len(text.encode()) > _MOST_QR:
        return None
    import qrcode  # noqa: PLC0415  (only who writes a kit waits for it)
    from qrcode.image.svg import SvgPathImage  # noqa: PLC0415

    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L)
    code.add_data(text.encode(), optimize=0)
    image = io.BytesIO()
    code.make_image(image_factory=SvgPathImage).save(image)
    return image.getvalue()
