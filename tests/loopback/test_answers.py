"""Questions and answers through the whole program."""

import itertools
import socket
import struct
import time

import dns.flags
import dns.message
import dns.query
import pytest
from builders import a_query, a_reply
from program import Responder, a_record, addresses, ask, ask_tcp, eventually, name_in

SOME_TIME = 0.3


def test_consul_names_come_from_consul_and_others_from_upstream(served):
    gateway, consul, upstream = served

    assert addresses(ask(gateway.port, "web.service.consul")) == ["10.0.0.1"]
    assert addresses(ask(gateway.port, "www.example.com")) == ["192.0.2.1"]
    assert addresses(ask(gateway.port, "notconsul")) == ["192.0.2.1"]
    assert [name_in(query) for query in consul.queries] == ["web.service.consul."]
    assert len(upstream.queries) == 2


def test_consul_is_asked_each_time_and_upstream_once(served):
    gateway, consul, upstream = served
    for _ in range(3):
        ask(gateway.port, "web.service.consul")
        ask(gateway.port, "www.example.com")

    assert (len(consul.queries), len(upstream.queries)) == (3, 1)


def test_tcp_answers_like_udp(served):
    gateway, _, _ = served

    assert addresses(ask_tcp(gateway.port, "web.service.consul")) == ["10.0.0.1"]
    assert addresses(ask_tcp(gateway.port, "www.example.com")) == ["192.0.2.1"]


def test_ipv6_answers_like_ipv4(gateway, responder):
    running = gateway("--listen", "[::1]:0", "--consul", str(responder(a_record("10.0.0.1")))).ready()

    message = dns.query.udp(dns.message.make_query("web.service.consul", "A"), "::1", 5, running.port)

    assert addresses(message) == ["10.0.0.1"]


def test_a_pipeline_is_answered_as_answers_come(gateway, responder):
    late: list[tuple[Responder, bytes]] = []

    def script(query, transport):
        if name_in(query).startswith("slow"):
            late.append(query)
            return None
        return [a_reply(query, f"{name_in(query)} 0 A 10.0.0.2")] + [
            a_reply(slow, f"{name_in(slow)} 0 A 10.0.0.1") for slow in late
        ]

    running = gateway("--listen", "127.0.0.1:0", "--consul", str(responder(script))).ready()
    with socket.create_connection(("127.0.0.1", running.port), 5) as connection:
        for number, name in ((1, "slow.service.consul"), (2, "fast.service.consul")):
            packet = a_query(name, id=number)
            connection.sendall(struct.pack("!H", len(packet)) + packet)
        stream = connection.makefile("rb")
        ids = [dns.message.from_wire(stream.read(struct.unpack("!H", stream.read(2))[0])).id for _ in range(2)]

    assert ids == [2, 1]


def test_a_client_that_has_asked_all_it_wants_still_gets_its_answers(served):
    gateway, _, _ = served
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        packet = a_query("web.service.consul")
        connection.sendall(struct.pack("!H", len(packet)) + packet)
        connection.shutdown(socket.SHUT_WR)
        found = connection.makefile("rb").read()

    assert addresses(dns.message.from_wire(found[2:])) == ["10.0.0.1"]


def test_a_message_may_come_byte_by_byte(served):
    gateway, _, _ = served
    packet = a_query("web.service.consul")
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in struct.pack("!H", len(packet)) + packet:
            connection.sendall(bytes([octet]))
        assert struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0] > 12


def test_a_long_pipeline_of_cached_answers_comes_whole(served):
    gateway, _, _ = served
    ask(gateway.port, "www.example.com")
    packet = a_query("www.example.com")
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        connection.sendall((struct.pack("!H", len(packet)) + packet) * 3000)
        connection.shutdown(socket.SHUT_WR)
        found = connection.makefile("rb").read()

    size = struct.unpack("!H", found[:2])[0] + 2
    assert len(found) == 3000 * size


def test_a_truncated_answer_is_fetched_over_tcp(gateway, responder):
    many = [f"www.example.com. 60 A 10.0.{number // 250}.{number % 250}" for number in range(300)]

    def script(query, transport):
        return a_reply(query, flags=dns.flags.TC) if transport == "udp" else a_reply(query, *many)

    upstream = responder(script)
    running = gateway("--listen", "127.0.0.1:0", "--upstream", str(upstream)).ready()

    assert len(addresses(ask_tcp(running.port))) == 300
    assert ask(running.port).flags & dns.flags.TC


def test_a_connection_that_a_server_closes_is_made_anew(gateway, responder):
    def script(query, transport):
        return (
            a_reply(query, flags=dns.flags.TC)
            if transport == "udp"
            else a_reply(query, f"{name_in(query)} 60 A 10.0.0.1")
        )

    upstream = responder(script)
    running = gateway("--listen", "127.0.0.1:0", "--upstream", str(upstream)).ready()
    assert addresses(ask(running.port, "a.example")) == ["10.0.0.1"]
    for connection in upstream._connections:
        connection.shutdown(socket.SHUT_RDWR)

    assert addresses(ask(running.port, "b.example")) == ["10.0.0.1"]


def test_a_dead_first_upstream_costs_one_client_a_second_once(gateway, responder):
    silent, good = responder(lambda *_: None), responder(a_record("192.0.2.1"))
    running = gateway("--listen", "127.0.0.1:0", "--upstream", str(silent), "--upstream", str(good)).ready()

    took = []
    for number in range(4):
        began = time.monotonic()
        assert addresses(ask(running.port, f"n{number}.example")) == ["192.0.2.1"]
        took.append(time.monotonic() - began)

    assert took[0] < 1.1
    assert max(took[1:]) < SOME_TIME
    assert running.said("did not answer in time")


def test_a_server_that_comes_back_is_noticed(gateway, responder):
    good = responder(a_record("192.0.2.1"))
    running = gateway("--listen", "127.0.0.1:0", "--upstream", str(good)).ready()
    port = good.port
    good.close()
    assert ask(running.port, "a.example").rcode() == 2

    responder(a_record("192.0.2.2"), port)

    eventually(lambda: running.said("answers again"))
    assert addresses(ask(running.port, "b.example")) == ["192.0.2.2"]


def test_consul_that_is_not_there_is_told_at_once_and_not_remembered(gateway, responder):
    consul = responder(a_record("10.0.0.1"))
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(consul)).ready()
    port = consul.port
    consul.close()

    began = time.monotonic()
    message = ask(running.port, "web.service.consul", use_edns=0)
    assert time.monotonic() - began < SOME_TIME
    assert message.rcode() == 2
    assert "refused" in message.options[0].text

    responder(a_record("10.0.0.2"), port)
    assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.2"]


def test_a_silent_consul_is_servfail_in_time(gateway, responder):
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(responder(lambda *_: None))).ready()

    began = time.monotonic()
    assert ask(running.port, "web.service.consul").rcode() == 2
    assert 1.5 < time.monotonic() - began < 2.5


def test_bad_answers_ahead_of_the_good_one_change_nothing(gateway, responder):
    def script(query, transport):
        good = a_reply(query, f"{name_in(query)} 60 A 192.0.2.1")
        other = query[:2] + a_reply(a_query("evil.example"), "evil.example. 60 A 6.6.6.6")[2:]
        return [b"", good[:2], good[:12], bytes([query[0] ^ 255]) + good[1:], other, query, good[:-1], good, good]

    running = gateway("--listen", "127.0.0.1:0", "--upstream", str(responder(script))).ready()

    assert addresses(ask(running.port)) == ["192.0.2.1"]


def test_any_bytes_leave_it_answering(served):
    gateway, _, _ = served
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for size in (0, 1, 11, 12, 13, 50, 511, 4000, 65000):
            for fill in (b"\0", b"\xff", b"\xc0", bytes(range(256))):
                sock.sendto((fill * (size // len(fill) + 1))[:size], ("127.0.0.1", gateway.port))
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        connection.sendall(b"\0\0\0\1x\0\x0cjunkjunkjunk\xff\xff")

    assert addresses(ask(gateway.port, "web.service.consul")) == ["10.0.0.1"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ids_towards_a_server_are_not_to_be_guessed(gateway, responder, workers):
    consul = responder(a_record("10.0.0.1"))
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(consul), "--workers", workers).ready()
    for number in range(100):
        ask(running.port, "web.service.consul", id=number)

    ids = [int.from_bytes(query[:2], "big") for query in consul.queries]
    steps = {(later - earlier) % 65536 for earlier, later in itertools.pairwise(ids)}
    assert len(set(ids)) > 95
    assert len(steps) > 90
    assert len(set(consul.peers)) <= 2 * int(workers)


def test_a_dead_datacenter_holds_up_nobody_else(gateway, responder):
    def script(query, transport):
        return None if ".dc2." in name_in(query) else a_reply(query, f"{name_in(query)} 0 A 10.0.0.1")

    running = gateway("--listen", "127.0.0.1:0", "--consul", str(responder(script))).ready()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(600):
            sock.sendto(a_query(f"n{number}.service.dc2.consul", id=number), ("127.0.0.1", running.port))
        for _ in range(10):
            began = time.monotonic()
            assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.1"]
            assert time.monotonic() - began < 1.5  # the time-out of a lane

    assert addresses(ask(running.port, "web.service.dc1.consul")) == ["10.0.0.1"]


def test_a_loop_is_found_and_only_that_path_is_cut(gateway, responder):
    """An upstream that asks us again: a forwarder between us and ourselves."""
    ours: list[int] = []

    def script(query, transport):
        if not ours:
            return a_reply(query)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.sendto(query, ("127.0.0.1", ours[0]))
            return sock.recv(4096)

    looping, good = responder(script), responder(a_record("192.0.2.1"))
    spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    spare.bind(("127.0.0.1", 0))
    ours.append(spare.getsockname()[1])
    spare.close()
    running = gateway("--listen", f"127.0.0.1:{ours[0]}", "--upstream", str(looping), "--upstream", str(good)).ready()

    eventually(lambda: running.said(f"{looping} leads back to us"))
    for number in range(5):
        assert addresses(ask(running.port, f"n{number}.example")) == ["192.0.2.1"]


def test_query_tells_the_route_and_who_answered(served):
    from click.testing import CliRunner

    from panteras_dns.cli import main

    gateway, consul, upstream = served
    for name, route, server in (("web.service.consul", "consul", consul), ("www.example.com", ".", upstream)):
        for transport in ([], ["--tcp"]):
            done = CliRunner().invoke(main, ["query", name, "--server", f"127.0.0.1:{gateway.port}", *transport])
            assert done.exit_code == 0
            assert f"-- route {route}, answered by" in done.stdout
            assert str(server) in done.stdout or "answered by cache" in done.stdout
    done = CliRunner().invoke(main, ["query", "x.onion", "--server", f"127.0.0.1:{gateway.port}", "--json"])
    assert done.exit_code == 1
    assert '"rcode": "NXDOMAIN"' in done.stdout
