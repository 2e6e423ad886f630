"""Which doors a state directory has: the one place that knows all kinds."""

from collections.abc import Iterable, Sequence

from panteras_dns.access.door import Door
from panteras_dns.access.identities import Identities, create_index
from panteras_dns.access.settings import Network, Settings
from panteras_dns.access.ssh.door import SshDoor
from panteras_dns.access.trouble import Misuse
from panteras_dns.access.vault import UNLOCKED, Keyring, Vault
from panteras_dns.access.vpn import settings as vpn
from panteras_dns.access.vpn.door import VpnDoor

KINDS = ("ssh", "vpn")


def identities(vault: Vault, keyring: Keyring = UNLOCKED) -> Identities:
    """Those of a state directory, with all of its doors."""
    doors: list[Door] = [SshDoor(vault, keyring)]
    if has_vpn(vault):
        doors.append(VpnDoor(vault, keyring))
    return Identities(vault, doors)


def create(vault: Vault, keyring: Keyring, ssh: Settings, chosen: vpn.Vpn, door_uid: int) -> None:
    """A new state directory. The index comes last: without it there is none yet, and this may run again."""
    vault.create(door_uid)
    SshDoor.create(vault, ssh, keyring)
    VpnDoor.create(vault, chosen, keyring)
    create_index(vault)


def has_vpn(vault: Vault) -> bool:
    """Whether there is a door for the VPN; state directories of before it have none."""
    return vault.vpn_settings.exists()


def add_vpn(vault: Vault, keyring: Keyring, ssh: Settings, here: Iterable[Network]) -> None:
    """Give an older state directory its door for the VPN."""
    VpnDoor.create(vault, vpn.new(ssh, here, None, vpn.SPLIT, 1194, 443), keyring)


def named(text: str, vault: Vault) -> Sequence[str]:
    """The doors that `ssh`, `vpn` or `both` stands for."""
    wanted = KINDS if text == "both" else (text,)
    if "vpn" in wanted and not has_vpn(vault):
        raise Misuse(f"{vault.root}: has no VPN door yet; run: panteras access repair")
    return wanted
