"""`panteras access …` at the door itself: run it, ask after its health, and try it from a laptop."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from panteras_dns.access import report
from panteras_dns.access.commandline import PATH, json, with_state
from panteras_dns.access.settings import Settings, read
from panteras_dns.access.ssh import sshd
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vault import Vault

if TYPE_CHECKING:
    from panteras_dns.access.vpn.settings import Vpn

RUN = Path("/run/panteras")

_KIND = click.Choice(["ssh", "vpn"])
_RUN = click.option("--run", type=PATH, default=RUN, show_default=True, help="files of this run")
_PORT = click.option("--port", type=click.IntRange(1, 65535), default=sshd.PORT, show_default=True, help="of sshd")
_USER = click.option("--user", default="openvpn", show_default=True, help="account that OpenVPN turns into")


@click.command()
@click.argument("gateway", metavar="HOST[:PORT]")
@click.option("--key", type=PATH, required=True, help="her private key")
@click.option("--certificate", type=PATH, help="its certificate  [default: KEY-cert.pub, or id-cert.pub here]")
@click.option("--known-hosts", type=PATH, help="known_hosts of the kit  [default: beside the key, or here]")
@click.option("--account", default="tunnel", show_default=True, help="account of the door")
@click.option("--name", default="consul.service.consul", show_default=True, help="name to resolve through the tunnel")
@json
def check(
    gateway: str, key: Path, certificate: Path | None, known_hosts: Path | None, account: str, name: str, as_json: bool
) -> None:
    """From a laptop: try the way in, step by step, and say what to do at the first step that fails.

    \b
    panteras access check gw.example.com:2222 --key id
    """
    from panteras_dns.access.kit import gateway as read
    from panteras_dns.access.ssh import check as checks

    place = read(gateway, sshd.PORT)
    beside, here = Path(f"{key}-cert.pub"), Path("id-cert.pub")
    certificate = certificate or (beside if beside.exists() else here)
    hosts = known_hosts or next((p for p in (key.parent / "known_hosts", Path("known_hosts")) if p.exists()), None)
    if hosts is None:
        raise Misuse("no known_hosts beside the key or here: give that of the kit with --known-hosts")
    alias, ca = checks.host_ca(Vault(Path()).read(hosts).decode("utf-8", "replace"), str(hosts))
    laptop = checks.Laptop(key, certificate, ca, alias, account)
    tried = []
    for step in checks.steps(place.host, place.port, laptop, name):
        tried.append(step)
        if not as_json:
            click.echo(report.step(step))
    if as_json:
        click.echo(report.steps_as_json(tried))
    sys.exit(0 if tried[-1].ok else 1)


@click.command()
@click.argument("what", type=click.Choice(["sshd", "openvpn"]))
@with_state
@click.option("--for-version", help="version of OpenSSH or OpenVPN, as 9.2  [default: the one that is installed]")
@_RUN
@_PORT
@click.option("--transport", type=click.Choice(["udp", "tcp"]), default="udp", show_default=True, help="of OpenVPN")
@_USER
def render(what: str, vault: Vault, for_version: str | None, run: Path, port: int, transport: str, user: str) -> None:
    """Print the configuration of sshd or OpenVPN, for the version that is there.

    \b
    panteras access render sshd --for-version 9.8
    panteras access render openvpn --for-version 2.6 --transport tcp
    """
    if what == "openvpn":
        click.echo(_openvpn(vault, for_version, run, transport, user), nl=False)
        return
    version = sshd.read_version(for_version, "--for-version") if for_version else sshd.installed()
    account = settings(vault).account if vault.settings.exists() else "tunnel"
    click.echo(sshd.render(version, sshd.Place(vault.root, run, account, port)), nl=False)


def _openvpn(vault: Vault, for_version: str | None, run: Path, transport: str, user: str) -> str:
    from panteras_dns.access.vpn import keeper, preflight, server

    chosen = vpn_settings(vault)
    version = server.read_version(for_version, "--for-version") if for_version else server.installed()
    found = [one for one in chosen.transports if one.kind == transport]
    if not found:
        raise Misuse(f"{vault.vpn_settings}: {transport} is 0, expected a port")
    return server.render(version, chosen, found[0], keeper.place(vault, run, user), preflight.six())


def settings(vault: Vault) -> Settings:
    """What the SSH door leads to."""
    return read(vault.read(vault.settings), str(vault.settings))


def vpn_settings(vault: Vault) -> "Vpn":
    """What the VPN door leads to."""
    from panteras_dns.access.vpn.settings import read as read_vpn

    return read_vpn(vault.read(vault.vpn_settings), str(vault.vpn_settings))


@click.command()
@click.argument("kind", type=_KIND, default="ssh")
@with_state
@_RUN
@_PORT
@_USER
@click.option("--check", "only_look", is_flag=True, help="look whether all is there, and end")
def door(kind: str, vault: Vault, run: Path, port: int, user: str, only_look: bool) -> None:
    """Run a door: what the containers of sshd/ and openvpn/ start.

    Looks first whether all is there, and says what is missing, with what to do.

    \b
    panteras access door ssh
    panteras access door vpn --check
    """
    if kind == "vpn":
        from panteras_dns.access.vpn import keeper as vpn

        chosen, where = vpn_settings(vault), vpn.place(vault, run, user)
        if only_look:
            sys.exit(0 if vpn.look(vault, chosen, user) else 1)
        sys.exit(vpn.keep(vault, chosen, where))
    from panteras_dns.access.ssh import keeper

    leading = settings(vault)
    if only_look:
        keeper.check(vault, leading, keeper.RESOLV_CONF)
        return
    sys.exit(keeper.keep(vault, sshd.Place(vault.root, run, leading.account, port), leading))


@click.command()
@click.argument("kind", type=_KIND, default="ssh")
@with_state
@_RUN
@_PORT
def health(kind: str, vault: Vault, run: Path, port: int) -> None:
    """Ask the door beside this process how it is: what its HEALTHCHECK runs.

    \b
    panteras access health ssh
    panteras access health vpn
    """
    if kind == "vpn":
        from panteras_dns.access.vpn import keeper as vpn

        click.echo(vpn.health(vault, vpn_settings(vault), vpn.place(vault, run, "openvpn")))
        return
    from panteras_dns.access.ssh import keeper

    click.echo(keeper.knock(sshd.Place(vault.root, run, settings(vault).account, port)))
