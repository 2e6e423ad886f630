"""`panteras access …` for who runs the gateway: one function a command. Reads the command line, prints; the work is
done elsewhere."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from panteras_dns.access import doorway, names, report, vault
from panteras_dns.access.commandline import PATH, json, with_passphrase, with_state
from panteras_dns.access.ssh import sshd
from panteras_dns.access.trouble import Misuse, Trouble
from panteras_dns.access.vault import Vault

_DAYS, _WARN = 30, 14


class _Group(click.Group):
    """Tells each Trouble in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Trouble as problem:
            click.echo(f"panteras: {problem}", err=True)
            sys.exit(problem.status)


@click.group("access", cls=_Group)
def access() -> None:
    """Who may come in from outside, and the SSH door itself.

    \b
    sudo panteras access init --dns 172.17.0.1 --network 172.17.0.0/16
    sudo panteras access grant alice --device laptop
    sudo panteras access kit alice/laptop --gateway gw.example.com:2222
    sudo panteras access revoke alice
    """


for command in (doorway.check, doorway.door, doorway.health, doorway.render):
    access.add_command(command)


def _identities(vault: Vault, passphrase: bytes | None = None) -> Any:
    from panteras_dns.access.identities import Identities
    from panteras_dns.access.ssh.door import SshDoor

    return Identities(vault, [SshDoor(vault, passphrase)])


@access.command()
@with_state
@with_passphrase
@click.option("--network", "networks", multiple=True, help="network of services  [default: docker's bridges]")
@click.option("--dns", help="this docker host's DNS, as containers reach it  [default: the address of docker0]")
@click.option("--domain", default="consul", show_default=True, help="Consul's domain")
@click.option("--account", default="tunnel", show_default=True, help="account that people log in to")
@click.option("--uid", type=int, default=vault.DOOR_UID, show_default=True, help="the door's uid in its container")
def init(
    vault: Vault,
    passphrase: bytes | None,
    networks: Sequence[str],
    dns: str | None,
    domain: str,
    account: str,
    uid: int,
) -> None:
    """Make the state directory: the CAs, the key of the door, an empty index. Never overwrites.

    \b
    sudo panteras access init
    sudo panteras access init --network 10.1.0.0/16 --dns 10.1.0.1
    """
    from panteras_dns.access import docker_host
    from panteras_dns.access.identities import create_index
    from panteras_dns.access.kit import overlaps
    from panteras_dns.access.settings import settings
    from panteras_dns.access.ssh.door import SshDoor

    chosen = settings(networks or docker_host.networks(), dns or docker_host.address(), domain, account)
    vault.create(uid)
    SshDoor.create(vault, chosen, passphrase)
    create_index(vault)
    for sentence in overlaps(chosen.networks):
        click.echo(f"note: {sentence}", err=True)
    click.echo(f"made {vault.root}: {', '.join(map(str, chosen.networks))}, DNS {chosen.dns}")
    click.echo("next: panteras access grant NAME")


@access.command()
@click.argument("people", metavar="NAME[/DEVICE]...", nargs=-1)
@with_state
@with_passphrase
@click.option("--device", default=names.DEFAULT_DEVICE, show_default=True, help="of who is named without one")
@click.option("--file", type=PATH, help="more people, one NAME[/DEVICE] a line")
@click.option("--days", type=int, default=_DAYS, show_default=True, help="how long it is good for")
@click.option("--services", default="", help="services that may be reached, as 'python*,web'  [default: all]")
@click.option("--public-key", type=PATH, help="her own key  [default: make a key pair]")
@json
def grant(
    people: Sequence[str], vault: Vault, passphrase: bytes | None, device: str, file: Path | None, days: int,
    services: str, public_key: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Let people in, each with one device: all who are named, or nobody.

    \b
    sudo panteras access grant alice --device laptop --days 90
    sudo panteras access grant bob --services 'python*,web' --public-key bob.pub
    sudo panteras access grant --file team.txt
    """
    lines = vault.read(file).decode("utf-8", "replace").splitlines() if file else []
    named = [*people, *filter(None, map(str.strip, lines))]
    who = names.people(named, names.name(device, "device"))
    limit = names.services(services)
    if public_key and len(who) > 1:
        raise Misuse("--public-key: is for one device, expected one NAME")
    from panteras_dns.access.door import Terms
    from panteras_dns.access.identities import read_public_key

    key = read_public_key(public_key) if public_key else None
    entries = _identities(vault, passphrase).grant(who, ["ssh"], Terms(days, limit, key))
    click.echo(report.as_json(entries) if as_json else report.granted(entries))


@access.command()
@click.argument("who", metavar="NAME[/DEVICE]")
@with_state
@with_passphrase
@click.option("--days", type=int, default=_DAYS, show_default=True, help="how long it is good for, from now")
@click.option("--services", help="other services than before; '' for all")
@json
def renew(who: str, vault: Vault, passphrase: bytes | None, days: int, services: str | None, as_json: bool) -> None:
    """A new certificate for the same key; hand out a new kit. NAME `gateway:` renews the door's own.

    \b
    sudo panteras access renew alice/laptop --days 90
    sudo panteras access renew gateway:
    """
    if who == "gateway:":
        own = _identities(vault, passphrase).renew_doors()
        click.echo(report.own(own))
        return
    name, device = names.pair(who)
    limit = None if services is None else names.services(services)
    entries = _identities(vault, passphrase).renew(name, device, days, limit)
    click.echo(report.as_json(entries) if as_json else report.granted(entries))


@access.command()
@click.argument("who", metavar="NAME[/DEVICE]")
@with_state
@json
def revoke(who: str, vault: Vault, as_json: bool) -> None:
    """Shut a person out, or one device: now, with the live sessions, and proved.

    \b
    sudo panteras access revoke alice
    sudo panteras access revoke alice/laptop

    There is no way back for a key: grant the name anew, with a new key. Exit status 1 when a session would not end.
    """
    name, device = names.pair(who)
    done = _identities(vault).revoke(name, device)
    click.echo(report.revocation_as_json(done) if as_json else report.revocation(who, done))
    sys.exit(0 if done.proved else 1)


@access.command("list")
@with_state
@click.option("--all", "whole", is_flag=True, help="also what was replaced, has expired or is revoked")
@json
def list_(vault: Vault, whole: bool, as_json: bool) -> None:
    """Who may come in, with what, until when."""
    entries = _identities(vault).all()
    click.echo(report.as_json(entries) if as_json else report.table(entries, whole))


@access.command()
@with_state
@click.option("--warn", type=click.IntRange(0, 3650), default=_WARN, show_default=True, help="days ahead")
@json
def status(vault: Vault, warn: int, as_json: bool) -> None:
    """What expires within --warn days, with the command that renews it; exit status 1 when something does."""
    identities = _identities(vault)
    ending = report.ending(identities.all(), identities.own(), warn)
    click.echo(report.ending_as_json(ending) if as_json else report.ending_as_text(ending, warn))
    sys.exit(1 if ending else 0)


@access.command()
@with_state
@json
def sessions(vault: Vault, as_json: bool) -> None:
    """Who is connected now."""
    from panteras_dns.access.ssh import sessions as live

    vault.check()
    found = live.live(vault.sessions)
    click.echo(report.sessions_as_json(found) if as_json else report.sessions(found))


@access.command()
@click.argument("who", metavar="NAME[/DEVICE]")
@with_state
@click.option("--gateway", required=True, metavar="HOST[:PORT]", help="where laptops find the door")
@click.option("--out", type=PATH, help="new directory  [default: ./NAME-DEVICE]")
@click.option("--identity-file", default="", help="her own key on her laptop  [default: ~/.ssh/id_ed25519]")
def kit(who: str, vault: Vault, gateway: str, out: Path | None, identity_file: str) -> None:
    """Write the directory that a person needs on her laptop.

    \b
    sudo panteras access kit alice/laptop --gateway gw.example.com:2222
    """
    from panteras_dns.access import kit as kits

    name, device = names.pair(who)
    place = kits.gateway(gateway, sshd.PORT)
    (entry,) = _identities(vault).device(name, device)
    chosen = doorway.settings(vault)
    if (state := entry.state(report.now())) != "valid":
        raise Trouble(f"{entry.id}: its certificate is {state}; a kit of it would be of no use")
    own = "" if entry.private_key else identity_file or "~/.ssh/id_ed25519"
    target = out or Path(f"{entry.name}-{entry.device}")
    kits.write(target, entry, place, chosen, vault.read(vault.host_ca_public).decode().strip(), own)
    for sentence in kits.overlaps(chosen.networks):
        click.echo(f"note: {sentence}", err=True)
    click.echo(
        f"wrote {target}/ for {entry.id}, good until {report.day(entry.not_after)}: hand it over, then remove it"
    )


@access.command()
@with_state
def repair(vault: Vault) -> None:
    """Write the list of revoked keys anew, from the index."""
    _identities(vault).shut()
    click.echo(f"wrote {vault.revoked}")
