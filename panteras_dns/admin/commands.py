"""`panteras top`: the dashboard for those on SSH."""

import json
import shutil
import sys
import time
from typing import Any

import click

from panteras_dns.admin.client import NoAdmin, ask
from panteras_dns.admin.top import Line, lines
from panteras_dns.arguments import EndpointType
from panteras_dns.config import ADMIN
from panteras_dns.endpoint import Endpoint

_STYLES: dict[str, dict[str, Any]] = {
    "bold": {"bold": True},
    "ok": {"fg": "green"},
    "FAIL": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "soft": {"dim": True},
}
_HOME, _CLEAR_LINE, _CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"
_OTHER_SCREEN, _BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_PROBLEM, _UNKNOWN = 1, 3


@click.command()
@click.option("--admin", "at", type=EndpointType(ADMIN.port), default=str(ADMIN), show_default=True)
@click.option("--once", is_flag=True, help="print it once and end; so it is without a terminal")
@click.option(
    "--every", type=click.FloatRange(0.2, 3600), default=1.0, show_default=True, help="seconds between two looks"
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout, and end")
def top(at: Endpoint, once: bool, every: float, as_json: bool) -> None:
    """What goes on, live, the worst first: failures by cause, servers, services, people, queries.

    \b
    panteras top
    panteras top --once
    panteras top --json --admin 10.0.0.5:9153

    Exit status with --once or --json: 0 all is well, 1 there is a problem, 3 nobody could be asked. Ctrl-C ends it.
    """
    try:
        if as_json or once or not sys.stdout.isatty():
            sys.exit(_once(at, as_json))
        _live(at, every)
    except NoAdmin as problem:
        click.echo(f"panteras: {problem}", err=True)
        sys.exit(_UNKNOWN)


def _once(at: Endpoint, as_json: bool) -> int:
    told = ask(at, "/status")
    if as_json:
        click.echo(json.dumps(told))
    else:
        width = shutil.get_terminal_size((120, 0)).columns
        click.echo("\n".join(_styled(one) for one in lines(told, width)))
    return _PROBLEM if told["verdict"]["state"] == "FAIL" else 0


def _live(at: Endpoint, every: float) -> None:
    ask(at, "/status")  # nobody there: said before the screen is taken
    sys.stdout.write(_OTHER_SCREEN)
    try:
        while True:
            columns, rows = shutil.get_terminal_size()
            try:
                shown = lines(ask(at, "/status"), columns, rows - 1)
            except NoAdmin as problem:
                shown = [("FAIL", f"not seen: {problem}; trying again"[:columns])]
            sys.stdout.write(_HOME + "".join(f"{_styled(one)}{_CLEAR_LINE}\n" for one in shown) + _CLEAR_REST)
            sys.stdout.flush()
            time.sleep(every)
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(_BACK)


def _styled(line: Line) -> str:
    style, text = line
    return click.style(text, **_STYLES[style]) if style in _STYLES else text
