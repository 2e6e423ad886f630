"""Start, reload, workers and the end of the whole program."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import pytest
from builders import a_query, a_reply
from program import a_record, addresses, ask, eventually, name_in

CONSUL_ROUTE = '[[route]]\nkind = "consul"\ndomains = ["consul"]\nservers = ["{}"]\n'


def test_it_says_where_it_listens_and_when_it_is_ready(served):
    gateway, _, _ = served

    assert gateway.lines[0] == f"listening on 127.0.0.1:{gateway.port} udp+tcp"
    assert gateway.lines[1].startswith("ready: consul -> 127.0.0.1:")


def test_it_stops_within_a_second(served):
    gateway, _, _ = served

    assert gateway.stop() < 3  # a second, on a machine with nothing else to do: tests/e2e
    assert gateway.process.returncode == 0


def test_a_question_in_flight_is_answered_before_the_end(gateway, responder):
    arrived, go = threading.Event(), threading.Event()

    def script(query, transport):
        arrived.set()
        go.wait(5)
        return a_reply(query, f"{name_in(query)} 0 A 10.0.0.1")

    running = gateway("--listen", "127.0.0.1:0", "--consul", str(responder(script))).ready()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(a_query("web.service.consul"), ("127.0.0.1", running.port))
        arrived.wait(5)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        go.set()
        assert len(sock.recv(4096)) > 12
    assert running.process.wait(2) == 0


def test_a_reload_takes_new_routes_and_keeps_the_socket(gateway, responder, tmp_path):
    one, two = responder(a_record("10.0.0.1")), responder(a_record("10.0.0.2"))
    file = tmp_path / "p.toml"
    file.write_text(CONSUL_ROUTE.format(one))
    running = gateway("--listen", "127.0.0.1:0", "--config", str(file)).ready()
    assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.1"]

    file.write_text(CONSUL_ROUTE.format(two))
    running.process.send_signal(signal.SIGHUP)

    eventually(lambda: running.said("reloaded"))
    assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.2"]


def test_a_wrong_file_leaves_the_old_configuration_in_force(gateway, responder, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text(CONSUL_ROUTE.format(responder(a_record("10.0.0.1"))))
    running = gateway("--listen", "127.0.0.1:0", "--config", str(file)).ready()

    file.write_text("[dns]\nworkers = 'many'\n")
    running.process.send_signal(signal.SIGHUP)

    eventually(lambda: running.said("stays in force"))
    assert running.said("dns.workers: expected a whole number")
    assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.1"]


def test_a_reload_loses_no_question(gateway, responder, tmp_path):
    consul = responder(a_record("10.0.0.1"))
    file = tmp_path / "p.toml"
    file.write_text(CONSUL_ROUTE.format(consul))
    running = gateway("--listen", "127.0.0.1:0", "--config", str(file)).ready()
    lost = []

    def load() -> None:
        for number in range(600):
            try:
                ask(running.port, f"n{number}.service.consul", timeout=2)
            except Exception as problem:
                lost.append(problem)

    client = threading.Thread(target=load)
    client.start()
    for number in range(10):
        file.write_text(CONSUL_ROUTE.format(consul) + f"timeout = 0.{number + 1}\n")
        running.process.send_signal(signal.SIGHUP)
        time.sleep(0.03)
    client.join(30)

    assert lost == []


def test_a_reload_opens_and_closes_listeners(gateway, responder, tmp_path):
    consul = responder(a_record("10.0.0.1"))
    file = tmp_path / "p.toml"
    spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    spare.bind(("127.0.0.1", 0))
    port = spare.getsockname()[1]
    spare.close()
    file.write_text('[dns]\nlisten = ["127.0.0.1:0"]\n' + CONSUL_ROUTE.format(consul))
    running = gateway("--config", str(file)).ready()

    file.write_text(f'[dns]\nlisten = ["127.0.0.1:0", "127.0.0.2:{port}"]\n' + CONSUL_ROUTE.format(consul))
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: running.said(f"listening on 127.0.0.2:{port}"))
    file.write_text('[dns]\nlisten = ["127.0.0.1:0"]\n' + CONSUL_ROUTE.format(consul))
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: running.said(f"no longer listening on 127.0.0.2:{port}"))

    assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.1"]


def test_a_dead_worker_is_replaced_and_nothing_is_lost(gateway, responder):
    consul = responder(a_record("10.0.0.1"))
    running = gateway("--listen", "127.0.0.1:0", "--consul", str(consul), "--workers", "2").ready()
    workers = {child.pid for child in psutil.Process(running.process.pid).children()}
    assert len(workers) == 2

    os.kill(min(workers), signal.SIGKILL)

    for _ in range(20):  # a fresh source port each: both workers' sockets are asked
        assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.1"]
    after = {child.pid for child in psutil.Process(running.process.pid).children()}
    assert len(after) == 2
    assert after != workers
    eventually(lambda: running.said("ended by signal 9; another takes its place"))


def test_workers_end_with_their_supervisor(gateway, responder):
    running = gateway("--listen", "127.0.0.1:0", "--workers", "2").ready()
    workers = psutil.Process(running.process.pid).children()

    running.stop(signal.SIGKILL)

    gone, alive = psutil.wait_procs(workers, 5)
    assert (len(gone), alive) == (2, [])


def test_all_workers_stop_within_a_second(gateway):
    running = gateway("--listen", "127.0.0.1:0", "--workers", "2").ready()

    assert running.stop() < 3  # a second, on a machine with nothing else to do: tests/e2e
    assert running.process.returncode == 0


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_taken_port_is_told_with_its_holder(gateway, kind):
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        failed = gateway("--listen", f"127.0.0.1:{port}")
        assert failed.process.wait(10) == 2

    failed.stop()
    (line,) = failed.log
    assert line.startswith(f"panteras: 127.0.0.1:{port} is held by ")
    assert f"(pid {os.getpid()}" in line
    assert "listen elsewhere" in line


def test_two_workers_do_not_share_a_port_with_another_server(gateway):
    first = gateway("--listen", "127.0.0.1:0", "--workers", "2").ready()

    second = gateway("--listen", f"127.0.0.1:{first.port}", "--workers", "2")

    assert second.process.wait(10) == 2


def test_a_wrong_configuration_is_one_line_each_and_status_2(tmp_path):
    (tmp_path / "p.toml").write_text("[dns]\nworkers = 0\nfence = 7\n")
    for command in ("serve", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "panteras_dns", command, "--config", str(tmp_path / "p.toml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 2
        assert "dns.workers" in done.stderr


def test_the_demo_needs_nothing_and_says_what_to_try(gateway):
    running = gateway("--demo", "--listen", "127.0.0.1:0").ready()

    assert addresses(ask(running.port, "python1.service.consul")) == ["10.0.1.5", "10.0.1.9"]
    eventually(lambda: any("dig @127.0.0.1" in line for line in running.lines))


@contextmanager
def activated(directory, consul, *options, names=""):
    """Started as systemd does it, with two sockets of one port: the process, the port, and what systemd is told."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    port = udp.getsockname()[1]
    tcp = socket.create_server(("127.0.0.1", port))
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(directory / "notify"))
    notified.settimeout(10)
    words = ["-m", "panteras_dns", "serve", "--user", "root", "--consul", str(consul)]
    words += [one.replace("PORT", str(port)) for one in options]
    code = (
        f"import os, sys; os.dup2({udp.fileno()}, 13); os.dup2({tcp.fileno()}, 14); os.dup2(13, 3); os.dup2(14, 4);"
        "os.environ['LISTEN_PID'] = str(os.getpid());"
        f"os.execv(sys.executable, [sys.executable, *{words}])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        pass_fds=(udp.fileno(), tcp.fileno()),
        env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": names, "NOTIFY_SOCKET": str(directory / "notify")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process, port, notified
    finally:
        process.kill()
        process.wait()
        for sock in (udp, tcp, notified):
            sock.close()


def test_it_takes_the_sockets_systemd_bound_and_tells_when_it_is_ready(responder, tmp_path):
    with activated(tmp_path, responder(a_record("10.0.0.1"))) as (process, port, notified):
        assert notified.recv(100) == b"READY=1"
        assert addresses(ask(port, "web.service.consul")) == ["10.0.0.1"]
        process.terminate()
        assert notified.recv(100) == b"STOPPING=1"
        assert process.wait(3) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sockets_that_systemd_calls_beside_stay_open_beside_those_that_are_configured(responder, tmp_path, workers):
    options = ("--listen", "127.0.0.2:PORT", "--workers", workers)
    with activated(tmp_path, responder(a_record("10.0.0.1")), *options, names="beside:beside") as (process, port, told):
        assert told.recv(100) == b"READY=1"
        for _ in range(2):
            for host in ("127.0.0.1", "127.0.0.2"):
                assert addresses(ask(port, "web.service.consul", host=host)) == ["10.0.0.1"]
            process.send_signal(signal.SIGHUP)
            assert {told.recv(100) for _ in range(2 * int(workers))} == {b"RELOADING=1", b"READY=1"}


def test_the_log_can_be_json(gateway, responder):
    import json

    running = gateway(
        "--listen", "127.0.0.1:0", "--upstream", str(responder(lambda *_: None)), "--log-format", "json"
    ).ready()
    ask(running.port, "a.example")

    eventually(lambda: running.log)
    assert all(set(json.loads(line)) == {"time", "level", "message"} for line in running.log)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_next_process_takes_over_and_nothing_is_lost(gateway, responder, tmp_path, workers):
    consul = responder(a_record("10.0.0.1"))
    file = tmp_path / "p.toml"
    file.write_text(f'[dns]\nworkers = {workers}\nhandover = "{tmp_path}/handover"\n' + CONSUL_ROUTE.format(consul))
    first = gateway("--listen", "127.0.0.1:0", "--config", str(file)).ready()
    lost, over = [], threading.Event()

    def load() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                ask(first.port, f"n{number}.service.consul", timeout=2)
            except Exception as problem:
                lost.append(problem)

    clients = [threading.Thread(target=load) for _ in range(2)]
    for client in clients:
        client.start()
    second = gateway("--listen", "127.0.0.1:0", "--config", str(file)).ready()
    assert second.port == first.port
    assert first.process.wait(5) == 0
    time.sleep(0.3)
    over.set()
    for client in clients:
        client.join(10)

    assert lost == []
    assert addresses(ask(second.port, "web.service.consul")) == ["10.0.0.1"]
    assert (tmp_path / "handover").stat().st_mode & 0o777 == 0o600


def test_a_next_process_that_dies_changes_nothing(gateway, responder, tmp_path):
    consul = responder(a_record("10.0.0.1"))
    file = tmp_path / "p.toml"
    file.write_text(f'[dns]\nhandover = "{tmp_path}/handover"\n' + CONSUL_ROUTE.format(consul))
    running = gateway("--listen", "127.0.0.1:0", "--config", str(file)).ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(tmp_path / "handover"))
        assert len(connection.recv(4, socket.MSG_WAITALL)) == 4

    eventually(lambda: running.said("gone before it was ready") or running.said("did not take the sockets"))
    assert addresses(ask(running.port, "web.service.consul")) == ["10.0.0.1"]


def test_a_file_that_can_not_be_read_is_one_line_and_status_2(gateway, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text(f'[dns]\nhosts = ["{tmp_path}/absent"]\n')
    failed = gateway("--listen", "127.0.0.1:0", "--config", str(file))

    assert failed.process.wait(10) == 2
    failed.stop()
    assert failed.log == [f"panteras: dns.hosts[0]: {tmp_path}/absent: No such file or directory"]


@pytest.mark.parametrize("workers", [1, 2])
def test_sigusr1_writes_the_counters_to_the_log(gateway, responder, workers):
    upstream = responder(a_record("192.0.2.1"))
    words = ("--listen", "127.0.0.1:0", "--upstream", str(upstream), "--workers", str(workers))
    running = gateway(*words).ready()
    for name in ("www.example.com", "web.service.consul.corp.example"):
        ask(running.port, name)

    running.counters()
    eventually(lambda: len([line for line in running.log if " counters {" in line]) >= workers)

    told = [json.loads(line.partition("counters ")[2]) for line in running.log if " counters {" in line]
    assert sum(one["panteras_leaks_prevented_total"] for one in told) == 1
    assert sum(one[f'panteras_upstream_answers_total{{server="{upstream}"}}'] for one in told) >= 1
