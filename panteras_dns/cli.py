"""Commands, one function each. Imports lazily, so that each starts fast; the only module that imports the
reactor."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from panteras_dns.arguments import FILE, AdminType, EndpointType, NameType, ServerType
from panteras_dns.config import DEFAULT_FILE, Config, load_default
from panteras_dns.endpoint import Endpoint
from panteras_dns.options import ConfigError

PROBLEM, USAGE, UNKNOWN, INTERRUPTED = 1, 2, 3, 130  # exit statuses beside 0


_ELSEWHERE = {  # the doors hold secrets, the box Docker's socket, explain asks around: imported when they are called
    "access": "panteras_dns.access.commands",
    "balancer": "panteras_dns.box.commands",
    "box": "panteras_dns.box.commands",
    "doctor": "panteras_dns.doctor.commands",
    "explain": "panteras_dns.explain.commands",
    "install": "panteras_dns.install.commands",
    "registrator": "panteras_dns.box.commands",
    "rehearse": "panteras_dns.rehearse.commands",
    "top": "panteras_dns.admin.commands",
    "uninstall": "panteras_dns.install.commands",
}


class _Main(click.Group):
    """The commands here, and those of the doors and of the box."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        return getattr(import_module(_ELSEWHERE[cmd_name]), cmd_name)  # type: ignore[no-any-return]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("panteras: interrupted", err=True)
            sys.exit(INTERRUPTED)
        except ModuleNotFoundError as problem:
            extra = "access" if ctx.invoked_subcommand == "access" else "box"
            library = (problem.name or "panteras_dns").partition(".")[0]
            if library == "panteras_dns" or ctx.invoked_subcommand not in _ELSEWHERE:
                raise
            _fail(ConfigError([f"{library} is not installed; install the gateway as '.[{extra}]'"]))


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "PANTERAS"})
@click.version_option(package_name="panteras-gateway")
@click.pass_context
def main(context: click.Context) -> None:
    """The DNS and access gateway of docker hosts that run Consul.

    \b
    sudo panteras serve                      answer on port 53 of this host
    panteras serve --demo                    try it: no root, no Consul, no configuration
    sudo panteras install                    make it this host's DNS server; taken back unless you confirm it
    panteras query python1.service.consul    ask it, and see who answered
    panteras explain python1.service.consul  why a name does not work, and what helps
    panteras top                             what goes on, live, in this terminal
    panteras rehearse                        what a changed configuration would answer otherwise
    sudo panteras doctor                     what is wrong with this host, and the commands that mend it
    sudo panteras access grant alice         let a person in from outside, through the SSH door
    sudo panteras registrator                containers of this host appear in Consul, and go with their end
    sudo panteras balancer                   every web service by its name, on port 80 of this host
    """
    context.obj = _reactor()


def _fail(problem: ConfigError) -> None:
    for line in problem.errors:
        click.echo(f"panteras: {line}", err=True)
    sys.exit(USAGE)


def _reactor() -> Callable[[], Any]:
    """Prepares the import of the reactor: it happens after root is dropped, when the files of a package below a
    private directory can't be read any more, and after a fork, which must not share its epoll."""
    import twisted.internet.default as platform

    def install() -> Any:
        platform.install()
        from twisted.internet import reactor

        return reactor

    return install


@main.command()
@click.option("--config", "file", type=FILE, help=f"TOML file  [default: {DEFAULT_FILE}, if it is there]")
@click.option("--listen", type=EndpointType(53, one=False), multiple=True, help="where clients knock  [default: *:53]")
@click.option("--consul", type=EndpointType(8600), multiple=True, help="Consul agents  [default: 127.0.0.1:8600]")
@click.option("--upstream", type=ServerType(), multiple=True, help="for all other names  [default: resolv.conf]")
@click.option("--workers", type=click.IntRange(1, 256), help="processes that share the port  [default: 1]")
@click.option("--user", help="account to run as once the ports are bound  [default: panteras or nobody]")
@click.option("--admin", type=AdminType(), help="dashboard and metrics, or off  [default: 127.0.0.1:9153]")
@click.option("--demo", is_flag=True, help="a sample catalogue on 127.0.0.1:5353; no root, no Consul")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warn", "error"]), default="info", show_default=True)
def serve(**options: Any) -> None:
    """Answer DNS: Consul's names from Consul, never cached, everything else from upstream.

    \b
    sudo panteras serve
    sudo panteras serve --consul 10.0.0.1:8600 --upstream 9.9.9.9
    panteras serve --listen 127.0.0.1:5300 --config ./panteras.toml

    SIGHUP reads the configuration again, SIGUSR1 writes the counters to the log; SIGTERM stops within a second.
    """
    from panteras_dns.serve import run

    def load_config() -> Config:
        return load_default(options["file"])

    try:
        sys.exit(run(load_config, options, _reactor()))
    except ConfigError as problem:
        _fail(problem)


@main.command()
@click.option("--config", "file", type=FILE, help=f"TOML file  [default: {DEFAULT_FILE}, if it is there]")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def check(file: Path | None, as_json: bool) -> None:
    """Validate a configuration and print the routes that follow from it.

    \b
    panteras check --config ./panteras.toml
    """
    from panteras_dns.build import check_files

    try:
        config = load_default(file)
        check_files(config)
    except ConfigError as problem:
        _fail(problem)
        return
    config = config.with_defaults()
    click.echo(_as_json(config) if as_json else _as_text(config))


def _as_text(config: Config) -> str:
    lines = [f"listen   {', '.join(map(str, config.dns.listen))}  allow {', '.join(config.dns.allow)}"]
    for route in config.route:
        servers, cached = ", ".join(map(str, route.servers)), "cached" if route.cached else "never cached"
        lines.append(f"route    {', '.join(route.domains)} -> {servers}  {route.kind}, {cached}, {route.policy}")
    lines += [f"record   {record.name} {record.type} {record.data}" for record in config.record]
    return "\n".join([*lines, "ok"])


def _as_json(config: Config) -> str:
    import json
    from dataclasses import asdict

    whole = asdict(config)
    whole["dns"]["listen"] = [str(one) for one in config.dns.listen]
    whole["admin"]["listen"] = str(config.admin.listen or "off")
    for shown, route in zip(whole["route"], config.route, strict=True):
        shown["servers"] = [str(one) for one in route.servers]
        shown["cache"] = route.cached
    return json.dumps(whole)


@main.command()
@click.argument("name", type=NameType())
@click.argument("kind", metavar="[TYPE]", default="A")
@click.option("--server", type=EndpointType(53), default="127.0.0.1:53", show_default=True)
@click.option("--tcp", is_flag=True, help="ask over TCP")
@click.option("--timeout", type=float, default=5.0, show_default=True, help="seconds to wait")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def query(name: str, kind: str, server: Endpoint, tcp: bool, timeout: float, as_json: bool) -> None:
    """Ask a running server, and see the route, the server that answered and the time.

    \b
    panteras query python1.service.consul
    panteras query python1.service.consul SRV --server 127.0.0.1:5353
    """
    from panteras_dns.query import Unanswered, look_up

    try:
        found = look_up(name, kind, server, tcp, timeout)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    except Unanswered as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(UNKNOWN)
    click.echo(found.as_json() if as_json else found.as_text())
    sys.exit(0 if found.rcode == "NOERROR" else PROBLEM)
