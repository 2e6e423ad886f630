"""The commands of the box, one function each. The reactor comes from the command line's own module, once it is
needed."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from panteras_dns.arguments import FILE, AddressType, ApiType, EndpointType, with_consul
from panteras_dns.box import options as shared

ROLES = ("stand-alone", "master", "worker")
_DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--docker", type=ApiType(), default="unix:///var/run/docker.sock", show_default=True, help="the Docker engine"
)
@with_consul
@shared.host
@click.option("--ip", type=AddressType(), help="address of published ports  [default: that of the agent]")
@click.option("--internal", is_flag=True, help="register the containers' own addresses and ports")
@click.option("--explicit", is_flag=True, help="only containers that have a SERVICE_NAME")
@click.option("--tags", default="", help="tags for every service, divided by commas")
@click.option("--list", "listed", is_flag=True, help="say what would be registered, and whether it is; then end")
@click.option("--clear", is_flag=True, help="deregister all that was registered from this host; then end")
@click.option("--json", "as_json", is_flag=True, help="with --list: JSON on stdout")
@shared.with_log
@click.pass_obj
def registrator(reactor: Any, /, **options: Any) -> None:
    """Keep Consul in step with the containers of this host, as Registrator did.

    \b
    sudo panteras registrator
    sudo panteras registrator --ip 10.0.0.5 --tags blue
    sudo panteras registrator --list           what would be registered; exit 1 when Consul has something else
    sudo panteras registrator --clear          take everything back

    A container says SERVICE_NAME=web, SERVICE_TAGS=http,v2, SERVICE_80_CHECK_HTTP=/health in its environment or labels.
    """
    from panteras_dns.box.registering import Registering
    from panteras_dns.once import Failed

    registering = Registering(reactor(), options)
    try:
        if options["clear"]:
            click.echo(f"{registering.clear()} deregistered")
        elif options["listed"]:
            found = registering.look()
            click.echo(json.dumps(found.as_json()) if options["as_json"] else found.as_text())
            sys.exit(0 if found.right else 1)
        else:
            sys.exit(registering.run(options["log_format"], options["log_level"]))
    except Failed as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(3)


@click.command()
@with_consul
@shared.host
@click.option("--ip", type=AddressType(), help="address of the front page in Consul  [default: that of the agent]")
@click.option(
    "--listen",
    type=EndpointType(80, one=False),
    multiple=True,
    help="where browsers knock  [default: private addresses, port 80]",
)
@click.option(
    "--statistics",
    type=EndpointType(81, one=False),
    multiple=True,
    help="HAProxy's page  [default: private addresses, port 81]",
)
@click.option("--name", "own_names", multiple=True, help="SERVICE.NAME opens, too  [default: this host's names]")
@click.option("--domain", default="consul", show_default=True, help="Consul's domain")
@click.option(
    "--http-port", "ports", type=click.IntRange(1, 65535), multiple=True, help="services on it need no tag http"
)
@click.option("--template", type=FILE, help="a Jinja2 template of your own for haproxy.cfg")
@click.option(
    "--run-dir", type=_DIRECTORY, default="/run/panteras/balancer", show_default=True, help="files and sockets"
)
@click.option(
    "--attach", is_flag=True, help="HAProxy is run by somebody else, with the file and the sockets in --run-dir"
)
@click.option("--print", "printed", is_flag=True, help="print the configuration that follows from Consul; then end")
@shared.with_log
@click.pass_obj
def balancer(reactor: Any, /, **options: Any) -> None:
    """Keep HAProxy in step with Consul: every web service by its name on port 80 of this host, statistics on 81.

    \b
    sudo panteras balancer
    sudo panteras balancer --listen 10.0.0.5 --name apps.example.com
    sudo panteras balancer --template ./haproxy.cfg.j2 --print

    A service is one for browsers when it has the tag http, or a port like 80 or 8080; the tag balancer=off keeps it
    out. Tags urlprefix-HOST/PATH and paas-HOST/PATH are further names, weight=N its share.
    """
    from panteras_dns.box.balancing import Balancing, Unable

    try:
        balancing = Balancing(reactor, options)
        if options["printed"]:
            click.echo(balancing.configuration(), nl=False)
        else:
            sys.exit(balancing.run(options["log_format"], options["log_level"]))
    except Unable as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(problem.status)


@click.group()
def box() -> None:
    """The files that start everything on a machine, with one command.

    \b
    IP=10.0.0.5 panteras box render > compose.yaml && docker compose up -d
    panteras box render --role master --config box.toml --output compose.yaml
    """


@box.command()
@click.option("--role", type=click.Choice(ROLES), help="what this machine is  [default: stand-alone]")
@click.option("--config", "file", type=FILE, help="TOML file; the environment goes before it")
@click.option("--output", type=FILE, help="write it there  [default: stdout]")
def render(role: str | None, file: Path | None, output: Path | None) -> None:
    """Print compose.yaml for this machine: stand-alone, one of the masters (Consul servers), or a worker.

    \b
    IP=10.0.0.5 panteras box render
    IP=10.0.0.5 CONSUL_HOSTS=10.0.0.5,10.0.0.6,10.0.0.7 panteras box render --role master
    IP=10.0.0.9 CONSUL_HOSTS=10.0.0.5,10.0.0.6,10.0.0.7 DC=dc2 panteras box render --role worker

    The keys of the file, in capitals in the environment: role, ip, listen_ip, dc, node, servers, consul_hosts,
    wan_hosts, upstreams, names, listen, statistics, door_dns, consul_image, consul_config, sample.
    """
    from panteras_dns.box import compose

    try:
        text = _read(file) if file else b""
        made = compose.box(text, str(file or "the configuration"), os.environ, role or "")
    except compose.BadBox as problem:
        for line in problem.errors:
            click.echo(f"panteras: {line}", err=True)
        sys.exit(2)
    if output is None:
        click.echo(compose.render(made), nl=False)
        return
    draft = output.with_name(f"{output.name}.new")
    try:
        draft.write_text(compose.render(made), encoding="utf-8")
        draft.replace(output)
    except OSError as problem:
        click.echo(f"panteras: {output}: {problem.strerror}", err=True)
        sys.exit(2)
    click.echo(f"{output}: {made.role}, {made.ip} in {made.dc}; start it with: docker compose -f {output} up -d")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        raise click.UsageError(f"--config: {file}: {problem.strerror}") from None
