"""RFC 7766, 9210: TCP."""

import socket
import time

from conformance.bench import read_message
from conformance.message import TCP, UDP, ask, edns
from conformance.table import NO_TC, OPT, Broken, Table, meets, rcode, records

TABLE = Table("RFC 7766, 9210: TCP")
NOERROR = rcode("NOERROR")


def framed(*packets):
    return b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)


def answers(sock, count):
    found = []
    try:
        while len(found) < count and (message := read_message(sock)):
            found.append(message)
    except OSError:
        pass
    return found


@TABLE.story("several queries may use one connection, one after the other", "RFC 7766 6.2.1", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        for number in range(5):
            sock.sendall(framed(case.packet(ask(f"{case.label}{number}.plain.example"), number)))
            if not answers(sock, 1):
                raise Broken(f"nothing to query {number + 1}")


@TABLE.story("queries may be sent without waiting for answers", "RFC 7766 6.2.1.1", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        sock.sendall(framed(*(case.packet(ask(f"{case.label}{number}.plain.example"), number) for number in range(50))))
        ids = {int.from_bytes(packet[:2], "big") for packet in answers(sock, 50)}
    if ids != set(range(50)):
        raise Broken(f"{len(ids)} of 50 answers")


@TABLE.story("answers come as they are ready, not in the order of the queries", "RFC 7766 7", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        sock.sendall(framed(case.packet(ask("{}.600ms.slow.example"), 1), case.packet(ask(), 2)))
        ids = [int.from_bytes(packet[:2], "big") for packet in answers(sock, 2)]
    if ids != [2, 1]:
        raise Broken(f"answers in the order {ids}")


@TABLE.story(
    "who has asked all he wants (half-close) still gets his answers", "RFC 7766 6.2.4, RFC 9293 3.6", over=(TCP,)
)
def _(case):
    with case.tcp() as sock:
        sock.sendall(framed(case.packet(ask("{}.200ms.slow.example"), 1)))
        sock.shutdown(socket.SHUT_WR)
        if not answers(sock, 1):
            raise Broken("the connection ended without an answer")


@TABLE.story("length and message come in one piece", "RFC 7766 8", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        sock.sendall(framed(case.packet(ask())))
        first = sock.recv(65535)
    if len(first) < 14:
        raise Broken(f"{len(first)} octets at first")


@TABLE.story("a query may come octet by octet", "RFC 7766 8", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        for octet in framed(case.packet(ask(), 1)):
            sock.sendall(bytes([octet]))
        if not answers(sock, 1):
            raise Broken("no answer")


@TABLE.story("a length split from its message does not end the connection", "RFC 7766 8, twisted#12680", over=(TCP,))
def _(case):
    packet = framed(case.packet(ask(), 1))
    with case.tcp() as sock:
        sock.sendall(packet[:1])
        time.sleep(0.05)
        sock.sendall(packet[1:2])
        time.sleep(0.05)
        sock.sendall(packet[2:])
        if not answers(sock, 1):
            raise Broken("no answer")


TABLE.row(
    "20 records of 3,000 octets come whole",
    "RFC 7766 5",
    edns("{}.huge.example", "TXT"),
    NOERROR,
    records(20),
    NO_TC,
    OPT,
    over=(TCP,),
)
TABLE.row("TCP is not refused because UDP would have done", "RFC 9210 3", ask(), NOERROR, records(1), over=(TCP,))


@TABLE.story("a bad message is FORMERR, and the connection stays", "RFC 7766 6.2.1", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        sock.sendall(framed(case.packet(ask(raw_name=b"\xc0\x0c"), 1), case.packet(ask(), 2)))
        found = {packet[:2]: packet[3] & 15 for packet in answers(sock, 2)}
    if found != {b"\0\1": 1, b"\0\2": 0}:
        raise Broken(f"{len(found)} answers, rcodes {list(found.values())}")


@TABLE.story("an answer that came truncated is fetched over TCP", "RFC 7766 5, RFC 1123 6.1.3.2", over=(UDP, TCP))
def _(case):
    answer = meets(case.ask(edns("{}.many.example")), NOERROR)
    if case.over == TCP and answer.counts[1] != 300:
        raise Broken(f"{answer}")
    if case.over == UDP and not answer.flags & 0x0200:
        raise Broken(f"{answer}, TC clear")


@TABLE.story(
    "a connection that the upstream ends with a question open is made anew", "RFC 7766 6.2.4, consul#1005", over=(TCP,)
)
def _(case):
    meets(case.ask(ask("{}.closing.example"), patience=5), NOERROR, records(1))


@TABLE.story(
    "a connection without a query ends after seconds; single octets do not keep it",
    "RFC 7766 6.2.3, RFC 9210 4.5",
    over=(TCP,),
)
def _(case):
    began = time.monotonic()
    with case.tcp() as idle, case.tcp() as dripping:
        ended = {}
        for sock in (idle, dripping):
            sock.settimeout(0.25)
        while len(ended) < 2 and time.monotonic() - began < 35:
            for name, sock in (("idle", idle), ("dripping", dripping)):
                if name in ended:
                    continue
                try:
                    if name == "dripping":
                        sock.sendall(b"\1")
                    if not sock.recv(1):
                        ended[name] = time.monotonic() - began
                except TimeoutError:
                    continue
                except OSError:
                    ended[name] = time.monotonic() - began
    if len(ended) < 2:
        raise Broken(f"after 35 s still open: {', '.join({'idle', 'dripping'} - set(ended))}")
    if min(ended.values()) < 1:
        raise Broken(f"ended after {min(ended.values()):.1f} s")


@TABLE.story("connections of one client are bounded, and others are served", "RFC 7766 10, RFC 9210 4.5", over=(TCP,))
def _(case):
    held, refused = [], 0
    try:
        for _ in range(300):
            try:
                held.append(case.tcp(1))
            except OSError:
                refused += 1
        time.sleep(0.3)
        for sock in held:
            sock.setblocking(False)
            try:
                refused += sock.recv(1) == b""
            except BlockingIOError:
                pass
            except OSError:
                refused += 1
        case.alive()
    finally:
        for sock in held:
            sock.close()
    if refused < 100:
        raise Broken(f"{300 - refused} of 300 connections of one client were taken")
    time.sleep(0.2)
    meets(case.ask(ask()), NOERROR)


@TABLE.story("who does not take his answers holds up nobody", "RFC 7766 10", over=(TCP,))
def _(case):
    case.must(edns("{}.huge.example", "TXT"))
    packet = framed(case.packet(edns("{}.huge.example", "TXT")))
    with case.tcp() as sock:
        sock.settimeout(0.3)
        try:
            for _ in range(400):
                sock.sendall(packet)
        except TimeoutError:
            pass
        slowest = max(case.alive().took for _ in range(20))
        slowest = max(slowest, meets(case.send(case.packet(ask()), over=TCP), NOERROR).took)
    if slowest > 0.5:
        raise Broken(f"others waited {slowest:.2f} s")


@TABLE.story("3,000 queries of one connection are all answered", "CVE-2025-30193", over=(TCP,))
def _(case):
    case.must(ask())
    packet = framed(case.packet(ask(), 9))
    with case.tcp(5) as sock:
        sock.sendall(packet * 3000)
        sock.shutdown(socket.SHUT_WR)
        count = len(answers(sock, 3000))
    case.alive()
    if count != 3000:
        raise Broken(f"{count} of 3,000")


@TABLE.story("a connection reset in the midst of answers harms nobody", "RFC 7766 6.2.4", over=(TCP,))
def _(case):
    for number in range(10):
        sock = case.tcp()
        sock.sendall(framed(case.packet(ask(f"{case.label}{number}.100ms.slow.example"), number)))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    time.sleep(0.3)
    case.alive()


@TABLE.story("an empty message does not end the service", "RFC 7766 8", over=(TCP,))
def _(case):
    with case.tcp() as sock:
        sock.sendall(b"\0\0\0\1x" + framed(case.packet(ask(), 1)))
        answers(sock, 1)
    meets(case.ask(ask()), NOERROR)
