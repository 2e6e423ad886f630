"""What no client should do, in numbers: the server goes on answering, bounded, and is itself again right after."""

import contextlib
import random
import resource
import select
import socket
import time

import dns.exception
import psutil
import pytest
from builders import a_query, a_reply
from program import Gateway, a_record, addresses, ask, ask_tcp, name_in

MEGABYTE = 1 << 20


def memory_of(gateway: Gateway) -> float:
    """Resident memory, in MB."""
    return psutil.Process(gateway.process.pid).memory_info().rss / MEGABYTE


def pour(port: int, packets, rate: float = 15_000) -> None:
    """Send packets at that many a second, answers unread but emptied."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        began = time.monotonic()
        for number, packet in enumerate(packets):
            sock.send(packet)
            if number % 200 == 199:
                while select.select([sock], [], [], 0)[0]:
                    sock.recv(65535)
                time.sleep(max(0.0, number / rate - (time.monotonic() - began)))


def slowest(port: int, name: str, count: int = 50) -> float:
    """Seconds of the slowest of *count* answers, all of them right, once what was poured before is through."""
    worst = 0.0
    with contextlib.suppress(dns.exception.Timeout):
        ask(port, name, timeout=4)  # behind all that waits in the socket, or lost where that was full
    for number in range(count):
        began = time.monotonic()
        assert addresses(ask(port, name, id=number, timeout=4))
        worst = max(worst, time.monotonic() - began)
    return worst


@pytest.fixture
def half_silent(gateway, responder):
    """A gateway whose upstream knows only `known.example`, and whose Consul knows everything."""

    def script(query, _):
        return a_reply(query, f"{name_in(query)} 600 A 192.0.2.1") if name_in(query) == "known.example." else None

    consul, upstream = responder(a_record("10.0.0.1", 0)), responder(script)
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(consul), "--upstream", str(upstream)).ready()
    assert addresses(ask(running.port, "known.example"))
    return running


def test_a_hundred_thousand_names_at_a_silent_upstream(half_silent):
    before = memory_of(half_silent)

    pour(half_silent.port, (a_query(f"n{number}.flood.example") for number in range(100_000)), 12_000)

    assert slowest(half_silent.port, "known.example") < 1
    assert slowest(half_silent.port, "web.service.consul") < 1.5
    assert memory_of(half_silent) - before < 60
    time.sleep(2)
    assert slowest(half_silent.port, "web.service.consul") < 0.3


def test_a_hundred_thousand_names_that_exist(gateway, responder):
    upstream = responder(a_record("192.0.2.1", 600))
    running = gateway("--listen", "127.0.0.1:0", "--upstream", str(upstream)).ready()

    pour(running.port, (a_query(f"n{number}.flood.example") for number in range(100_000)), 8_000)

    assert memory_of(running) < 110
    # The upstream, a program of the tests, may be behind for a moment still.
    assert any(addresses(ask(running.port, "known.example", timeout=4)) for _ in range(5))
    assert slowest(running.port, "known.example") < 1


def test_a_hundred_thousand_packets_of_nonsense(half_silent):
    source = random.Random(1)
    good = a_query("known.example", use_edns=0)

    def nonsense():
        for _ in range(100_000):
            packet = bytearray(good)
            for _ in range(source.randrange(1, 8)):
                packet[source.randrange(2, len(packet))] = source.randrange(256)
            yield bytes(packet[: source.randrange(1, len(packet) + 1)])

    pour(half_silent.port, nonsense(), 20_000)

    assert slowest(half_silent.port, "known.example") < 1
    assert memory_of(half_silent) < 110


def test_five_thousand_connections(half_silent):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    crowd = []
    try:
        for _ in range(5000):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", half_silent.port))
            crowd.append(sock)
            if len(crowd) % 100 == 0:
                time.sleep(0.01)
        assert slowest(half_silent.port, "known.example") < 1
        assert psutil.Process(half_silent.process.pid).num_fds() < 1500
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    time.sleep(2)
    assert addresses(ask_tcp(half_silent.port, "known.example"))


def test_connections_that_take_no_answers(half_silent):
    packet = a_query("known.example")
    pipeline = (len(packet).to_bytes(2, "big") + packet) * 2000
    crowd = [socket.create_connection(("127.0.0.1", half_silent.port)) for _ in range(50)]
    try:
        for sock in crowd:
            sock.setblocking(False)
            for _ in range(20):
                try:
                    sock.send(pipeline)
                except BlockingIOError:
                    break
        assert slowest(half_silent.port, "known.example") < 1
        assert memory_of(half_silent) < 150
    finally:
        for sock in crowd:
            sock.close()


def test_few_file_descriptors(gateway, responder):
    consul = responder(a_record("10.0.0.1", 0))
    running = gateway(
        *("--listen", "127.0.0.1:0", "--consul", str(consul)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)),
    ).ready()
    crowd = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(200)]
    for sock in crowd:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", running.port))
    time.sleep(0.5)

    assert slowest(running.port, "web.service.consul") < 1
    for sock in crowd:
        sock.close()
    time.sleep(1)
    assert addresses(ask_tcp(running.port, "web.service.consul"))
    assert running.process.poll() is None
