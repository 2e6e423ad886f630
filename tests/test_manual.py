"""Every command of the manual is run by a test, or stands here with the reason why not.

What a test runs is read from the tests themselves: `build, run = commands("page", "heading")` in `e2e/` takes the commands of
that part, one name each; a name that begins with `_`, or is never used, takes none. What CI itself runs is in `.ci/run`.
"""

import ast
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from e2e.lab.manual import PAGES, ROOT, sections

Place = tuple[str, str, str]  # page, heading, command

QUIET = "its figures need a quiet machine, and are written down with what they were measured on"
FIXTURES = "the fixtures of the tests build these images from the same files, without the name of a registry"
NOMAD = "Nomad is in no registry that the tests use; what its jobs start is run in e2e/test_jobs.py"
MARATHON = "Marathon is in no registry that the tests use; what its jobs start is run in e2e/test_jobs.py"
MACHINE = "the image of the test, a machine with systemd, has these packages and units in it"
NOT_RUN: Mapping[tuple[str, str], str | Mapping[str, str]] = {
    ("CONTRIBUTING.md", ""): {
        "make bench    # beside the peers; needs their Debian packages and a quiet machine": QUIET,
        "make bench-door  # the SSH door beside plain sshuttle": QUIET,
        "make bench-vpn  # the VPN door beside OpenVPN's usual defaults, as root": QUIET,
        "make soak     # ten minutes at 70 % of capacity": QUIET,
        ".ci/run       # all of it, as on a new machine": "it is what runs all others",
    },
    ("sshd/README.md", ""): "what it looks like at its shortest; the part below it says and runs the same in full",
    ("openvpn/README.md", "On a host without docker"): {
        "sudo apt-get install openvpn nftables conntrack": ".ci/install installs the same packages",
    },
    ("docs/install.md", "Install"): {
        "python3 -m venv /opt/panteras": MACHINE,
        "/opt/panteras/bin/pip install .": MACHINE,
    },
    ("docs/monitoring.md", "The dashboard"): "it goes to a host of the reader's by OpenSSH alone, and stays",
    ("docs/box.md", "Many machines"): {
        "docker compose up -d": "starts what the line above wrote; e2e/test_box.py and e2e/test_masters.py start such files",
    },
    ("examples/nomad/README.md", "Before"): FIXTURES,
    ("examples/nomad/README.md", "Start"): NOMAD,
    ("examples/nomad/README.md", "Expect"): NOMAD,
    ("examples/nomad/README.md", "Remove"): NOMAD,
    ("examples/marathon/README.md", "Start"): MARATHON,
    ("examples/marathon/README.md", "Expect"): MARATHON,
    ("examples/marathon/README.md", "Remove"): MARATHON,
    ("examples/swarm/README.md", "Before"): FIXTURES,
    ("examples/systemd/README.md", "Start"): {
        "apt-get install python3-venv haproxy": MACHINE,
        "python3 -m venv /opt/panteras": MACHINE,
        "/opt/panteras/bin/pip install '.[box]'": MACHINE,
        "systemctl disable --now haproxy": MACHINE,
        "cp examples/systemd/panteras-dns.service examples/systemd/panteras-registrator.service /etc/systemd/system/": MACHINE,
        "cp examples/systemd/panteras-balancer.service examples/systemd/panteras-haproxy.service /etc/systemd/system/": MACHINE,
    },
    ("examples/systemd/README.md", "Expect"): {"docker build -t panteras-example examples/python": FIXTURES},
}


def published() -> list[Place]:
    return [(page, title, line) for page in PAGES for title, lines in sections(page).items() for line in lines]


def left_out() -> set[Place]:
    found = set()
    for (page, title), reasons in NOT_RUN.items():
        lines = sections(page)[title] if isinstance(reasons, str) else reasons
        found |= {(page, title, line) for line in lines}
    return found


def run_by_tests() -> set[Place]:
    files = sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
    return {place for file in files for place in taken(file.read_text())}


def run_by_ci(place: Place) -> bool:
    return _bare(place[2]) in map(_bare, (ROOT / ".ci" / "run").read_text().splitlines())


def _bare(line: str) -> str:
    return line.partition("#")[0].strip()


def taken(source: str) -> Iterator[Place]:
    """The commands that a file of tests takes from the pages and uses."""
    tree = ast.parse(source)
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        said = {**_constants(tree.body), **_constants(ast.walk(function))}
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        unpacked = {
            node.value: node.targets[0].elts
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
        }
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "commands":
                page, title = (_text(word, said) for word in call.args)
                lines = sections(page).get(title, ())
                for name, line in zip(_names(unpacked.get(call), len(lines)), lines, strict=False):
                    if name is None or (name in used and not name.startswith("_")):
                        yield page, title, line


def _constants(nodes: Iterable[ast.AST]) -> Mapping[str, str]:
    """The texts that have a name."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            names, values = (getattr(side, "elts", [side]) for side in (node.targets[0], node.value))
            pairs = zip(names, values, strict=False)
            found |= {getattr(name, "id", ""): value.value for name, value in pairs if isinstance(value, ast.Constant)}
    return found


def _text(word: ast.expr, known: Mapping[str, str]) -> str:
    if isinstance(word, ast.Name):
        return known[word.id]
    assert isinstance(word, ast.Constant)
    return str(word.value)


def _names(targets: Sequence[ast.expr] | None, count: int) -> Iterator[str | None]:
    """The name that each of *count* commands is given; None for all that are taken as a list."""
    if targets is None:
        yield from itertools.repeat(None, count)
        return
    for target in targets:
        if isinstance(target, ast.Starred):
            yield from itertools.repeat(target.value.id, count - len(targets) + 1)
        else:
            yield target.id


def test_every_command_of_the_manual_is_run_or_stands_here_with_a_reason():
    covered = run_by_tests() | left_out()

    assert [place for place in published() if place not in covered and not run_by_ci(place)] == []


def test_what_stands_here_is_on_the_pages_and_run_by_nothing():
    assert left_out() <= set(published())
    assert left_out() & run_by_tests() == set()
    assert not [place for place in left_out() if run_by_ci(place)]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("a, b, c = commands(PAGE, 'Start'); run(a, b, c)", 3),
        ("a, b, c = commands(PAGE, 'Start'); run(a, b)", 2),
        ("_, b, _c = commands(PAGE, 'Start'); run(b, _c)", 1),
        ("a, *_ = commands(PAGE, 'Start'); run(a)", 1),
        ("*a, b = commands(PAGE, 'Start'); run(a, b)", 3),
        ("for line in commands(PAGE, 'Start'): run(line)", 3),
        ("commands(PAGE, 'Stop')", 0),
    ],
)
def test_a_command_counts_as_run_when_a_test_takes_it_and_uses_it(monkeypatch, body, count):
    monkeypatch.setitem(taken.__globals__, "sections", lambda page: {"Start": ["one", "two", "three"]})

    assert len(list(taken(f"PAGE = 'x.md'\ndef test_it():\n    {body}\n"))) == count


def test_the_pages_are_all_that_is_published():
    places = [ROOT, ROOT / "docs", ROOT / "sshd", ROOT / "openvpn", *(ROOT / "examples").iterdir()]

    assert {str(page.relative_to(ROOT)) for place in places for page in Path(place).glob("*.md")} == set(PAGES)
