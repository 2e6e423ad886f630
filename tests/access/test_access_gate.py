"""The gate as sshd starts it: a process of its own, a certificate in a file, a command in its environment."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from household import Household

from panteras_dns.access.index import Index
from panteras_dns.access.ssh import ca, krl, sessions

HELLO = b"\0\0SSHUTTLE0001"
COMMAND = (
    "python3 -c \"import sys, os; verbosity={v}; stdin = os.fdopen(0, 'rb'); "
    "exec(compile(stdin.read({size}), 'assembler.py', 'exec')); sys.exit(98);\""
)
PURPOSE = "This door is for sshuttle alone: see the README of your kit."
MOST_MEMORY, MOST_TIME = 48_000_000, 2.0  # bytes and seconds of the processor, for whatever is sent


class Knock:
    """One login: the gate, with all that it reads."""

    def __init__(self, home: Household, run: Path) -> None:
        self.home = home
        self.run = run
        self._shown = run / "auth"
        self.audit = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.audit.bind(str(run / "audit"))
        self.audit.settimeout(5)
        self.show(Index(home.vault.index).all()[0].certificate)
        self.seconds = 0.0

    def show(self, line: str) -> None:
        self._shown.write_text(f"publickey {line}\n")

    def start(
        self, command: str, program: tuple[str, ...] = ("-m", "panteras_dns.access.ssh.gate")
    ) -> "subprocess.Popen[bytes]":
        # What takes more memory than this fails with other words than the test expects.
        words = ["sh", "-c", f'ulimit -d {MOST_MEMORY // 1024}; exec "$0" "$@"', sys.executable, "-I", *program]
        words += ["--state", str(self.home.vault.root), "--run", str(self.run)]
        environment = {
            "SSH_USER_AUTH": str(self._shown),
            "SSH_ORIGINAL_COMMAND": command,
            "SSH_CONNECTION": "10.9.9.9 1 10.1.0.2 22",
        }
        return subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )

    def send(self, command: str, data: bytes = b"") -> tuple[int, str, bytes]:
        """All of *data*, then the end: exit status, what was said, and what came."""
        with self.start(command) as process:
            assert process.stdin and process.stdout and process.stderr
            try:
                process.stdin.write(data)
                process.stdin.close()
            except BrokenPipeError:
                pass
            came, told = process.stdout.read(), process.stderr.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.seconds = usage.ru_utime + usage.ru_stime
        assert "Traceback" not in told
        return process.returncode, told, came

    def heard(self) -> list[dict[str, object]]:
        """What the log got."""
        found = []
        self.audit.setblocking(False)
        while True:
            try:
                found += map(json.loads, self.audit.recv(65_536).splitlines())
            except BlockingIOError:
                self.audit.settimeout(5)
                return found


@pytest.fixture
def knock(tmp_path) -> Iterator[Knock]:
    home = Household(tmp_path).begin()
    home.run("grant", "alice/laptop", "--services", "web")
    with tempfile.TemporaryDirectory(prefix="gate-") as run:
        made = Knock(home, Path(run))
        yield made
        made.audit.close()


def an_upload(options: bytes = b"latency_control=True\n", more: bytes = b"") -> bytes:
    pack = zlib.compressobj()
    data = pack.compress(options) + pack.flush(zlib.Z_SYNC_FLUSH)
    return b"#sshuttle.cmdline_options\n%d\n%b%b\n" % (len(data), data, more)


def order(size: int = 1, verbosity: int = 0) -> str:
    return COMMAND.format(v=verbosity, size=size)


def test_a_client_of_sshuttle_is_let_in_and_its_session_told_from_beginning_to_end(knock):
    status, told, came = knock.send(order(), an_upload())

    begin, end = knock.heard()
    (entry,) = knock.home.listed()
    who = {"identity": "alice", "device": "laptop", "serial": entry["serial"], "from": "10.9.9.9"}
    assert (status, told, came[: len(HELLO)]) == (0, "", HELLO)
    assert {key: begin[key] for key in who} == who
    assert (begin["event"], end["event"], end["why"]) == ("begin", "end", "closed")
    assert list(knock.home.vault.sessions.iterdir()) == []


def test_the_uploaded_code_is_thrown_away(knock, tmp_path):
    evil = f"open({str(tmp_path / 'evil')!r}, 'w').write('I was here')\n".encode()
    pack = zlib.compressobj()
    data = pack.compress(evil) + pack.flush(zlib.Z_SYNC_FLUSH)

    status, _, came = knock.send(order(len(evil)), evil + an_upload(more=b"evil\n%d\n%b" % (len(data), data))[1:])

    assert (status, came[: len(HELLO)]) == (0, HELLO)
    assert not (tmp_path / "evil").exists()


COMMANDS = ["", "id", "internal-sftp", "x" * 100_000, "\u202e$(id)", order(65_537), order(10**20)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{len(command)} characters")
def test_any_other_command_is_refused_with_a_sentence_told_and_costs_little(knock, command):
    status, told, came = knock.send(command, b"echo hello\n" * 1000)

    (line,) = knock.heard()
    assert (status, came, told.count("\n")) == (1, b"", 1)
    assert told.startswith("panteras: ") and PURPOSE in told
    assert (line["event"], line["identity"]) == ("refused", "alice")
    assert knock.seconds < MOST_TIME


def a_bomb(size: int) -> bytes:
    pack = zlib.compressobj(9)
    data = b"".join(pack.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + pack.flush(zlib.Z_SYNC_FLUSH)
    assert len(data) < 1_048_576
    return data


def _uploads() -> dict[str, tuple[str, bytes]]:
    bomb = a_bomb(300_000_000)
    return {
        "code that ends early": (order(65_536), b"#" * 60_000),
        "no last line": (order(), an_upload()[:-1]),
        "a bomb as options": (order(), b"#sshuttle.cmdline_options\n%d\n%b\n" % (len(bomb), bomb)),
        "a bomb as code": (order(), b"#sshuttle\n%d\n%b" % (len(bomb), bomb) + an_upload()[1:]),
        "huge options": (order(), an_upload(b"a=1\n" * 100_000)),
        "a huge literal": (order(), an_upload(b"latency_buffer_size=" + b"9" * 60_000)),
        "a part of 10 MB": (order(), b"#sshuttle\n9999999\n" + bytes(10_000_000)),
        "a name without end": (order(), b"#" * 50_000_000),
        "parts without end": (order(), an_upload(more=b"x\n1048576\n" + bytes(1_048_576))[:-1] * 40),
        "garbage that is packed": (order(), b"#sshuttle.cmdline_options\n1000\n" + os.urandom(1000)),
    }


UPLOADS = _uploads()


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_that_is_none_is_refused_within_bounds_of_memory_and_time(knock, name):
    status, told, came = knock.send(*UPLOADS[name])

    (line,) = knock.heard()
    assert (status, came, line["event"]) == (1, b"", "refused")
    assert PURPOSE in told and told.count("\n") == 1
    assert knock.seconds < MOST_TIME


def test_an_upload_that_takes_for_ever_is_ended(knock):
    hasty = "from panteras_dns.access.ssh import gate; gate._UPLOAD = 1; gate.main()"
    with knock.start(order(), ("-c", hasty)) as process:
        told = process.stderr.read().decode()
        process.stdin.close()

    assert told == f"panteras: the upload took too long. {PURPOSE}\n"
    assert [line["why"] for line in knock.heard()] == ["the upload took too long"]


def test_garbage_in_the_tunnel_ends_it_and_is_told(knock):
    status, told, _ = knock.send(order(), an_upload() + b"GET / HTTP/1.1\r\n\r\n")

    assert (status, told) == (99, " s: fatal: the client does not speak sshuttle's language\n")
    assert [line["event"] for line in knock.heard()] == ["begin", "end"]


def test_who_was_revoked_does_not_get_in_with_a_connection_that_is_still_there(knock):
    knock.home.run("revoke", "alice")

    assert knock.send(order(), an_upload()) == (1, "panteras: your access was revoked\n", b"")


def test_who_is_revoked_while_the_upload_runs_does_not_get_in(knock):
    with knock.start(order()) as process:
        process.stdin.write(an_upload()[:-1])
        knock.home.run("revoke", "alice")
        process.stdin.write(b"\n")
        told, came = process.stderr.read().decode(), process.stdout.read()
        process.stdin.close()

    assert (told, came) == ("panteras: your access was revoked\n", b"")


def in_the_tunnel(knock: Knock, process: "subprocess.Popen[bytes]") -> None:
    process.stdin.write(an_upload())
    assert process.stdout.read(len(HELLO)) == HELLO
    assert json.loads(knock.audit.recv(65_536))["event"] == "begin"


def test_who_is_revoked_while_in_is_out_within_a_second_and_it_is_proved(knock):
    with knock.start(order()) as process:
        in_the_tunnel(knock, process)
        (live,) = json.loads(knock.home.run("sessions", "--json"))

        told = json.loads(knock.home.run("revoke", "alice", "--json"))

        assert (process.wait(5), process.stderr.read()) == (1, b"panteras: your access was revoked\n")
    assert (live["identity"], live["device"], live["from"], live["pid"]) == ("alice", "laptop", "10.9.9.9", process.pid)
    assert (told["sessions_ended"], told["proved"], told["seconds"] < 1) == (1, True, True)
    assert [line["why"] for line in knock.heard()] == ["your access was revoked"]


def test_nobody_stays_by_not_reading_what_she_is_told(knock):
    """With the pipe of standard error full, a write to it would wait for ever."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    words = [
        sys.executable,
        "-I",
        "-m",
        "panteras_dns.access.ssh.gate",
        "--state",
        str(knock.home.vault.root),
        "--run",
        str(knock.run),
    ]
    environment = {"SSH_USER_AUTH": str(knock._shown), "SSH_ORIGINAL_COMMAND": order()}
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writer, bufsize=0
    ) as process:
        in_the_tunnel(knock, process)

        told = json.loads(knock.home.run("revoke", "alice", "--json"))

        process.wait(5)
    os.close(reader)
    os.close(writer)
    assert (told["sessions_ended"], told["proved"]) == (1, True)


def test_nobody_stays_because_the_log_is_full(knock):
    with knock.start(order()) as process:
        in_the_tunnel(knock, process)
        full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        full.setblocking(False)
        full.connect(str(knock.run / "audit"))
        try:
            while True:
                full.send(b"{}")
        except BlockingIOError:
            pass

        told = json.loads(knock.home.run("revoke", "alice", "--json"))

        process.wait(5)
    full.close()
    assert (told["sessions_ended"], told["proved"]) == (1, True)


def test_a_session_ends_with_its_certificate(knock):
    private = knock.home.vault.user_ca.read_bytes()
    _, key = ca.new_key("her")
    from panteras_dns.access.ssh.certificate import USER, Certificate

    soon = int(time.time()) + 2
    line = ca.Authority(private, None, "ca").certify(Certificate("alice/laptop", 7, USER, ["tunnel"], 0, soon), key)
    knock.show(line)
    with knock.start(order()) as process:
        in_the_tunnel(knock, process)
        told = process.stderr.read().decode()
        process.stdin.close()

    assert told == "panteras: your certificate has expired: ask for a new one\n"
    assert soon <= time.time() < soon + 2


def test_a_list_of_the_revoked_that_is_damaged_throws_nobody_out_who_is_in(knock):
    with knock.start(order()) as process:
        in_the_tunnel(knock, process)
        knock.home.vault.revoked.write_bytes(b"garbage")
        knock.home.vault.revoked.unlink()
        # Twice, for at least one look between.
        (other,) = sessions.live(knock.home.vault.sessions)
        knock.home.run("repair")
        told = json.loads(knock.home.run("revoke", "alice", "--json"))
        process.wait(5)

    assert other["identity"] == "alice"
    assert (told["sessions_ended"], told["proved"]) == (1, True)


def test_a_container_that_stops_tells_what_was_open(knock):
    with knock.start(order()) as process:
        in_the_tunnel(knock, process)
        process.send_signal(signal.SIGTERM)
        process.wait(5)

    assert [line["event"] for line in knock.heard()] == ["end"]
    assert list(knock.home.vault.sessions.iterdir()) == []


def test_a_log_that_goes_away_ends_the_tunnel_at_the_next_line(knock):
    with knock.start(order()) as process:
        in_the_tunnel(knock, process)
        knock.audit.close()
        process.stdin.write(b"SS\0\1\x42\x03\0\x0d2,10.9.9.9,80")  # a connect that is refused, and told
        told = process.stderr.read().decode()
        process.stdin.close()

    assert told == "panteras: the door keeps no log (Connection refused): tell who runs it\n"


def test_lines_that_wait_come_all_in_order_and_in_time(knock):
    refused = b"".join(b"SS\0\1\x42\x03\0\x0d2,10.9.9.9,%d" % port for port in range(10, 99))

    status, _, _ = knock.send(order(), an_upload() + refused)

    begin, *lines, end = knock.heard()
    assert (status, begin["event"], end["event"]) == (0, "begin", "end")
    assert [line["port"] for line in lines] == list(range(10, 99))
    assert sorted(line["time"] for line in lines) == [line["time"] for line in lines]


def test_without_a_log_nobody_enters(knock):
    (knock.run / "audit").unlink()

    status, told, came = knock.send(order(), an_upload())

    assert (status, came) == (1, b"")
    assert (
        told == "panteras: the door keeps no log (No such file or directory), so nobody may enter; tell who runs it\n"
    )


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("ssh-ed25519 AAAA", "who logs in needs a certificate"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "ends at byte"),
    ],
)
def test_without_a_certificate_that_can_be_read_nobody_enters(knock, shown, reason):
    knock.show(shown)

    status, told, came = knock.send(order(), an_upload())

    assert (status, came, reason in told, told.count("\n")) == (1, b"", True, 1)


def test_without_word_from_sshd_nobody_enters(knock):
    knock._shown.unlink()

    assert knock.send(order(), an_upload())[:2] == (
        *(1, "panteras: sshd does not tell who logged in: it needs ExposeAuthInfo yes\n"),
    )


def test_a_door_toml_that_can_not_be_read_lets_nobody_in_and_says_why(knock):
    knock.home.vault.settings.write_text("networks = 7")

    status, told, came = knock.send(order(), an_upload())

    assert (status, came, told.startswith("panteras: door.toml: "), told.count("\n")) == (1, b"", True, 1)


def test_the_key_of_the_container_is_good_for_the_question_after_its_health_alone(knock):
    knock.show("ssh-ed25519 AAAA")
    knock.home.vault.settings.write_text(
        'networks = ["10.1.0.0/16"]\ndns = "127.99.99.99"\n'.replace("127.99.99.99", "192.0.2.1")
    )

    refused = knock.send("id")
    asked = knock.send("health")

    assert (refused[0], "who logs in needs a certificate" in refused[1]) == (1, True)
    assert (asked[0], asked[1].startswith("panteras: the DNS at 192.0.2.1 gives no answer")) == (1, True)


def test_the_list_of_the_revoked_of_ten_thousand_is_looked_at_in_no_time(knock):
    ours = ca.Authority(knock.home.vault.user_ca.read_bytes(), None, "ca").public
    listed = krl.write(ours.blob, range(1, 10_001), [n.to_bytes(32) for n in range(10_000)], 1, 0)
    knock.home.vault.revoked.write_bytes(listed)

    status, _, came = knock.send(order(), an_upload())

    assert (status, came[: len(HELLO)]) == (0, HELLO)
    assert knock.seconds < MOST_TIME
