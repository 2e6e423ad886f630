"""What the commands of the doors share: where the identities are, the passphrase of the CA, how output is asked for."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from panteras_dns.access import vault
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vault import Vault

_Command = Callable[..., None]
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


def with_passphrase(command: _Command) -> _Command:
    """Give *command* the CA's passphrase; it is never asked for, and never an argument."""

    @click.option("--passphrase-file", type=PATH, help="file with the CA's passphrase")
    @click.option("--passphrase-fd", type=int, help="descriptor that the CA's passphrase is read from")
    @functools.wraps(command)
    def wrapped(passphrase_file: Path | None, passphrase_fd: int | None, **options: Any) -> None:
        command(passphrase=_passphrase(passphrase_file, passphrase_fd), **options)

    return wrapped


def with_ca_key(command: _Command) -> _Command:
    """Give *command* the place of the VPN CA's key, for who keeps it off this machine."""
    return click.option("--ca-key", type=PATH, help="key of the VPN's CA  [default: in the state directory]")(command)


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
