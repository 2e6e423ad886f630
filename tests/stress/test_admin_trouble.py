"""The admin under people who mean harm, and without what it needs: it is bounded, and in nobody's way."""

import contextlib
import http.server
import os
import signal
import socket
import threading
import time

import psutil
import pytest
from admin_page import Admin, events, read_until
from builders import a_reply
from program import ask, eventually


def test_a_worker_that_is_replaced_takes_no_counts_with_it(admin):
    running = admin()
    for _ in range(5):
        ask(running.gateway.port, "web.service.consul")
    eventually(lambda: running.metrics()["panteras_queries_total{route=consul,transport=udp,type=A}"] == 5)
    pid = running.json("/status")["gateway"]["workers"][0]["pid"]

    os.kill(pid, signal.SIGKILL)
    eventually(lambda: running.gateway.said("another takes its place"))
    for _ in range(2):
        ask(running.gateway.port, "web.service.consul")

    eventually(lambda: running.metrics()["panteras_queries_total{route=consul,transport=udp,type=A}"] == 7)


def test_names_are_answered_while_the_admin_is_dead_and_it_comes_back(admin):
    running = admin()
    worker = running.json("/status")["gateway"]["workers"][0]["pid"]
    (pid,) = {child.pid for child in psutil.Process(running.gateway.process.pid).children()} - {worker}
    ask(running.gateway.port, "web.service.consul")

    os.kill(pid, signal.SIGKILL)

    for _ in range(3):
        ask(running.gateway.port, "web.service.consul")
    eventually(lambda: len([line for line in running.gateway.log if "admin: http" in line]) == 2)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<html>a proxy's page</html>"),
        (500, "text/plain", b"<script>alert(1)</script> rpc error"),
        (200, "application/json", b"null"),
        (200, "application/json", b'[{"Node": 5}, 7, null]'),
        (200, "application/json", b"\xff\xfe{"),
        (200, "application/json", b'{"web": 5}'),
        (200, "application/json", b"[" * 200_000),
    ],
)
def test_a_consul_that_says_something_else_is_told_as_such(gateway, responder, tmp_path, status, kind, body):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as consul:
        threading.Thread(target=consul.serve_forever, daemon=True).start()
        config = tmp_path / "panteras.toml"
        config.write_text(f'[consul]\napi = "http://127.0.0.1:{consul.server_port}"\n')
        agent = responder(lambda query, transport: a_reply(query, rcode=3))
        given = ("--listen", "127.0.0.1:0", "--consul", str(agent), "--config", str(config))
        running = Admin(gateway(*given, admin="127.0.0.1:0").ready())

        services = running.json("/status")["services"]
        explained = running.json("/query?name=web.service.consul")
        answer = ask(running.gateway.port, "web.service.consul")
        consul.shutdown()

    assert (services["known"], services["list"]) == (None, [])
    assert services["problem"].startswith(f"http://127.0.0.1:{consul.server_port}")
    assert explained["verdict"]["code"].startswith("PAN")
    assert answer.rcode() == 3


def test_huge_heads_and_bodies_are_cut_off(admin):
    running = admin()
    admins = psutil.Process(running.gateway.process.pid).children()
    before = sum(one.memory_info().rss for one in admins)
    for head in (
        b"GET /" + b"a" * 5_000_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 5_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 100_000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n" + b"c" * 5_000_000,
        b"\0\xff" * 1_000_000,
    ):
        with socket.create_connection(("127.0.0.1", running.port), 10) as sock:
            try:
                sock.sendall(head)
                while sock.recv(65536):
                    pass
            except OSError:
                continue  # cut off while it was still sending

    assert running.get("/healthz")[0] == 200
    assert sum(one.memory_info().rss for one in admins) - before < 10_000_000


def test_only_so_many_connections_are_open(admin):
    running = admin()
    held = [socket.create_connection(("127.0.0.1", running.port), 5) for _ in range(80)]
    for sock in held:
        sock.setblocking(False)

    def cut() -> int:
        found = 0
        for sock in held:
            with contextlib.suppress(BlockingIOError):
                found += sock.recv(1, socket.MSG_PEEK) == b""
        return found

    eventually(lambda: cut() >= 80 - 64)
    time.sleep(0.3)
    assert cut() == 80 - 64
    for sock in held:
        sock.close()
    eventually(lambda: running.get("/healthz")[0] == 200)


def test_only_so_many_look_live(admin):
    running = admin()
    held = [events(running.port) for _ in range(8)]
    for sock in held:
        read_until(sock, b"event: status")

    assert running.get("/events")[0] == 503
    for sock in held:
        sock.close()
    eventually(lambda: running.get("/events", "HEAD")[0] == 200)


def test_a_browser_that_takes_nothing_costs_nothing(admin):
    running = admin()
    worker = running.json("/status")["gateway"]["workers"][0]["pid"]
    (process,) = [one for one in psutil.Process(running.gateway.process.pid).children() if one.pid != worker]
    stalled = [events(running.port, buffer=2048) for _ in range(8)]
    for number in range(100):
        ask(running.gateway.port, f"nope{number}.service.consul")
    before = process.memory_info().rss
    time.sleep(3)

    assert process.memory_info().rss - before < 3_000_000
    for sock in stalled:
        sock.close()
