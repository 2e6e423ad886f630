"""What is published is true: the reference is the code's, the examples load, the commands exist."""

import re
import shlex
from pathlib import Path

import click
import pytest
from conformance.report import CHART, chart
from e2e.lab import manual
from e2e.lab.manual import ROOT

from panteras_dns.cli import main
from panteras_dns.config import parse
from panteras_dns.reference import reference
from panteras_dns.synopsis import synopsis

PAGES = [ROOT / page for page in manual.PAGES]

OTHERS = {
    "age",
    "age-keygen",
    "apt-get",
    "consul",
    "cp",
    "curl",
    "dig",
    "docker",
    "nomad",
    "openvpn",
    "export",
    "getent",
    "install",
    "mkdir",
    "rm",
    "ssh",
    "pip",
    "python",
    "python3",
    "sshuttle",
    "systemctl",
    "tar",
    "useradd",
}


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def test_the_reference_of_the_configuration_is_the_code_s():
    page = (ROOT / "docs" / "configuration.md").read_text()

    assert page.endswith(reference()), "run `make docs`"


def test_the_reference_of_the_commands_is_the_code_s():
    page = (ROOT / "docs" / "commands.md").read_text()

    assert page.endswith(synopsis()), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_the_configuration_load(page):
    for block in blocks(page, "toml"):
        parse(block)


def commands() -> list[tuple[str, str]]:
    return [(page, line) for page in manual.PAGES for lines in manual.sections(page).values() for line in lines]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_of_the_manual_exists_with_its_options(page, line):
    for part in re.split(r" (?:&&|\|) ", line.partition(" > ")[0]):
        words = [word for word in shlex.split(part, comments=True) if "=" not in word or word.startswith("-")]
        words = words[1:] if words[0] == "sudo" else words
        name = Path(words[0]).name
        if name == "panteras":
            if len(words) > 1:  # shell completion is click's
                understood(words[1:])
        elif name == "make":
            targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert words[1] in targets
        else:
            assert name in OTHERS or (ROOT / words[0]).exists()


def understood(words: list[str]) -> None:
    """Fail unless `panteras` takes these words."""
    command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command, words = command.get_command(click.Context(command), words[0]), words[1:]
    if words == ["--version"]:
        return
    command.make_context(command.name, words, resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_command_has_help_with_examples():
    for name, command in main.commands.items():
        text = command.get_help(click.Context(command, info_name=f"panteras {name}"))
        assert f"panteras {name}" in text.partition("Usage:")[2].partition("\n")[2]


def test_examples_of_the_help_stand_on_lines_of_their_own():
    def everything(command):
        return [command, *(each for one in getattr(command, "commands", {}).values() for each in everything(one))]

    for command in everything(main):
        assert not re.search(r"\x08 *\S", command.help or ""), command.name


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"^(?:sudo |[A-Z_]+=\S+ )*panteras .*", synopsis(), re.MULTILINE)))
)
def test_examples_of_the_help_are_understood(line):
    words = re.split(r" {2,}| > ", line)[0]
    words = words[words.index("panteras ") :]
    if not re.search(r"\[OPTIONS\]", words):
        understood(shlex.split(words)[1:])


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a page, as lists of rows of cells."""
    found = re.findall(r"(?:^\|.*\|\n)+", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()] for table in found]


def test_the_figures_of_the_comparison_are_those_that_were_measured():
    ours, of_consul, *_ = tables("comparison.md")
    forward, cached, _, _, _, start, *_ = tables("performance.md")
    totals, *checks = tables("conformance.md")
    rows = {row[0]: dict(zip(ours[0][1:], row[1:], strict=True)) for row in ours[2:]}
    for server, peer in {
        "panteras": "this server",
        "dnsdist": "dnsdist",
        "unbound": "unbound",
        "dnsmasq": "dnsmasq",
    }.items():
        at = totals[0].index(peer)
        measured = [next(row for row in table if row[0] == server) for table in (forward, cached, start)]
        assert [row[server] for row in rows.values()] == [
            *(measured[0][1], measured[1][1], measured[0][6], measured[2][1], totals[2][at])
        ]

    titles = re.findall(r"^## (.*)", (ROOT / "docs" / "conformance.md").read_text(), re.MULTILINE)
    for title, *counts in of_consul[2:]:
        head, _, *table = checks[titles.index(title)]
        places = [head.index({"panteras": "this server"}.get(server, server)) for server in of_consul[0][1:]]
        assert counts == [str(sum(row[at] == "✓" for row in table)) for at in places], title


def test_the_chart_of_conformance_is_of_its_page():
    names, _, counts, *_ = tables("conformance.md")[0]
    checks = int(re.search(r"\d+", names[0])[0])

    assert CHART.read_text() == chart(dict(zip(names[1:], map(int, counts[1:]), strict=True)), checks)


def test_every_reason_has_its_part_in_the_manual():
    told = set(re.findall(r"^### (PAN\d{3}): ", (ROOT / "docs" / "reasons.md").read_text(), re.MULTILINE))
    sources = [path for part in ("explain", "doctor") for path in (ROOT / "panteras_dns" / part).glob("*.py")]
    said = {code for path in sources for code in re.findall(r"\bPAN\d{3}\b", path.read_text())}

    assert told == said
