"""`panteras doctor`. The reactor comes from the command line's own module, once it is needed."""

import sys
from typing import Any

import click

from panteras_dns.arguments import FILE, with_consul
from panteras_dns.config import DEFAULT_FILE, load_default
from panteras_dns.meter import meter
from panteras_dns.options import ConfigError


@click.command()
@with_consul
@click.option(
    "--config",
    "file",
    type=FILE,
    help=f"the gateway's TOML file  [default: {DEFAULT_FILE}, if it is there]",
)
@click.option("--quick", is_flag=True, help="only whether names are answered: for health checks")
@click.option("--strict", is_flag=True, help="warnings count, too")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.pass_obj
def doctor(reactor: Any, /, **options: Any) -> None:
    """What is wrong with this host, why it matters, and the commands that mend it.

    \b
    sudo panteras doctor
    sudo panteras doctor --strict --json
    panteras doctor --quick                  for a health check

    It looks and changes nothing. As root it sees more. Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage,
    130 interrupted.
    """
    from panteras_dns.consul import Consul
    from panteras_dns.doctor.examine import examine
    from panteras_dns.doctor.host import Host
    from panteras_dns.once import Failed, now

    try:
        host = Host(config=load_default(options["file"]))
    except ConfigError as problem:
        raise click.UsageError(problem.errors[0]) from None
    loop = reactor()
    try:
        consul = Consul(loop, options["consul"], options["token"])
        found = now(loop, examine(host, consul, options["quick"], meter(_bar)))
    except Failed as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(3)
    click.echo(found.as_json() if options["as_json"] else found.as_text())
    sys.exit(found.exit_status(options["strict"]))


def _bar(done: int, of: int) -> str:
    return f"looking [{'#' * (30 * done // of):<30}] {done} of {of}"
