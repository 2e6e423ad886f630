"""`panteras rehearse`: another configuration is asked what was asked before it is in force."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from panteras_dns.admin.client import NoAdmin, ask
from panteras_dns.arguments import FILE, EndpointType
from panteras_dns.config import ADMIN, DEFAULT_FILE, Config, load_default
from panteras_dns.endpoint import Endpoint
from panteras_dns.explain.explanation import many
from panteras_dns.meter import meter
from panteras_dns.options import ConfigError
from panteras_dns.rehearse.changes import Change, Question, questions

VERSION = 1  # of the JSON: fields are added, none changes its meaning
_MOST = 1000
_PROBLEM, _UNKNOWN = 1, 3


@click.command()
@click.option("--config", "file", type=FILE, help=f"the other TOML file  [default: {DEFAULT_FILE}, as it is now]")
@click.option(
    "--names",
    type=click.File(),
    help="what to ask, a name and a type a line; - for stdin  [default: what was asked lately]",
)
@click.option(
    "--server", type=EndpointType(53), default="127.0.0.1:53", show_default=True, help="the gateway that runs"
)
@click.option("--admin", type=EndpointType(ADMIN.port), default=str(ADMIN), show_default=True, help="its admin")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.pass_obj
def rehearse(reactor: Any, /, **options: Any) -> None:
    """What another configuration would answer otherwise, before it is in force.

    \b
    panteras rehearse                            before a reload: the file as it is now
    panteras rehearse --config new.toml
    panteras rehearse --names - --json           names from stdin

    It is loaded beside the gateway that runs, and both are asked the names that were asked lately, at most 1,000.
    Nobody else hears of it: no port but one of loopback, no log, no handover. Exit status: 0 nothing changes, 1
    something does, 2 wrong usage, 3 nobody could be asked, 130 interrupted.
    """
    try:
        asked = list(dict.fromkeys(_questions(options["names"], options["admin"])))[:_MOST]
        config = load_default(options["file"]).with_defaults()
    except NoAdmin as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(_UNKNOWN)
    except ConfigError as problem:
        raise click.UsageError(problem.errors[0]) from None
    except ValueError as problem:
        raise click.UsageError(f"--names: {problem}") from None
    sys.exit(_rehearsed(reactor(), config, asked, options))


def _questions(names: Iterable[str] | None, admin: Endpoint) -> Iterable[Question]:
    if names is not None:
        return questions(names)
    return [(one["name"], one["type"]) for one in ask(admin, "/queries")["queries"]]


def _rehearsed(reactor: Any, config: Config, asked: Sequence[Question], options: dict[str, Any]) -> int:
    """Ask, show; the exit status."""
    from panteras_dns.once import Failed, now
    from panteras_dns.rehearse.stage import compare

    told = meter(lambda done, of: f"asked {done} of {of}")
    try:
        found, silent = now(reactor, compare(reactor, config, asked, options["server"], told))
    except ConfigError as problem:
        raise click.UsageError(problem.errors[0]) from None
    except (Failed, OSError) as problem:
        click.echo(f"panteras: {problem}", err=True)
        return _UNKNOWN
    if asked and silent == len(asked):
        click.echo(f"panteras: {options['server']} does not answer: no gateway to compare with", err=True)
        return _UNKNOWN
    if options["as_json"]:
        click.echo(json.dumps({"version": VERSION, "asked": len(asked), "changes": [asdict(one) for one in found]}))
    else:
        click.echo("\n".join(_lines(found, len(asked))))
    return _PROBLEM if found else 0


def _lines(found: Sequence[Change], count: int) -> Iterable[str]:
    for one in found:
        yield f"{one.name} {one.type}: {one.before} -> {one.after}"
    yield f"{many(count, 'question')}, {len(found)} answered otherwise"
