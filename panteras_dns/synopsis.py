"""The reference of the commands, written from click's own: `python -m panteras_dns.synopsis`.

Whatever `panteras --help` lists is here by itself, with its subcommands.
"""

import inspect
import re
from collections.abc import Iterator

import click

from panteras_dns.cli import main

_EXTRA = "  ["  # click: what it adds to the help of an option
_BLOCK = "\b\n"  # what click leaves as it stands


def synopsis() -> str:
    """Markdown: a section for each command, a row for each option."""
    return "\n".join(_section(path, command) for path, command in _commands("panteras", main))


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """*command* and all below it, in the order of the help."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below and not below.hidden:
                yield from _commands(f"{path} {name}", below)


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    options = (one for one in command.get_params(context) if isinstance(one, click.Option) and "--help" not in one.opts)
    rows = [_row(*record) for one in options if (record := one.get_help_record(context))]
    table = ["| option | default | |", "| --- | --- | --- |", *rows, ""] if rows else []
    level = "##" if len(path.split()) < 3 else "###"
    return "\n".join([f"{level} `{path}`", "", "```text", usage, "```", "", *_prose(command.help or ""), *table])


def _prose(text: str) -> Iterator[str]:
    """The paragraphs of a docstring; its examples as blocks."""
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith(_BLOCK):
            yield from ["```text", part.removeprefix(_BLOCK), "```", ""]
        else:
            yield from [_plain(" ".join(part.split())), ""]


def _row(option: str, about: str) -> str:
    text, _, extra = about.partition(_EXTRA)
    parts = [part.removeprefix("default: ") for part in extra.removesuffix("]").split("; ") if part]
    default = ", ".join("*required*" if part == "required" else f"`{_cell(part)}`" for part in parts)
    return f"| `{_cell(option)}` | {default} | {_plain(text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    """Text in which no character means anything to Markdown."""
    return re.sub(r"([*_<|`])", r"\\\1", text)


if __name__ == "__main__":
    print(synopsis(), end="")
