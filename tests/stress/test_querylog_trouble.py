"""The query log when its file, its directory, its disk or its reader is not what it was."""

import shutil
import signal
import socket
import struct
import threading
import time

from logs import entries, frames
from program import ask, eventually


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

    def nothing_more() -> bool:
        before = len(entries(log))
        ask(running.port, "web1.service.consul")
        time.sleep(0.3)
        return len(entries(log)) == before

    eventually(nothing_more)  # the query log hears of it on its own
    ask(running.port, "web2.service.consul")
    running.stop()

    assert {one["name"] for one in entries(log)} == {"web1.service.consul"}
