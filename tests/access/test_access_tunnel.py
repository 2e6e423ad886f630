"""The guard inside sshuttle's server, spoken to by clients that are none."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from carrier import CLOSED_PORT, HEADER, ME, Carrier
from dnslib import QTYPE, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st
from sshuttle import ssnet

from panteras_dns.access.ssh import tunnel
from panteras_dns.access.ssh.carriage import MOST_HELD, MOST_WAITING
from panteras_dns.access.ssh.tunnel import MOST_CONNECTIONS, Guard


@pytest.fixture
def carrier(tmp_path) -> Iterator[Carrier]:
    made = Carrier(tmp_path / "audit")
    yield made
    made.end()


@pytest.fixture
def service() -> Iterator[socket.socket]:
    """A listening socket; nobody accepts unless a test does."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as made:
        made.settimeout(10)
        yield made


def a_question(name: str, kind: str = "A") -> bytes:
    return DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind))).pack()


def test_what_goes_through_a_connection_is_counted_and_told_once(carrier, service):
    carrier.connect(1, service.getsockname()[1])
    far, _ = service.accept()
    carrier.send(1, ssnet.CMD_TCP_DATA, b"ping")
    heard = far.recv(100)
    far.sendall(b"pong!")
    far.close()
    packets = carrier.until(ssnet.CMD_TCP_EOF)
    carrier.send(1, ssnet.CMD_TCP_EOF)
    carrier.ping()
    carrier.ping()

    status, told = carrier.end()

    (line,) = carrier.audit()
    assert heard == b"ping"
    assert (1, ssnet.CMD_TCP_DATA, b"pong!") in packets
    assert line.pop("seconds") < 10
    assert line == {
        "event": "connect", "service": "web", "address": "127.0.0.1", "port": service.getsockname()[1], "bytes": 9,
        "error": None,
    }  # fmt: skip
    assert (status, told) == (0, "")


def test_a_place_that_is_not_for_her_is_closed_and_told_and_the_tunnel_lives(carrier):
    carrier.connect(1, CLOSED_PORT)

    assert carrier.ping() == [(1, ssnet.CMD_TCP_STOP_SENDING, b""), (1, ssnet.CMD_TCP_EOF, b"")]
    assert carrier.audit() == [{"event": "refused", "address": "127.0.0.1", "port": CLOSED_PORT, "why": "closed"}]


def test_nobody_there_is_told_and_the_tunnel_lives(carrier):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    carrier.connect(1, port)
    carrier.until(ssnet.CMD_TCP_EOF)
    carrier.ping()

    assert [(line["event"], line["port"]) for line in carrier.audit()] == [("connect", port)]
    assert "refused" in carrier.audit()[0]["error"]


NO_PLACES = [
    *(b"", b"2", b"2,127.0.0.1", b"2,localhost,80", b"2,127.0.0.1,0", b"2,127.0.0.1,65536", b"2,127.0.0.1,-1"),
    *(b"2,127.0.0.1,8_0", b"x,127.0.0.1,80", b"2,127.0.0.1,80,80", b"\xff,\xff,\xff", b"2,127.0.0.1," + b"9" * 5000),
    *(b"2,::ffff:127.0.0.1%lo,80", b"10,fe80::1%nowhere,80"),
]


def test_a_place_that_is_none_is_closed_and_the_tunnel_lives(carrier):
    for channel, place in enumerate(NO_PLACES, 1):
        carrier.send(channel, ssnet.CMD_TCP_CONNECT, place)

        assert carrier.until(ssnet.CMD_TCP_EOF)[-1] == (channel, ssnet.CMD_TCP_EOF, b""), place
    carrier.ping()


def test_a_second_name_of_an_ipv4_address_is_that_address(carrier):
    carrier.connect(1, CLOSED_PORT, "::ffff:127.0.0.1")
    carrier.ping()

    assert [line["address"] for line in carrier.audit()] == ["127.0.0.1"]


NOT_HERE = ("HOST_REQ", "HOST_LIST", "ROUTES", "UDP_OPEN", "UDP_DATA", "UDP_CLOSE", "DNS_RESPONSE", "TCP_DATA")


@pytest.mark.parametrize("channel", [0, 1, 9], ids=["none", "open", "closed"])
def test_host_names_routes_and_udp_are_not_to_be_had_on_any_channel(carrier, service, channel):
    carrier.connect(1, service.getsockname()[1])
    carrier.ping()

    for cmd in NOT_HERE:
        carrier.send(channel, getattr(ssnet, f"CMD_{cmd}"), b"2")
        assert carrier.ping() == [], cmd
    assert carrier.children() == "", "sshuttle's search for host names was started"


def test_at_most_so_many_connections_are_open_at_once(carrier, service):
    for channel in range(1, MOST_CONNECTIONS + 2):
        carrier.connect(channel, service.getsockname()[1])

    carrier.ping()

    (refused,) = carrier.audit()
    assert refused["why"] == f"{MOST_CONNECTIONS} connections are open"


def test_a_nameserver_that_is_away_costs_a_question_and_never_the_tunnel(carrier):
    for channel in range(1, 300):
        carrier.send(channel, ssnet.CMD_DNS_REQ, a_question("web.service.consul"))

    assert carrier.ping() == []
    assert carrier.end() == (0, "")


def test_a_question_that_is_none_costs_nothing(carrier):
    for data in (b"", b"\0", b"\2me\6access", bytes(12) + b"\2me\6access\xc0\xff", b"x" * 60_000):
        carrier.send(1, ssnet.CMD_DNS_REQ, data)

    carrier.ping()
    assert carrier.end() == (0, "")


def test_she_may_ask_who_she_is_however_long_the_answer(carrier):
    for name in ("me.access.consul", "ME.Access.CONSUL"):
        carrier.send(1, ssnet.CMD_DNS_REQ, a_question(name, "TXT"))

        channel, _, data = carrier.until(ssnet.CMD_DNS_RESPONSE)[-1]

        (record,) = DNSRecord.parse(data).rr
        assert (channel, b"".join(record.rdata.data).decode()) == (1, ME)


def test_bytes_that_are_no_packet_end_the_tunnel_in_one_line(carrier):
    carrier.send_bytes(b"GET / HTTP/1.1\r\n\r\n")

    status, told = carrier.end()

    assert (status, told) == (99, " s: fatal: the client does not speak sshuttle's language\n")


def test_a_channel_that_is_opened_twice_ends_the_tunnel_in_one_line(carrier, service):
    carrier.connect(1, service.getsockname()[1])
    carrier.connect(1, service.getsockname()[1])

    status, told = carrier.end()

    assert (status, told) == (99, " s: fatal: channel 1 is open already\n")


def test_many_small_packets_take_time_by_their_number_alone(carrier):
    pongs = HEADER.pack(b"SS", 0, ssnet.CMD_PONG, 0) * 200_000
    began = time.monotonic()

    sent = carrier.pour(pongs, patience=5)
    carrier.ping()

    assert sent == len(pongs)
    assert time.monotonic() - began < 5


def test_who_does_not_read_the_answers_to_her_pings_can_send_no_more(carrier):
    ping = HEADER.pack(b"SS", 0, ssnet.CMD_PING, 60_000) + bytes(60_000)

    sent = carrier.pour(ping * 2000)

    assert sent < 4 * MOST_WAITING < len(ping) * 2000
    assert carrier.memory() < 150_000_000


@pytest.mark.parametrize("latency_control", [True, False])
def test_a_slow_line_does_not_fill_the_memory_with_a_download(tmp_path, service, latency_control):
    carrier = Carrier(tmp_path / "other", latency_control=latency_control)
    try:
        carrier.connect(1, service.getsockname()[1])
        far, _ = service.accept()
        far.settimeout(0.3)
        with contextlib.suppress(TimeoutError), far:
            far.sendall(bytes(100_000_000))

        assert carrier.memory() < 100_000_000
    finally:
        carrier.end()


def an_upload(channel: int, size: int) -> bytes:
    packet = HEADER.pack(b"SS", channel, ssnet.CMD_TCP_DATA, 60_000) + bytes(60_000)
    return packet * (size // 60_000)


def test_a_slow_service_does_not_fill_the_memory_with_an_upload_and_gets_all_of_it(carrier, service):
    carrier.connect(1, service.getsockname()[1])
    far, _ = service.accept()
    data = an_upload(1, 120_000_000)

    sent = carrier.pour(data)
    held = carrier.memory()
    with far:
        reader = threading.Thread(target=lambda: [None for _ in iter(lambda: far.recv(1 << 20), b"")])
        reader.start()
        sent += carrier.pour(data[sent:], patience=5)
        carrier.send(1, ssnet.CMD_TCP_EOF)
        reader.join(10)

    carrier.ping()
    assert held < MOST_HELD + 100_000_000
    assert sent == len(data)


def test_a_service_that_takes_nothing_any_more_is_cut_off_and_the_others_go_on(tmp_path, service):
    carrier = Carrier(tmp_path / "other", stuck=0.2)
    try:
        for channel in (1, 2):
            carrier.connect(channel, service.getsockname()[1])
        stuck, other = service.accept()[0], service.accept()[0]
        carrier.send(2, ssnet.CMD_TCP_DATA, b"before")

        sent = carrier.pour(an_upload(1, 120_000_000), patience=5)
        carrier.send(2, ssnet.CMD_TCP_DATA, b" and after")
        carrier.ping()

        heard = other.recv(6) + other.recv(10)
        carrier.ping()
        (line,) = carrier.audit()
        stuck.close()
        other.close()
    finally:
        carrier.end()
    assert sent > 120_000_000
    assert heard == b"before and after"
    assert line["error"] == "the service took nothing for too long"


class Told:
    """A stand-in for the connection to the client."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int, bytes]] = []

    def send(self, channel: int, cmd: int, data: bytes) -> None:
        self.sent.append((channel, cmd, data))


def a_guard() -> Guard:
    return Guard(None, lambda event: None, "consul", "identity=alice")  # type: ignore[arg-type]


def test_a_question_ends_by_the_time_that_passes_and_not_by_the_time_of_day():
    """sshuttle compares with the time of day: after a jump back, no question would ever end, and none could begin."""
    question = tunnel.GuardedDns(Told(), 1, a_question("me.access.consul"), "127.0.0.1@53", a_guard())

    before = question.timeout
    question._until = time.monotonic()

    assert (before, question.timeout) == (float("inf"), float("-inf"))


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_any_bytes_are_a_question_about_herself_or_not(data, at, byte):
    guard = a_guard()
    damaged = bytearray(a_question("me.access.consul", "TXT"))
    damaged[at % len(damaged)] = byte
    for request in (data, data + b"\2me\6access\6consul\0\0\x10\0\1", bytes(damaged), bytes(damaged[:at])):
        reply = guard.answer(request)
        assert reply is None or DNSRecord.parse(reply).header.qr
