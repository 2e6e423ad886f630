"""The admin of a running server, as Prometheus, a browser and somebody with bad intentions see it."""

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from builders import a_reply
from program import a_record, ask, ask_tcp, eventually
from prometheus_client.parser import text_string_to_metric_families


class Admin:
    """What answers at the address that the log tells."""

    def __init__(self, gateway) -> None:
        self.gateway = gateway
        eventually(self._told)
        self.port = int(self._told()[1])

    def _told(self):
        return next(
            (found for line in self.gateway.log if (found := re.search(r"admin: http://127.0.0.1:(\d+)/", line))), None
        )

    def get(self, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str):
        status, _, body = self.get(path)
        assert status == 200, body
        return json.loads(body)

    def metrics(self) -> dict[str, float]:
        """Sample with its labels -> number, as Prometheus' own parser reads them."""
        families = text_string_to_metric_families(self.get("/metrics")[2])
        found = {}
        for family in families:
            assert family.documentation
            for one in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
                found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
        return found


@pytest.fixture
def admin(gateway, responder):
    def script(query, transport):
        return (
            a_reply(query, rcode=3)
            if b"nope" in query or b"script" in query
            else a_record("10.0.0.1")(query, transport)
        )

    def make(*arguments: str, **options) -> Admin:
        consul, upstream = responder(script), responder(a_record("192.0.2.1"))
        given = ("--listen", "127.0.0.1:0", "--consul", str(consul), "--upstream", str(upstream))
        return Admin(gateway(*given, *arguments, admin="127.0.0.1:0", **options).ready())

    return make


def test_metrics_are_those_of_all_workers(admin):
    running = admin("--workers", "2")
    for _ in range(30):  # a fresh port each: both workers are asked
        ask(running.gateway.port, "web.service.consul")
    ask(running.gateway.port)
    ask_tcp(running.gateway.port)

    told = running.metrics()

    assert told["panteras_queries_total{route=consul,transport=udp,type=A}"] == 30
    assert told["panteras_replies_total{rcode=NOERROR,route=consul}"] == 30
    assert told["panteras_queries_total{route=.,transport=tcp,type=A}"] == 1
    assert told["panteras_workers"] == 2
    latency = {name: number for name, number in told.items() if name.startswith("panteras_upstream_seconds_count")}
    assert sum(latency.values()) >= 31


def test_a_worker_that_is_replaced_takes_no_counts_with_it(admin):
    running = admin()
    for _ in range(5):
        ask(running.gateway.port, "web.service.consul")
    assert running.metrics()["panteras_queries_total{route=consul,transport=udp,type=A}"] == 5
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


def test_a_port_that_is_taken_costs_the_admin_and_nothing_else(gateway, responder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = gateway(
            "--listen", "127.0.0.1:0", "--consul", str(responder(a_record("10.0.0.1"))), admin=f"127.0.0.1:{port}"
        ).ready()

        eventually(lambda: running.said(f"admin: not listening on 127.0.0.1:{port}: Address already in use"))
        ask(running.port, "web.service.consul")


def test_status_and_failures_tell_what_failed_and_whom(admin):
    running = admin()
    ask(running.gateway.port, "web.service.consul")
    ask(running.gateway.port, "nope.service.consul")

    status = running.json("/status")
    failures = running.json("/failures?name=NOPE.service.consul.")["failures"]

    assert (status["version"], status["queries"]["total"]) == (1, 2)
    assert {one["name"] for one in status["names"]} == {"web.service.consul", "nope.service.consul"}
    assert status["clients"] == [{"client": "127.0.0.1", "sampled": 2}]
    assert [(one["name"], one["rcode"], one["client"]) for one in failures] == [
        ("nope.service.consul", "NXDOMAIN", "127.0.0.1")
    ]
    assert running.json("/failures?before=1")["failures"] == []


def test_health_is_alive_also_while_every_upstream_is_dead(gateway):
    running = Admin(
        gateway(
            *("--listen", "127.0.0.1:0", "--consul", "127.0.0.1:9", "--upstream", "127.0.0.1:9"), admin="127.0.0.1:0"
        ).ready()
    )

    assert running.get("/healthz")[0] == 200
    eventually(lambda: running.get("/readyz")[0] == 200)
    assert running.json("/status")["verdict"]["state"] == "FAIL"


def test_a_name_is_explained_by_the_running_server(admin):
    running = admin()

    found = running.json("/query?name=web.service.consul")

    assert (found["name"], found["type"]) == ("web.service.consul", "A")
    assert found["hops"][0]["stage"] == "gateway"
    for bad in ("/query", "/query?name=a..b", f"/query?name={'x' * 300}", "/query?name=web.service.consul&type=NOSUCH"):
        assert running.get(bad)[0] == 400


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<html>a proxy's page</html>"),
        (500, "text/plain", b"<script>alert(1)</script> rpc error"),
        (200, "application/json", b"null"),
        (200, "application/json", b'[{"Node": 5}, 7, null]'),
        (200, "application/json", b"\xff\xfe{"),
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


def test_only_reading_only_from_here(admin):
    running = admin()

    assert [running.get("/status", method)[0] for method in ("POST", "PUT", "DELETE", "OPTIONS")] == [405] * 4
    assert running.get("/status", headers={"Host": "evil.example.com"})[0] == 421
    assert running.get("/status", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert running.get("/nowhere")[0] == 404
    status, headers, body = running.get("/", "HEAD")
    assert (status, body) == (200, "")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_a_hostile_name_is_text(admin):
    running = admin()
    ask(running.gateway.port, "<script>alert(1)</script>.service.consul")

    status, headers, body = running.get("/failures")

    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(body)["failures"][0]["name"] == "<script>alert(1)</script>.service.consul"
    assert "text/plain" in running.get("/<script>alert(1)</script>")[1]["Content-Type"]


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
    time.sleep(0.3)
    cut = 0
    for sock in held:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            cut += sock.recv(1) == b""
    for sock in held:
        sock.close()

    assert cut == 80 - 64
    eventually(lambda: running.get("/healthz")[0] == 200)


def events(port: int, buffer: int = 0) -> socket.socket:
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return sock


def read_until(sock: socket.socket, wanted: bytes) -> bytes:
    found = b""
    while wanted not in found:
        more = sock.recv(65536)
        assert more, found
        found += more
    return found


def test_what_happens_is_told_live(admin):
    running = admin()
    with events(running.port) as sock:
        read_until(sock, b"event: status")
        ask(running.gateway.port, "nope.service.consul")

        told = read_until(sock, b'"name":"nope.service.consul","type":"A","route":"consul","rcode":"NXDOMAIN"')

    assert b"event: rows" in told


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


def panteras(*words: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "panteras_dns", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def test_top_and_explain_at_ask_the_running_server(admin):
    running = admin()
    ask(running.gateway.port, "nope.service.consul")

    at = f"127.0.0.1:{running.port}"
    status, shown, _ = panteras("top", "--once", "--admin", at)
    assert status == 0
    assert "\nMOST     nope.service.consul 1\n" in shown
    assert json.loads(panteras("top", "--json", "--admin", at)[1])["queries"]["total"] == 1
    status, shown, _ = panteras("explain", "nope.service.consul", "--at", "0s", "--admin", at)
    assert status == 1
    assert "127.0.0.1 asked at " in shown
    assert panteras("explain", "web.service.consul", "--at", "0s", "--admin", at)[0] == 3


def test_nobody_there_is_one_line():
    status, _, told = panteras("top", "--once", "--admin", "127.0.0.1:9")

    assert status == 3
    assert told.startswith("panteras: no admin answers at 127.0.0.1:9: ")
    assert told.count("\n") == 1
