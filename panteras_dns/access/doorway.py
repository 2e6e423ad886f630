"""`panteras access …` at the door itself: run it, ask after its health, and try it from a laptop."""

import sys
from pathlib import Path

import click

from panteras_dns.access import report
from panteras_dns.access.commandline import PATH, json, with_state
from panteras_dns.access.settings import Settings, read
from panteras_dns.access.ssh import sshd
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vault import Vault

RUN = Path("/run/panteras")


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
@click.argument("what", type=click.Choice(["sshd"]))
@with_state
@click.option("--for-version", help="version of OpenSSH, as 9.2  [default: the one that is installed]")
@click.option("--run", type=PATH, default=RUN, show_default=True, help="the door's run directory")
@click.option("--port", type=click.IntRange(1, 65535), default=sshd.PORT, show_default=True)
def render(what: str, vault: Vault, for_version: str | None, run: Path, port: int) -> None:
    """Print the configuration of sshd, for the version that is there.

    \b
    panteras access render sshd --for-version 9.8
    """
    version = sshd.read_version(for_version, "--for-version") if for_version else sshd.installed()
    account = settings(vault).account if vault.settings.exists() else "tunnel"
    click.echo(sshd.render(version, sshd.Place(vault.root, run, account, port)), nl=False)


def settings(vault: Vault) -> Settings:
    """What the SSH door leads to."""
    return read(vault.read(vault.settings), str(vault.settings))


@click.command()
@with_state
@click.option("--run", type=PATH, default=RUN, show_default=True, help="files of this run")
@click.option("--port", type=click.IntRange(1, 65535), default=sshd.PORT, show_default=True)
def door(vault: Vault, run: Path, port: int) -> None:
    """Run the SSH door: what the container of sshd/ starts.

    Looks first whether all is there, and says what is missing.
    """
    from panteras_dns.access.ssh import keeper

    chosen = settings(vault)
    sys.exit(keeper.keep(vault, sshd.Place(vault.root, run, chosen.account, port), chosen))


@click.command()
@with_state
@click.option("--run", type=PATH, default=RUN, show_default=True, help="the door's run directory")
@click.option("--port", type=click.IntRange(1, 65535), default=sshd.PORT, show_default=True)
def health(vault: Vault, run: Path, port: int) -> None:
    """Log in to the door beside this process, and have a name resolved: what its HEALTHCHECK runs."""
    from panteras_dns.access.ssh import keeper

    click.echo(keeper.knock(sshd.Place(vault.root, run, settings(vault).account, port)))
