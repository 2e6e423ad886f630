"""The query log of a running server: what stands in it."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
from fixtures import QUERYLOG
from logs import entries
from program import a_record, ask, ask_tcp, eventually


def test_every_query_is_a_line(logged, tmp_path):
    log = tmp_path / "queries.log"
    running = logged(str(log), "", "--workers", "2")
    for number in range(20):
        ask(running.port, f"web{number}.service.consul")
    ask_tcp(running.port, "web.service.consul")
    ask(running.port, "nope.service.consul")

    eventually(lambda: len(entries(log)) == 22)

    told = entries(log)
    assert {one["name"] for one in told} == {f"web{number}.service.consul" for number in (*range(20), "")} | {
        "nope.service.consul"
    }
    (tcp,) = [one for one in told if one["transport"] == "tcp"]
    assert (tcp["rcode"], tcp["answers"], tcp["client"], tcp["type"]) == ("NOERROR", ["10.0.0.1"], "127.0.0.1", "A")
    assert 0 < tcp["ms"] < 5000
    assert [one["rcode"] for one in told if one["name"].startswith("nope")] == ["NXDOMAIN"]


def test_only_failures_and_only_networks(logged, tmp_path):
    log = tmp_path / "queries.log"
    running = logged(str(log), 'only = "failures"\ntruncate = true')
    ask(running.port, "web.service.consul")
    ask(running.port, "nope.service.consul")
    eventually(lambda: entries(log))

    assert [(one["name"], one["client"]) for one in entries(log)] == [("nope.service.consul", "127.0.0.0")]


def test_what_was_asked_last_is_written_before_the_end(logged, tmp_path):
    log = tmp_path / "queries.log"
    running = logged(str(log))
    ask(running.port, "web.service.consul")

    running.stop()

    assert [one["name"] for one in entries(log)] == ["web.service.consul"]


def test_it_is_a_process_of_its_own_and_off_there_is_none(logged, gateway, responder, tmp_path):
    running = logged(str(tmp_path / "queries.log"))
    off = gateway("--listen", "127.0.0.1:0", "--consul", str(responder(a_record("10.0.0.1")))).ready()

    assert len(psutil.Process(running.process.pid).children()) == 2
    assert psutil.Process(off.process.pid).children() == []


def test_a_path_that_is_none_is_refused(gateway, tmp_path):
    config = tmp_path / "panteras.toml"
    config.write_text(QUERYLOG.format("queries.log", ""))
    running = gateway("--config", str(config))

    eventually(lambda: running.process.poll() == 2)
    eventually(lambda: running.said("querylog.to: expected /PATH or unix:///PATH, found 'queries.log'"))


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(403, "not for you")

    def log_message(self, *_):
        """Nothing."""


def test_an_engine_that_refuses_is_told_and_lines_go_on(logged, tmp_path):
    log = tmp_path / "queries.log"
    with HTTPServer(("127.0.0.1", 0), _Refusing) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        running = logged(str(log), f'docker = "http://127.0.0.1:{engine.server_port}"')
        eventually(lambda: running.said("the engine answered 403"))
        ask(running.port, "web.service.consul")
        eventually(lambda: entries(log))
        engine.shutdown()

    assert [one.get("container") for one in entries(log)] == [None]
