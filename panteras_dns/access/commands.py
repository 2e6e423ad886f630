"""`panteras access …` for who runs the gateway: one function a command. Reads the command line, prints; the work is
done elsewhere."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from panteras_dns.access import doorway, names, report, vault
from panteras_dns.access import tell as telling
from panteras_dns.access.commandline import (
    DAYS,
    PATH,
    json,
    with_keyring,
    with_people,
    with_settings,
    with_state,
    with_terms,
)
from panteras_dns.access.ssh import sshd
from panteras_dns.access.trouble import Misuse, Trouble
from panteras_dns.access.vault import UNLOCKED, Keyring, Vault

if TYPE_CHECKING:
    from panteras_dns.access.door import Terms
    from panteras_dns.access.settings import Settings

_WARN, _WARN_OWN = 14, 60  # days


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
    """Who may come in from outside, and the doors themselves: SSH for sshuttle, and a VPN.

    \b
    sudo panteras access init --dns 172.17.0.1 --network 172.17.0.0/16
    sudo panteras access grant alice --device laptop
    sudo panteras access kit alice/laptop --gateway gw.example.com:2222
    sudo panteras access revoke alice
    """


for command in (doorway.check, doorway.door, doorway.health, doorway.render):
    access.add_command(command)


def _identities(vault: Vault, keyring: Keyring = UNLOCKED) -> Any:
    from panteras_dns.access import doors

    return doors.identities(vault, keyring)


@access.command()
@with_state
@with_keyring
@with_settings
@click.option("--uid", type=int, default=vault.DOOR_UID, show_default=True, help="the SSH door's uid in its container")
@click.option("--pool", help="addresses of VPN clients  [default: some of 10.64.0.0/10, by chance]")
@click.option("--tunnel", type=click.Choice(["split", "full"]), default="split", show_default=True, help="of the VPN")
@click.option("--udp", type=int, default=1194, show_default=True, help="port of the VPN, 0 for none")
@click.option("--tcp", type=int, default=443, show_default=True, help="port of the VPN over TCP, 0 for none")
def init(vault: Vault, keyring: Keyring, chosen: "Settings", uid: int, **vpn: Any) -> None:
    """Make the state directory: the CAs, the keys of the doors, an empty index. Never overwrites.

    \b
    sudo panteras access init
    sudo panteras access init --network 10.1.0.0/16 --dns 10.1.0.1
    sudo panteras access init --ca-key /media/stick/vpn_ca.key
    """
    from panteras_dns.access import docker_host, doors
    from panteras_dns.access.kit import overlaps
    from panteras_dns.access.vpn.settings import new

    tunnel = new(chosen, docker_host.attached(), **vpn)
    doors.create(vault, keyring, chosen, tunnel, uid)
    for sentence in overlaps(chosen.networks):
        click.echo(f"note: {sentence}", err=True)
    click.echo(f"made {vault.root}: {', '.join(map(str, chosen.networks))}, DNS {chosen.dns}, VPN {tunnel.pool}")
    click.echo("next: panteras access grant NAME")


@access.command()
@with_state
@with_people
@with_keyring
@click.option("--door", type=click.Choice(["ssh", "vpn", "both"]), default="ssh", show_default=True, help="way in")
@with_terms
@json
def grant(
    vault: Vault, who: Sequence[tuple[str, str]], keyring: Keyring, door: str, terms: "Terms", as_json: bool
) -> None:
    """Let people in, each with one device: all who are named, or nobody.

    \b
    sudo panteras access grant alice --device laptop --days 90
    sudo panteras access grant bob --services 'python*,web' --public-key bob.pub
    sudo panteras access grant carol --device phone --door vpn --days 365
    sudo panteras access grant --file team.txt
    """
    if terms.key and len(who) > 1:
        raise Misuse("--public-key: is for one device, expected one NAME")
    from panteras_dns.access import doors

    entries = _identities(vault, keyring).grant(who, doors.named(door, vault), terms)
    click.echo(report.as_json(entries) if as_json else report.granted(entries))


@access.command()
@click.argument("who", metavar="NAME[/DEVICE]")
@with_state
@with_keyring
@click.option("--days", type=int, default=DAYS, show_default=True, help="how long it is good for, from now")
@click.option("--services", help="other services than before; '' for all")
@json
def renew(who: str, vault: Vault, keyring: Keyring, days: int, services: str | None, as_json: bool) -> None:
    """New certificates for the same keys; hand out a new kit. NAME `gateway:` renews the doors' own.

    \b
    sudo panteras access renew alice/laptop --days 90
    sudo panteras access renew gateway:
    """
    if who == "gateway:":
        own = _identities(vault, keyring).renew_doors()
        click.echo(report.own(own))
        return
    name, device = names.pair(who)
    limit = None if services is None else names.services(services)
    entries = _identities(vault, keyring).renew(name, device, days, limit)
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
@click.option("--warn", type=click.IntRange(0, 3650), help="days ahead  [default: 14, and 60 for the doors' own]")
@json
def status(vault: Vault, warn: int | None, as_json: bool) -> None:
    """What expires soon, with the command that renews it; exit status 1 when something does."""
    identities = _identities(vault)
    people, own = (_WARN, _WARN_OWN) if warn is None else (warn, warn)
    ending = report.ending(identities.all(), people, identities.own(), own)
    click.echo(report.ending_as_json(ending) if as_json else report.ending_as_text(ending, people))
    sys.exit(1 if ending else 0)


@access.command()
@with_state
@json
def sessions(vault: Vault, as_json: bool) -> None:
    """Who is connected now, by which door. Exit status 1 when a door does not tell."""
    vault.check()
    found, silent = _identities(vault).sessions()
    click.echo(report.sessions_as_json(found) if as_json else report.sessions(found))
    for sentence in silent:
        click.echo(f"panteras: {sentence}", err=True)
    sys.exit(1 if silent else 0)


@access.command()
@with_state
@click.option("--to", type=PATH, default=Path("/run/panteras/people.json"), show_default=True, help="file to write")
@click.option(
    "--every", type=click.IntRange(1, 60), help="write it anew after so many seconds, for ever  [default: once]"
)
def tell(vault: Vault, to: Path, every: int | None) -> None:
    """Write who is connected and what ends soon to a file that the dashboard reads: names, and nothing secret.

    \b
    panteras access tell
    panteras access tell --every 10
    """
    vault.check()
    while True:
        identities = _identities(vault)
        found, silent = identities.sessions()
        ending = report.ending(identities.all(), _WARN, identities.own(), _WARN_OWN)
        telling.write(to, telling.picture(found, silent, ending, report.now()))
        for sentence in silent:
            click.echo(f"panteras: {sentence}", err=True)
        if every is None:
            click.echo(f"{to}: {len(found)} connected, {len(ending)} end{'s' if len(ending) == 1 else ''} soon")
            sys.exit(1 if silent else 0)
        time.sleep(every)


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
    from panteras_dns.access.vpn import profile

    name, device = names.pair(who)
    place = kits.gateway(gateway, sshd.PORT)
    parts: list[kits.Files] = []
    notes: list[str] = []
    entries = _identities(vault).device(name, device)
    for entry in entries:
        if (state := entry.state(report.now())) != "valid":
            raise Trouble(f"{entry.id}: its certificate for the door {entry.door} is {state}; a kit would be of no use")
        if entry.door == "vpn":
            ca = vault.read(vault.vpn_ca_certificate).decode()
            parts.append(profile.files(entry, place.host, doorway.vpn_settings(vault), ca))
        else:
            chosen, ca = doorway.settings(vault), vault.read(vault.host_ca_public).decode().strip()
            own = "" if entry.private_key else identity_file or "~/.ssh/id_ed25519"
            parts.append(kits.files(entry, place, chosen, ca, own))
            notes += kits.overlaps(chosen.networks)
    target = out or Path(f"{entries[0].name}-{entries[0].device}")
    kits.write(target, kits.together(parts))
    for sentence in notes:
        click.echo(f"note: {sentence}", err=True)
    until = report.day(min(entry.not_after for entry in entries))
    click.echo(f"wrote {target}/ for {entries[0].id}, good until {until}: hand it over, then remove it")


@access.command()
@with_state
@with_keyring
def repair(vault: Vault, keyring: Keyring) -> None:
    """Write anew what the doors read of who is revoked, from the index; make a door that is not there yet."""
    from panteras_dns.access import docker_host, doors

    if not doors.has_vpn(vault):
        vault.check()
        doors.add_vpn(vault, keyring, doorway.settings(vault), docker_host.attached())
        click.echo(f"made {vault.vpn}")
    _identities(vault, keyring).shut()
    click.echo(f"wrote {vault.revoked}, {vault.vpn_revoked}")
