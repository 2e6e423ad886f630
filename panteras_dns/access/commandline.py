"""What the commands of the doors share: where the identities are, the passphrase of the CA, how output is asked for."""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from panteras_dns.access import names, vault
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vault import Keyring, Vault

_Command = Callable[..., None]
DAYS = 30  # that a certificate is good for, if nobody says otherwise
PATH = click.Path(path_type=Path, readable=False)  # what can't be read is told in our own words


def with_state(command: _Command) -> _Command:
    """Give *command* a Vault from --state."""

    @click.option(
        "--state", type=PATH, default=vault.DEFAULT_STATE, show_default=True,
        help="directory of the identities",
    )  # fmt: skip
    @functools.wraps(command)
    def wrapped(state: Path, **options: Any) -> None:
        command(vault=Vault(state.absolute()), **options)

    return wrapped


def with_keyring(command: _Command) -> _Command:
    """Give *command* a Keyring. The passphrase is never asked for, and never an argument."""

    @click.option("--passphrase-file", type=PATH, help="file with the CA's passphrase")
    @click.option("--passphrase-fd", type=int, help="descriptor that the CA's passphrase is read from")
    @click.option("--ca-key", type=PATH, help="key of the VPN's CA  [default: in the state directory]")
    @functools.wraps(command)
    def wrapped(passphrase_file: Path | None, passphrase_fd: int | None, ca_key: Path | None, **options: Any) -> None:
        command(keyring=Keyring(_passphrase(passphrase_file, passphrase_fd), ca_key), **options)

    return wrapped


def with_settings(command: _Command) -> _Command:
    """Give *command* the Settings of new doors, *chosen*."""

    @click.option("--network", "networks", multiple=True, help="network of services  [default: docker's bridges]")
    @click.option("--dns", help="this docker host's DNS, as containers reach it  [default: the address of docker0]")
    @click.option("--domain", default="consul", show_default=True, help="Consul's domain")
    @click.option("--account", default="tunnel", show_default=True, help="account that people log in to")
    @functools.wraps(command)
    def wrapped(networks: Sequence[str], dns: str | None, domain: str, account: str, **options: Any) -> None:
        from panteras_dns.access import docker_host
        from panteras_dns.access.settings import settings

        chosen = settings(networks or docker_host.networks(), dns or docker_host.address(), domain, account)
        command(chosen=chosen, **options)

    return wrapped


def with_people(command: _Command) -> _Command:
    """Give *command* the people who are named, *who*: names and devices."""

    @click.argument("people", metavar="NAME[/DEVICE]...", nargs=-1)
    @click.option("--device", default=names.DEFAULT_DEVICE, show_default=True, help="of who is named without one")
    @click.option("--file", type=PATH, help="more people, one NAME[/DEVICE] a line")
    @functools.wraps(command)
    def wrapped(vault: Vault, people: Sequence[str], device: str, file: Path | None, **options: Any) -> None:
        lines = vault.read(file).decode("utf-8", "replace").splitlines() if file else []
        named = [*people, *filter(None, map(str.strip, lines))]
        command(vault=vault, who=names.people(named, names.name(device, "device")), **options)

    return wrapped


def with_terms(command: _Command) -> _Command:
    """Give *command* the Terms of a grant."""

    @click.option("--days", type=int, default=DAYS, show_default=True, help="how long it is good for")
    @click.option("--services", default="", help="services that may be reached, as 'python*,web'  [default: all]")
    @click.option("--public-key", type=PATH, help="her own key for the SSH door  [default: make a key pair]")
    @functools.wraps(command)
    def wrapped(days: int, services: str, public_key: Path | None, **options: Any) -> None:
        from panteras_dns.access.door import Terms
        from panteras_dns.access.identities import read_public_key

        limit = names.services(services)
        command(terms=Terms(days, limit, read_public_key(public_key) if public_key else None), **options)

    return wrapped


def _passphrase(file: Path | None, descriptor: int | None) -> bytes | None:
    if file is not None and descriptor is not None:
        raise Misuse("--passphrase-file and --passphrase-fd: expected one of the two")
    try:
        if file is not None:
            found = file.read_bytes()
        elif descriptor is not None:
            with os.fdopen(descriptor, "rb") as stream:
                found = stream.read(4096)
        else:
            return None
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise Misuse(f"the passphrase: {file or f'descriptor {descriptor}'}: {why}") from None
    if not (passphrase := found.rstrip(b"\r\n")):
        raise Misuse("the passphrase: empty")
    return passphrase


json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout")
