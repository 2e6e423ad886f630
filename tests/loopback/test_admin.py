"""The admin of a running server, as Prometheus, a browser and somebody with bad intentions see it."""

import json
import socket
import subprocess
import sys

from admin_page import Admin, events, read_until
from program import a_record, ask, ask_tcp, eventually


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


def test_what_happens_is_told_live(admin):
    running = admin()
    with events(running.port) as sock:
        read_until(sock, b"event: status")
        ask(running.gateway.port, "nope.service.consul")

        told = read_until(sock, b'"name":"nope.service.consul","type":"A","route":"consul","rcode":"NXDOMAIN"')

    assert b"event: rows" in told


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
