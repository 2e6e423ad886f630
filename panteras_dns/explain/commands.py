"""`panteras explain`. The reactor comes from the command line's own module, once it is needed."""

import sys
from typing import Any

import click

from panteras_dns.arguments import FILE, AddressType, EndpointType, MomentType, NameType, with_consul
from panteras_dns.config import ADMIN, DEFAULT_FILE, load_default
from panteras_dns.options import ConfigError


@click.command()
@click.argument("name", type=NameType())
@click.option("--type", "kind", default="A", show_default=True, help="record type")
@click.option("--server", type=EndpointType(53), help="DNS server to ask  [default: the one of this machine]")
@with_consul
@click.option("--from", "client", type=AddressType(), help="whether this client may ask, by the configuration here")
@click.option(
    "--config",
    "file",
    type=FILE,
    help=f"for --from: TOML file  [default: {DEFAULT_FILE}, if it is there]",
)
@click.option("--domain", default="consul", show_default=True, help="Consul's domain")
@click.option("--at", "moment", type=MomentType(), help="a failure of then, as the running gateway has kept it")
@click.option("--admin", type=EndpointType(ADMIN.port), default=str(ADMIN), help="for --at: its admin")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.pass_obj
def explain(reactor: Any, /, name: str, **options: Any) -> None:
    """Why a name does not work: its whole way, hop by hop, and the reason, with what helps.

    \b
    panteras explain web.service.consul
    panteras explain web.service.consul --type SRV --server 10.0.0.5
    panteras explain python1.service.dc2.consul --json
    panteras explain web.service.consul --from 10.8.0.7
    panteras explain web.service.consul --at 14:03

    Exit status: 0 it works, 1 it does not, 2 wrong usage, 3 nobody could be asked, 130 interrupted. Codes like PAN201
    stay as they are; each has its part in the manual (docs/reasons.md).
    """
    from panteras_dns.build import allowed
    from panteras_dns.consul import Consul
    from panteras_dns.explain.client import admission
    from panteras_dns.explain.explain import Explainer, Question
    from panteras_dns.host.interfaces import networks
    from panteras_dns.once import Failed, now

    if options["moment"] is not None:
        sys.exit(_replay(name, options))
    loop = reactor()
    explainer = Explainer(loop, Consul(loop, options["consul"], options["token"]))
    question = Question(name, options["kind"], options["server"], options["domain"])
    try:
        client = (
            admission(options["client"], allowed(load_default(options["file"]), networks))
            if options["client"]
            else None
        )
    except ConfigError as problem:
        raise click.UsageError(problem.errors[0]) from None
    try:
        found = now(loop, explainer.explain(question, client))
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    except Failed as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(3)
    click.echo(found.as_json() if options["as_json"] else found.as_text())
    sys.exit(found.exit_status)


def _replay(name: str, options: dict[str, Any]) -> int:
    """The failure that was kept, at that time or the last one before; the exit status."""
    from panteras_dns.admin.client import NoAdmin, ask
    from panteras_dns.explain.replay import replayed

    try:
        kept = ask(options["admin"], "/failures", name=name, before=str(options["moment"]))["failures"]
    except NoAdmin as problem:
        click.echo(f"panteras: {problem}", err=True)
        return 3
    if not kept:
        click.echo(f"panteras: no failure of {name} is kept from then or before; the last 2,000 are", err=True)
        return 3
    found = replayed(kept[0])
    click.echo(found.as_json() if options["as_json"] else found.as_text())
    return found.exit_status
