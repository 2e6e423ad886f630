"""Ctrl-C ends every command that waits in the same way."""

import signal
import socket
import subprocess
import sys

import pytest

NAME = "web.service.consul"


@pytest.fixture
def silent():
    """Takes questions and connections, and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        tcp.bind(udp.getsockname())
        tcp.listen()
        for one in (udp, tcp):
            one.settimeout(30)
        yield udp, tcp


def interrupted(words: list[str], asked, **options) -> tuple[int, str]:
    """Exit status and stderr of a command that gets SIGINT once it has asked."""
    command = [sys.executable, "-m", "panteras_dns", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        asked()
        process.send_signal(signal.SIGINT)
        return process.wait(60), process.stderr.read()


@pytest.mark.parametrize(
    "words",
    [
        ["query", NAME, "--server", "{at}", "--timeout", "60"],
        ["explain", NAME, "--server", "{at}"],
        ["rehearse", "--config", "{config}", "--names", "{names}", "--server", "{at}"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_that_waits_for_an_answer(silent, tmp_path, words):
    config, names = tmp_path / "panteras.toml", tmp_path / "names"
    config.write_text("")
    names.write_text(f"{NAME} A\n")
    at = f"127.0.0.1:{silent[0].getsockname()[1]}"
    given = [word.format(at=at, config=config, names=names) for word in words]

    status, said = interrupted(given, lambda: silent[0].recv(65535))

    assert (status, said) == (130, "panteras: interrupted\n")


def test_the_doctor_that_waits_for_consul(silent):
    at = f"http://127.0.0.1:{silent[1].getsockname()[1]}"

    status, said = interrupted(["doctor", "--consul", at], silent[1].accept)

    assert (status, said) == (130, "panteras: interrupted\n")
