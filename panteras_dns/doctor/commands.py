"""`panteras doctor`. The reactor comes from the command line's own module, once it is needed."""

import sys
from typing import Any

import click

from panteras_dns.arguments import with_consul


@click.command()
@with_consul
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
    3 interrupted.
    """
    from panteras_dns.consul import Consul
    from panteras_dns.doctor.examine import examine
    from panteras_dns.doctor.host import Host
    from panteras_dns.once import Failed, now

    loop = reactor()
    try:
        found = now(loop, examine(Host(), Consul(loop, options["consul"], options["token"]), options["quick"]))
    except Failed as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(3)
    click.echo(found.as_json() if options["as_json"] else found.as_text())
    sys.exit(found.exit_status(options["strict"]))
