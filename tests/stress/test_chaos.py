"""Servers that drop, delay, lie, cut short, stutter and die: clients see right answers or SERVFAIL, nothing else."""

import random
import socket
import threading
import time

import dns.flags
from builders import a_query, a_reply
from program import a_record, addresses, ask, name_in

RIGHT = "192.0.2.1"


def a_liar(seed: int):
    """A script that answers right in the end, three times out of four, after all sorts of nonsense."""
    source = random.Random(seed)

    def script(query: bytes, transport: str):
        good = a_reply(query, f"{name_in(query)} 60 A {RIGHT}")
        if transport == "tcp":
            return good
        wrong_id = bytes([query[0] ^ 1]) + good[1:].replace(b"\xc0\x00\x02\x01", b"\x06\x06\x06\x06")
        other = query[:2] + a_reply(a_query("evil.example"), "evil.example. 60 A 6.6.6.6")[2:]
        return source.choice(
            [
                None,
                None,
                [good],
                [good, good],
                [wrong_id, good],
                [other, good],
                [good[:-5], b"", query, good],
                [a_reply(query, flags=dns.flags.TC)],
                [a_reply(query, rcode=2)],
            ]
        )

    return script


def test_upstreams_that_misbehave_in_every_way(gateway, responder):
    liars = [responder(a_liar(seed)) for seed in (1, 2, 3)]
    running = gateway(
        "--listen", "127.0.0.1:0", *(word for liar in liars for word in ("--upstream", str(liar)))
    ).ready()
    results: list[str] = []

    def client(start: int) -> None:
        for number in range(start, start + 60):
            message = ask(running.port, f"n{number}.example", timeout=5)
            results.append(addresses(message)[0] if message.rcode() == 0 else f"rcode {message.rcode()}")

    clients = [threading.Thread(target=client, args=(start,)) for start in range(0, 360, 60)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(60)

    assert len(results) == 360
    assert set(results) <= {RIGHT, "rcode 2"}
    assert results.count(RIGHT) >= 330
    counted = running.counters()
    for what in ("timeouts", "strays"):  # what stayed away; other ids, other questions, answers twice, garbage
        assert sum(counted[f'panteras_upstream_{what}_total{{server="{liar}"}}'] for liar in liars) > 0
    assert sum(number for name, number in counted.items() if "queries_total" in name) >= 360


def test_answers_from_elsewhere_are_nobody_s(gateway, responder):
    """Somebody else on this machine sends answers to the gateway's sockets before the real one does."""
    elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def script(query: bytes, transport: str):
        forged = a_reply(query, f"{name_in(query)} 60 A 6.6.6.6")
        elsewhere.sendto(forged, consul.peers[-1])
        return a_reply(query, f"{name_in(query)} 0 A 10.0.0.1")

    consul = responder(script)
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(consul)).ready()

    found = {addresses(ask(running.port, f"n{number}.service.consul"))[0] for number in range(200)}

    elsewhere.close()
    assert found == {"10.0.0.1"}


def test_consul_that_dies_and_comes_back_under_load(gateway, responder):
    consul = responder(a_record("10.0.0.1", 0))
    port = consul.port
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(consul)).ready()
    results: list[str] = []
    took: list[float] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            began = time.monotonic()
            message = ask(running.port, "web.service.consul", timeout=5)
            took.append(time.monotonic() - began)
            results.append(addresses(message)[0] if message.rcode() == 0 else f"rcode {message.rcode()}")

    thread = threading.Thread(target=client)
    thread.start()
    for _ in range(4):
        time.sleep(0.4)
        consul.close()
        time.sleep(0.4)
        consul = responder(a_record("10.0.0.1", 0), port)
        assert addresses(ask(running.port, "first.service.consul")) == ["10.0.0.1"]
    over.set()
    thread.join(10)

    assert set(results) == {"10.0.0.1", "rcode 2"}
    assert max(took) < 2.5
    counted = running.counters()
    assert counted[f'panteras_upstream_refused_total{{server="127.0.0.1:{port}"}}'] > 0
    assert counted["panteras_servfails_total"] >= results.count("rcode 2") > 0


def test_public_names_are_untouched_while_consul_is_away(gateway, responder):
    silent, upstream = responder(lambda *_: None), responder(a_record(RIGHT))
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(silent), "--upstream", str(upstream)).ready()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(500):
            sock.sendto(a_query(f"n{number}.service.consul", id=number), ("127.0.0.1", running.port))
    worst = 0.0
    for number in range(50):
        began = time.monotonic()
        assert addresses(ask(running.port, f"n{number}.example")) == [RIGHT]
        worst = max(worst, time.monotonic() - began)

    assert worst < 0.5
