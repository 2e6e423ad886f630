"""Hostile packets and floods, as far as they can be shown on loopback (protocol checklist, part 2)."""

import socket
import struct
import threading
import time

from conformance.message import RA, TCP, UDP, ask, edns, opt
from conformance.mischief import BAD
from conformance.peers import free_port
from conformance.stage import address, rr, say
from conformance.table import Broken, NotShown, Table, meets, rcode, records, size, within
from conformance.zone import own_opt

NOERROR, FORMERR = rcode("NOERROR"), rcode("FORMERR")

# Packets of clients -----------------------------------------------------------------------------------------

PACKETS = Table("Hostile packets")
for count in (99, 250, 16000):

    @PACKETS.story(
        f"{count:,} EDNS options are answered at once",
        "CVE-2026-41292, CVE-2024-1931",
        over=(TCP,) if count > 1000 else (UDP, TCP),
    )
    def _(case, count=count):
        meets(case.ask(edns(options=((65001, b""),) * count)), rcode("NOERROR", "FORMERR"), within(0.5))
        case.alive()


PACKETS.row(
    "the same option a hundred times is answered at once",
    "CVE-2026-42944",
    edns(options=((3, b""),) * 50 + ((12, b"\0"),) * 49),
    rcode("NOERROR", "FORMERR"),
    within(0.5),
)
PACKETS.row(
    "an OPT that filters would overlook is no OPT",
    "CVE-2026-42004",
    ask(additional=(opt(),), counts=(1, 0, 1, 0)),
    FORMERR,
)


@PACKETS.story("a query full of pointers costs no time", "RFC 9267 2, CVE-2026-42304", over=(TCP,))
def _(case):
    chain = b"".join(struct.pack("!H", 0xC000 | 12 + 2 * number) for number in range(900))
    body = ask(tail=rr(65280, b"\xc0\x0c" + chain) + rr(1, b"", owner=b"\xc7\x00") * 3000, counts=(1, 0, 0, 3001))
    answer = case.ask(body)
    if answer is not None and answer.took > 0.5:
        raise Broken(f"after {answer.took:.2f} s")
    if case.alive().took > 0.3:
        raise Broken("others waited")


@PACKETS.story("an answer of 60 kB that is all pointers costs no time", "CVE-2026-42304, CVE-2024-8508", over=(TCP,))
def _(case):
    def script(heard):
        if heard.transport == UDP:
            return say(heard, (), (), own_opt(heard), flags=RA | 0x0200)
        base = 12 + len(heard.question) + 12
        chain = b"\xc0\x0c" + b"".join(struct.pack("!H", 0xC000 | base + 2 * number) for number in range(900))
        last = struct.pack("!H", 0xC000 | base + 1800)
        return say(heard, [rr(65280, chain), *(address(BAD, owner=last) for _ in range(3600))])

    case.restart(routes={"chain.example": (case.play(script).port,)})
    threading.Thread(target=case.ask, args=(ask("{}.chain.example"),), daemon=True).start()
    time.sleep(0.05)
    slowest = max(case.alive().took for _ in range(10))
    if slowest > 1:
        raise Broken(f"others waited {slowest:.2f} s")


@PACKETS.story("junk of every size leaves it answering", "RFC 9267", over=(UDP,))
def _(case):
    with case.udp() as sock:
        for length in (0, 1, 11, 12, 13, 50, 511, 4000, 65000):
            for fill in (b"\0", b"\xff", b"\xc0", bytes(range(256)), b"\1\0\0\1"):
                sock.send((fill * (length // len(fill) + 1))[:length])
    case.alive()


@PACKETS.story("names do not write into the log", "CVE-2026-0396, CVE-2026-40011", over=(UDP,))
def _(case):
    name = b'\x0eline\nfeed"<\x80>x' + b"\x06closed\7example\0"
    case.ask(ask(raw_name=name))
    time.sleep(0.1)
    said = "\n".join(case.server.log)
    if any(line.startswith("feed") for line in case.server.log) or "\x80" in said:
        raise Broken("a name broke a line of the log")


# Not a weapon ---------------------------------------------------------------------------------------------------

WEAPON = Table("Floods, and being used for them")
WEAPON.row(
    "a small query has no large answer over UDP without EDNS",
    "RFC 5358",
    ask("{}.huge.example", "TXT"),
    size(512),
    over=(UDP,),
)
WEAPON.row(
    "no answer over UDP is larger than 1,232 octets",
    "RFC 5358, RFC 9715",
    edns("{}.huge.example", "TXT", size=65535),
    size(1232),
    over=(UDP,),
)
WEAPON.row(
    "no answer of Consul over UDP is larger than 1,232 octets",
    "RFC 5358",
    edns("many.service.consul", "SRV", size=65535),
    size(1232),
    over=(UDP,),
)


@WEAPON.story("who waits in numbers for one slow answer does not get a burst", "DNSBomb CVE-2024-33655", over=(UDP,))
def _(case):
    name = "{}.700ms.slow.example"
    released = []
    with case.udp() as sock:
        for number in range(1000):
            sock.send(case.packet(ask(name), number))
        deadline = time.monotonic() + 2.5
        sock.settimeout(1.5)
        try:
            while time.monotonic() < deadline and len(released) < 1000:
                released.append(sock.recv(4096))
        except TimeoutError:
            pass
    good = sum(1 for packet in released if packet[7])
    if good > 300:
        raise Broken(f"{good} answers at once")


@WEAPON.story("names that were never asked, at a silent upstream, slow nobody", "PRSD, random subdomains", over=(UDP,))
def _(case):
    case.must(ask())
    slow = 0
    with case.udp() as sock:
        for number in range(3000):
            sock.send(case.packet(ask(f"{case.label}{number}.silent.example"), number))
            if number % 300 == 299:
                slow += meets(case.ask(ask()), NOERROR, records(1)).took > 0.2
                meets(case.ask(ask("web.service.consul")), NOERROR, records(3), within(0.5))
    if slow > 2:
        raise Broken(f"kept names took over 0.2 s, {slow} times of 10")


@WEAPON.story("a loop through an upstream ends by itself", "TsuKing, RFC 9520 3.1, coredns#7704", over=(UDP,))
def _(case):
    count = 0
    relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def script(heard):
        nonlocal count
        count += 1
        if count < 500:
            relay.sendto(heard.packet, ("127.0.0.1", case.port))

    case.restart(routes={"loop.example": (case.play(script).port,)})
    answer = case.ask(ask("{}.loop.example"), patience=5)
    time.sleep(1.0)
    relay.close()
    case.alive()
    if count > 20:
        raise Broken(f"{count} questions went round")
    if answer is None:
        raise Broken(f"no answer in 5 s, {count} questions went round")


@WEAPON.story("two servers that ask each other stay alive", "TsuNAME, coredns#8365", over=(UDP,))
def _(case):
    ports = []
    waiting = {}

    def script_for(number):
        def script(heard):
            waiting[number] = waiting.get(number, 0) + 1
            if waiting[number] > 500:
                return
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0.01)
                sock.sendto(heard.packet, ("127.0.0.1", ports[1 - number]))
            return

        return script

    for number in (0, 1):
        case.restart(routes={"loop.example": (case.play(script_for(number)).port,)})
        ports.append(case.port)
    case.ask(ask("{}.loop.example"), patience=5)
    time.sleep(0.5)
    case.alive()
    if sum(waiting.values()) > 30:
        raise Broken(f"{sum(waiting.values())} questions went round")


@WEAPON.story("its own address is no upstream", "coredns#1938", over=(UDP,))
def _(case):
    if not case.peer.own:
        raise NotShown("its port is not known before the start")
    port = free_port()
    case.restart(routes={"self.example": (port,)}, extra={"dns": {"listen": [f"127.0.0.1:{port}"]}})
    case.port = case.server.ports[0]
    meets(case.ask(ask("{}.self.example"), patience=5), rcode("SERVFAIL", "REFUSED"), within(1.0))
    case.alive()


TABLES = (PACKETS, WEAPON)
