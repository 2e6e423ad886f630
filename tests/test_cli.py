import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from panteras_dns.cli import main

FILE = """
[dns]
listen = ["127.0.0.1:5300"]
[[route]]
domains = ["corp.example"]
servers = ["10.0.0.53"]
[[record]]
name = "printer.corp.example"
type = "A"
data = "10.0.0.7"
"""


def run(*words: str):
    return CliRunner().invoke(main, words)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(FILE)
    return str(path)


def test_check_prints_the_routes_that_follow(file):
    done = run("check", "--config", file)

    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "listen   127.0.0.1:5300  allow local",
        "route    corp.example -> 10.0.0.53:53  forward, cached, sequential",
        "route    consul -> 127.0.0.1:8600  consul, never cached, sequential",
        "route    . -> resolv.conf  forward, cached, sequential",
        "record   printer.corp.example A 10.0.0.7",
        "ok",
    ]


def test_check_prints_json_for_programs(file):
    whole = json.loads(run("check", "--config", file, "--json").stdout)

    assert whole["dns"]["listen"] == ["127.0.0.1:5300"]
    assert [(route["domains"], route["cache"]) for route in whole["route"]] == [
        (["corp.example"], True),
        (["consul"], False),
        (["."], True),
    ]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["query", "a..b"], 2, "not a name: 'a..b'"),
        (["query", "a.example", "NONSENSE"], 2, "not a record type: 'NONSENSE'"),
        (["query", "a.example", "--server", "dns1"], 2, "not an address: 'dns1'"),
        (["query", "a.example", "--server", "127.0.0.1:1", "--timeout", "0.2"], 3, "127.0.0.1:1 does not answer"),
        (["serve", "--listen", "nowhere"], 2, "not an address: 'nowhere'"),
        (["serve", "--workers", "0"], 2, "0 is not in the range"),
        (["check", "--config", "/no/such/file"], 2, "panteras: /no/such/file: No such file or directory"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_clear_line(words, status, said):
    done = run(*words)

    assert done.exit_code == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("library", "words", "extra"),
    [("jinja2", ("box", "render"), "box"), ("cryptography", ("access", "list", "--state", "/nowhere"), "access")],
)
def test_a_command_whose_libraries_are_not_installed_says_how_to_install_them(library, words, extra):
    code = f"import sys; sys.modules[{library!r}] = None; from panteras_dns.cli import main; main({words!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"panteras: {library} is not installed; install the gateway as '.[{extra}]'\n"
