"""The machine itself: its clock, its limits, what the kernel had to drop, certificates, doors."""

import ctypes
from collections.abc import Iterator

from panteras_dns.doctor.finding import PROBLEM, WARNING, Finding
from panteras_dns.doctor.host import Host

STATE = "/var/lib/panteras/access"
_FILES = 4096  # of a limit that systemd and Docker usually set much higher
BUFFER = 212_992  # bytes; the kernel's own default
VERY_SOON = 7  # days
_TIME_ERROR = 5  # adjtimex(2)
_RMEM = "/proc/sys/net/core/rmem_max"
_DOORS = (("door", 2222, "panteras-sshd"), ("vpn", 443, "panteras-openvpn"))


def clock(_host: Host) -> Iterator[Finding]:
    """Somebody keeps it right."""
    if _adjtimex() == _TIME_ERROR:
        yield Finding(
            "PAN530",
            "nobody keeps the clock right",
            "certificates and cookies end by the clock, and logs are compared by it",
            ("timedatectl set-ntp true",),
            WARNING,
        )


def _adjtimex() -> int:
    """The state of the clock as adjtimex(2) has it, read only; -1 where it does not say."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))
    except (AttributeError, OSError):
        return -1


def limits(host: Host) -> Iterator[Finding]:
    """Buffers are large enough, and the server may open as many files as it has questions and connections."""
    pid, files = host.open_files(53) or (0, _FILES)
    if files < _FILES:
        yield Finding(
            "PAN543",
            f"the process at port 53 may open no more than {files} files",
            "each connection and each question to an upstream is one: clients are turned away when many ask",
            (f"prlimit --pid {pid} --nofile=65536:65536",),
            WARNING,
        )
    largest = (host.read(_RMEM) or "").strip()
    if largest.isdigit() and int(largest) < BUFFER:
        yield Finding(
            "PAN541",
            f"UDP sockets can't have more than {largest} bytes of buffer",
            "a burst of questions is dropped by the kernel",
            (f"sysctl -w net.core.rmem_max={BUFFER}",),
            WARNING,
        )


def drops(host: Host) -> Iterator[Finding]:
    """The sockets at port 53 lost nothing."""
    lost = sum(_dropped(host.read(path) or "") for path in ("/proc/net/udp", "/proc/net/udp6"))
    if lost:
        yield Finding(
            "PAN542",
            f"the kernel dropped {lost} questions at port 53 before they could be read",
            "the server was too busy: `dns.workers = 2` shares the port; counted since it began to listen",
            level=WARNING,
        )


def _dropped(table: str) -> int:
    """Of all sockets bound to port 53 in a table of proc(5)."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return sum(int(row[-1]) for row in rows if len(row) > 12 and row[1].endswith(":0035") and row[-1].isdigit())


def certificates(host: Host) -> Iterator[Finding]:
    """Those of the doors and of the people who come in are good for a while."""
    for one in host.ending(STATE):
        when, days = str(one["not_after"])[:10], int(one["days"])
        what = f"{one['what']} ends on {when}, in {days} days" if days >= 0 else f"{one['what']} ended on {when}"
        level = PROBLEM if days < VERY_SOON else WARNING
        yield Finding("PAN531", what, "from then on nobody connects with it", (str(one["renew"]),), level)


def doors(host: Host) -> Iterator[Finding]:
    """Each door that was set up is open."""
    for folder, port, container in _DOORS:
        if not (host.root / STATE.lstrip("/") / folder).is_dir():
            continue
        if not any(host.accepts(address, port) for address in host.addresses() if "%" not in address):
            yield Finding(
                "PAN532",
                f"{container} does not answer at port {port}",
                f"{STATE}/{folder} is there, so people are let in by it",
                host.start(container),
                WARNING,
            )
