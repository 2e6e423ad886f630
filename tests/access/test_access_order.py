"""What clients of sshuttle send, and what others might."""

import contextlib
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access.ssh.order import Order, Refused, Wishes, read_command, read_options, read_upload

SCRIPT = (
    "import sys, os; verbosity={v}; {s}stdin = os.fdopen(0, {q}rb{q}); "
    "exec(compile({s}stdin.read(1512), {q}assembler.py{q}, {q}exec{q})); sys.exit(98);"
)
OLD = SCRIPT.replace("{s}", "sys.").replace("{q}", '"')
NEW = SCRIPT.replace("{s}", "").replace("{q}", "'")
SHELL = 'P=python3; $P -V 2>/dev/null || P=python; exec "$P" -c {script}; exit 97'


def posix(script: str) -> str:
    from shlex import quote

    return f"/bin/sh -c {quote(SHELL.replace('{script}', quote(script)))}"


@pytest.mark.parametrize("verbosity", [0, 1, 3])
@pytest.mark.parametrize("script", [OLD, NEW], ids=["1.1", "1.2 and later"])
@pytest.mark.parametrize("wrap", [posix, lambda script: f"'python3.9' -c '{script}'", lambda s: f'"python3" -c "{s}"'])
def test_the_commands_of_clients_are_read(verbosity, script, wrap):
    assert read_command(wrap(script.replace("{v}", str(verbosity)))) == Order(verbosity, 1512)


@pytest.mark.parametrize(
    "command", ["", "id", "/bin/sh", "internal-sftp", "scp -t /tmp", "python3 -c 'print(1)'", "x" * 5000]
)
def test_other_commands_are_refused(command):
    with pytest.raises(Refused):
        read_command(command)


def test_a_huge_assembler_is_refused():
    with pytest.raises(Refused):
        read_command(posix(NEW.replace("{v}", "0").replace("1512", "999999")))


@given(st.text(max_size=300))
def test_any_command_is_an_order_or_refused(command):
    with pytest.raises(Refused):
        read_command(command)


def an_upload(*parts: tuple[str, bytes], assembler: bytes = b"#" * 10) -> bytes:
    pack = zlib.compressobj(1)
    whole = assembler
    for name, text in parts:
        data = pack.compress(text) + pack.flush(zlib.Z_SYNC_FLUSH)
        whole += b"%s\n%d\n" % (name.encode(), len(data)) + data
    return whole + b"\n"


OPTIONS = (
    "sshuttle.cmdline_options",
    b"latency_control=True\nlatency_buffer_size=65536\nauto_nets=True\nto_nameserver='1@2'\n",
)


def read(data: bytes) -> Wishes:
    return read_upload(Order(0, 10), io.BytesIO(data).read)


def test_of_an_upload_only_the_options_are_kept_and_nothing_behind_it_is_read():
    stream = io.BytesIO(an_upload(("sshuttle", b"# code"), OPTIONS, ("sshuttle.server", b"raise SystemExit")) + b"\0SS")

    wishes = read_upload(Order(0, 10), stream.read)

    assert wishes == Wishes(True, 65536)
    assert stream.read() == b"\0SS"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#" * 10,
        an_upload(),
        an_upload(("sshuttle", b"# code")),
        an_upload(OPTIONS)[:-1],
        an_upload(OPTIONS)[:40],
        b"#" * 10 + b"sshuttle\n99999999\n",
        b"#" * 10 + b"sshuttle\n-5\n",
        b"#" * 10 + b"x" * 10_000,
        b"#" * 10 + b"sshuttle\n4\nabcd\n",
        an_upload(("sshuttle", bytes(5_000_000)), OPTIONS),
        an_upload(*[(f"part{number}", b"") for number in range(100)]),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_an_upload_that_is_not_sshuttle_s_is_refused(data):
    with pytest.raises(Refused):
        read(data)


@pytest.mark.parametrize(
    "text",
    [
        b"latency_control=__import__('os').system('id')",
        b"latency_buffer_size=-1",
        b"latency_buffer_size=10**12",
        b"latency_buffer_size=99999999999",
        b"latency_control=1",
        b"latency_control=" + b"[" * 10_000,
        b"x" * 100_000,
    ],
)
def test_options_that_are_no_plain_fit_values_are_refused(text):
    with pytest.raises(Refused):
        read_options(text)


@given(st.binary(max_size=400))
def test_any_bytes_are_wishes_or_refused(data):
    for upload in (data, b"#" * 10 + data, an_upload(("sshuttle.cmdline_options", data))):
        with contextlib.suppress(Refused):
            assert isinstance(read(upload), Wishes)
