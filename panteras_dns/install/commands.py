"""`panteras install` and `panteras uninstall`: what a person types."""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from panteras_dns.arguments import EndpointType, ServerType
from panteras_dns.install.trouble import Trouble

_Command = Callable[..., Any]
_yes = click.option("--yes", is_flag=True, help="do not ask")
_dry = click.option("--dry-run", is_flag=True, help="show what would be changed; then end")
_json = click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")


def _told(command: _Command) -> _Command:
    """Trouble is one line on stderr, and an exit status."""

    @wraps(command)
    def wrapped(*given: Any, **options: Any) -> Any:
        try:
            return command(*given, **options)
        except Trouble as problem:
            click.echo(f"panteras: {problem}", err=True)
            sys.exit(problem.status)

    return wrapped


@click.group(invoke_without_command=True)
@_yes
@_dry
@click.option("--within", type=click.IntRange(60, 86_400), default=120, show_default=True, help="seconds to confirm")
@click.option("--docker", is_flag=True, help="containers ask the gateway, too: `dns` in Docker's daemon.json")
@click.option("--consul", type=EndpointType(8600), multiple=True, help="Consul agents  [default: 127.0.0.1:8600]")
@click.option("--upstream", type=ServerType(), multiple=True, help="for all other names  [default: those of now]")
@click.option("--name", "names", multiple=True, help="a name that this host must find afterwards as it does before")
@_json
@click.pass_context
@_told
def install(context: click.Context, /, **options: Any) -> None:
    """Make the gateway this host's DNS server: shown before, tried, and taken back unless you confirm it.

    \b
    sudo panteras install
    sudo panteras install --dry-run
    sudo panteras install --yes --within 300 --upstream 9.9.9.9
    sudo panteras install confirm              from another session, when names are found as they should be

    Exit status: 0 fine, 1 a problem, all is as it was; 2 wrong usage, 3 could not check, 130 interrupted.
    """
    if context.invoked_subcommand is not None:
        return
    from panteras_dns.install import work
    from panteras_dns.install.plan import Options
    from panteras_dns.install.system import System

    wanted = Options(
        _program(), options["within"], options["docker"], _texts(options["consul"]), _texts(options["upstream"])
    )
    manner = work.Manner(options["yes"], options["dry_run"], options["as_json"])
    work.install(System(), wanted, options["names"], manner)


@install.command()
@_told
def confirm() -> None:
    """Look names up anew; when all is well, what was installed stays.

    \b
    sudo panteras install confirm
    """
    from panteras_dns.install import work
    from panteras_dns.install.system import System

    work.confirm(System())


@install.command()
@_told
def revert() -> None:
    """Take back what nobody confirmed, at once. The timer and the next boot do it by themselves.

    \b
    sudo panteras install revert
    """
    from panteras_dns.install import work
    from panteras_dns.install.system import System

    work.revert(System())


@install.command()
@_json
@_told
def status(as_json: bool) -> None:
    """What is installed, until when it has to be confirmed, and what somebody changed since.

    \b
    sudo panteras install status
    """
    from panteras_dns.install import work
    from panteras_dns.install.system import System

    sys.exit(work.status(System(), work.Manner(as_json=as_json)))


@click.command()
@_yes
@_dry
@click.option("--keep", is_flag=True, help="files that somebody changed since stay as they are, and are forgotten")
@_json
@_told
def uninstall(**options: Any) -> None:
    """Put back all that `panteras install` changed: bytes, mode, owner, attributes, links.

    \b
    sudo panteras uninstall --dry-run
    sudo panteras uninstall

    It writes only where what stands there is its own; where somebody changed it since, it shows the difference and
    ends with 1.
    """
    from panteras_dns.install import work
    from panteras_dns.install.system import System

    work.uninstall(System(), work.Manner(options["yes"], options["dry_run"], options["as_json"]), options["keep"])


def _program() -> str:
    """The installed program, as the units call it."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).parent / "panteras"
    return str(called if called.is_absolute() and called.name == "panteras" else beside)


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))
