"""What is published is true: the reference is the code's, the examples load, the commands exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from panteras_dns.cli import main
from panteras_dns.config import parse
from panteras_dns.reference import reference

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "sshd" / "README.md",
    ROOT / "openvpn" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]

OTHERS = {
    "apt-get",
    "cp",
    "curl",
    "dig",
    "docker",
    "nomad",
    "openvpn",
    "export",
    "rm",
    "ssh",
    "pip",
    "python",
    "python3",
    "sshuttle",
    "systemctl",
}


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def test_the_reference_of_the_configuration_is_the_code_s():
    page = (ROOT / "docs" / "configuration.md").read_text()

    assert page.endswith(reference()), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_the_configuration_load(page):
    for block in blocks(page, "toml"):
        parse(block)


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "console"):
            whole = block.replace("\\\n", " ")
            found += [(page.name, line) for line in re.findall(r"^[$#] (.*)", whole, re.MULTILINE)]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_of_the_manual_exists_with_its_options(page, line):
    words = [word for word in shlex.split(line.partition(" > ")[0]) if "=" not in word or word.startswith("-")]
    words = words[1:] if words[0] == "sudo" else words
    name = Path(words[0]).name
    if name == "panteras":
        if len(words) == 1:  # shell completion: click's
            return
        command, rest = main, words[1:]
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
        command.make_context(command.name, rest, resilient_parsing=False)
    elif name == "make":
        targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    else:
        assert name in OTHERS


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


def test_every_reason_has_its_part_in_the_manual():
    told = set(re.findall(r"^### (PAN\d{3}): ", (ROOT / "docs" / "reasons.md").read_text(), re.MULTILINE))
    sources = [path for part in ("explain", "doctor") for path in (ROOT / "panteras_dns" / part).glob("*.py")]
    said = {code for path in sources for code in re.findall(r"\bPAN\d{3}\b", path.read_text())}

    assert told == said
