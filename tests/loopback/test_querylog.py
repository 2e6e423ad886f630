"""The query log of a running server: files, sockets, a full disk."""

import json
import shutil
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import psutil
import pytest
from builders import a_reply
from program import a_record, ask, ask_tcp, eventually

CONFIG = '[querylog]\nto = "{}"\n{}\n'


@pytest.fixture
def logged(gateway, responder, tmp_path):
    def make(to: str, more: str = "", *arguments: str, **options):
        def script(query, transport):
            return a_reply(query, rcode=3) if b"nope" in query else a_record("10.0.0.1")(query, transport)

        config = tmp_path / "panteras.toml"
        config.write_text(CONFIG.format(to, more))
        given = ("--listen", "127.0.0.1:0", "--consul", str(responder(script)), "--config", str(config))
        return gateway(*given, *arguments, **options).ready()

    return make


def entries(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


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


def test_after_logrotate_it_goes_on_in_a_new_file(logged, tmp_path):
    log = tmp_path / "queries.log"
    running = logged(str(log))
    ask(running.port, "web1.service.consul")
    eventually(lambda: entries(log))
    log.rename(tmp_path / "queries.log.1")

    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: running.said("reloaded"))
    ask(running.port, "web2.service.consul")
    eventually(lambda: entries(log) or ask(running.port, "web2.service.consul") is None)

    assert {one["name"] for one in entries(log)} == {"web2.service.consul"}


def test_a_disk_that_is_full_is_told_once_and_in_nobody_s_way(logged, tmp_path):
    running = logged("/dev/full")
    for number in range(30):
        ask(running.port, f"web{number}.service.consul")
        if not number:
            eventually(lambda: running.said("query log: /dev/full: No space left on device"))

    assert len([line for line in running.log if "query log" in line]) == 1


def test_a_directory_that_is_not_there_is_told(logged, tmp_path):
    running = logged(str(tmp_path / "nowhere" / "queries.log"))
    ask(running.port, "web.service.consul")

    eventually(lambda: running.said("queries.log: No such file or directory; entries are lost until it can be written"))


def frames(stream) -> list[bytes]:
    """Data frames of a stream of frames, up to its STOP."""
    found = []
    while len(head := stream.read(4)) == 4:
        size = struct.unpack("!I", head)[0]
        if size:
            found.append(stream.read(size))
        else:
            kind = stream.read(struct.unpack("!I", stream.read(4))[0])
            if kind[:4] == b"\0\0\0\3":
                break
    return found


def test_dnstap_goes_to_a_socket_that_takes_it(logged, tmp_path):
    path = tmp_path / "tap.sock"
    found: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def take() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.read(8 + struct.unpack("!II", stream.peek(8)[:8])[1])  # READY
                content = b"protobuf:dnstap.Dnstap"
                accept = struct.pack("!I", 1) + struct.pack("!II", 1, len(content)) + content
                stream.write(struct.pack("!II", 0, len(accept)) + accept)
                stream.flush()
                found.extend(frames(stream))

        reader = threading.Thread(target=take)
        reader.start()
        running = logged(f"unix://{path}", 'format = "dnstap"')
        ask(running.port, "web.service.consul")
        running.stop()
        reader.join(5)

    assert len(found) == 2
    assert all(b"\x03web\x07service\x06consul" in one for one in found)


def test_it_is_a_process_of_its_own_and_off_there_is_none(logged, gateway, responder, tmp_path):
    running = logged(str(tmp_path / "queries.log"))
    off = gateway("--listen", "127.0.0.1:0", "--consul", str(responder(a_record("10.0.0.1")))).ready()

    assert len(psutil.Process(running.process.pid).children()) == 2
    assert psutil.Process(off.process.pid).children() == []


def test_a_path_that_is_none_is_refused(gateway, tmp_path):
    config = tmp_path / "panteras.toml"
    config.write_text(CONFIG.format("queries.log", ""))
    running = gateway("--config", str(config))

    eventually(lambda: running.process.poll() == 2)
    eventually(lambda: running.said("querylog.to: expected /PATH or unix:///PATH, found 'queries.log'"))


def test_a_directory_that_was_removed_is_told_and_a_new_one_is_used(logged, tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    running = logged(str(folder / "queries.log"))
    ask(running.port, "web.service.consul")
    eventually(lambda: entries(folder / "queries.log"))

    shutil.rmtree(folder)
    eventually(lambda: ask(running.port, "web.service.consul") and running.said("No such file or directory"))
    folder.mkdir()
    eventually(lambda: ask(running.port, "web.service.consul") and entries(folder / "queries.log"), within=15)


def test_a_dnstap_file_that_is_there_is_put_aside(logged, tmp_path):
    log = tmp_path / "queries.tap"
    log.write_bytes(b"what another run wrote")
    running = logged(str(log), 'format = "dnstap"')
    ask(running.port, "web.service.consul")
    running.stop()

    kept = list(tmp_path.glob("queries.tap.*"))
    assert [path.read_bytes() for path in kept] == [b"what another run wrote"]
    with log.open("rb") as stream:
        assert len(frames(stream)) == 2


def test_a_reload_that_takes_it_out_ends_it(logged, tmp_path):
    log = tmp_path / "queries.log"
    running = logged(str(log))
    ask(running.port, "web1.service.consul")
    eventually(lambda: entries(log))

    (tmp_path / "panteras.toml").write_text("[cache]\nsize = 10\n")
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: running.said("reloaded"))
    time.sleep(0.3)  # the query log hears of it on its own
    ask(running.port, "web2.service.consul")
    running.stop()

    assert [one["name"] for one in entries(log)] == ["web1.service.consul"]
