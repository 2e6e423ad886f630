"""The SSH door as the identities see it: certificates of OpenSSH, the list of revoked keys, sessions by their locks."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from panteras_dns.access import settings
from panteras_dns.access.door import ALIAS, DAY, SLACK, Ended, Ending, Terms, checked, now
from panteras_dns.access.index import Entry, Index, new_serial
from panteras_dns.access.settings import Settings
from panteras_dns.access.ssh import ca, certificate, krl, sessions
from panteras_dns.access.ssh.certificate import Certificate
from panteras_dns.access.ssh.publickey import PublicKey, public_key
from panteras_dns.access.vault import UNLOCKED, Keyring, Vault

_OWN_DAYS = 730
_MOST_DAYS = 3650
_PATIENCE = 5.0  # seconds for sessions to end


class SshDoor:
    """The way in for sshuttle."""

    kind = "ssh"

    def __init__(self, vault: Vault, keyring: Keyring = UNLOCKED) -> None:
        self._vault = vault
        self._keyring = keyring

    @staticmethod
    def create(vault: Vault, chosen: Settings, keyring: Keyring = UNLOCKED) -> None:
        """Make the CAs, the door's key, its settings and an empty list of revoked keys."""
        for path in (vault.user_ca, vault.host_ca, vault.host_key):
            path.unlink(missing_ok=True)  # of an attempt that was cut short: nothing was signed with them
        user_ca, user_public = ca.new_key("user CA", keyring.passphrase)
        host_ca, host_public = ca.new_key("host CA", keyring.passphrase)
        host_key, host_key_public = ca.new_key("host key")
        vault.write(vault.user_ca, user_ca)
        vault.write(vault.host_ca, host_ca)
        vault.write(vault.host_key, host_key)
        vault.replace(vault.user_ca_public, f"{user_public} panteras user CA\n".encode())
        vault.replace(vault.host_ca_public, f"{host_public} panteras host CA\n".encode())
        vault.replace(vault.settings, chosen.as_text().encode())
        authority = ca.Authority(host_ca, keyring.passphrase, str(vault.host_ca))
        vault.replace(vault.host_certificate, _own_certificate(authority, host_key_public))
        vault.replace(vault.revoked, krl.write(user_public.blob, [], [], 1, now()))

    def issue(self, name: str, device: str, terms: Terms) -> Entry:
        key, private = terms.key, b""
        if key is None:
            private, key = ca.new_key(f"{name}/{device}")
        return self._issue(name, device, terms, key, private)

    def renew(self, old: Entry, terms: Terms) -> Entry:
        return self._issue(old.name, old.device, terms, _key(old), old.private_key)

    def shut(self, index: Index) -> None:
        serials, digests = index.revoked(self.kind)
        ours = public_key(self._vault.read(self._vault.user_ca_public).decode(), str(self._vault.user_ca_public))
        self._vault.replace(self._vault.revoked, krl.write(ours.blob, serials, digests, len(serials) + 1, now()))

    def end(self, entries: Sequence[Entry]) -> Ended:
        """The gates look at the list ten times a second, and hang up by themselves."""
        serials = {entry.serial for entry in entries}
        live = len(sessions.live(self._vault.sessions, serials))
        proved, seconds = sessions.gone(self._vault.sessions, serials, _PATIENCE)
        why = f"a session of the SSH door still lives after {seconds:.2f} s: stop the door's container"
        return Ended(live, proved, "" if proved else why)

    def sessions(self, entries: Sequence[Entry]) -> Sequence[Mapping[str, Any]]:
        return sessions.live(self._vault.sessions)

    def renew_own(self) -> None:
        private = self._vault.read(self._vault.host_key)
        authority = ca.Authority(
            self._vault.read(self._vault.host_ca), self._keyring.passphrase, str(self._vault.host_ca)
        )
        door = ca.Authority(private, None, str(self._vault.host_key))
        self._vault.replace(self._vault.host_certificate, _own_certificate(authority, door.public))

    def own(self) -> Sequence[Ending]:
        line = self._vault.read(self._vault.host_certificate).decode("ascii", "replace")
        until = certificate.read(line)[0].valid_before
        return [Ending("the SSH door's host certificate", until, "panteras access renew gateway:")]

    def _issue(self, name: str, device: str, terms: Terms, key: PublicKey, private: bytes) -> Entry:
        issued = now()
        statement = Certificate(
            key_id=f"{name}/{device}",
            serial=new_serial(),
            role=certificate.USER,
            principals=[self._account],
            valid_after=issued - SLACK,
            valid_before=issued + checked(terms.days, _MOST_DAYS, "SSH") * DAY,
            extensions=certificate.limit(terms.services),
        )
        return Entry(
            serial=statement.serial,
            door=self.kind,
            name=name,
            device=device,
            fingerprint=key.fingerprint,
            digest=key.digest,
            services=",".join(terms.services),
            issued=issued,
            not_before=statement.valid_after,
            not_after=statement.valid_before,
            certificate=self._authority.certify(statement, key),
            private_key=private,
        )

    @cached_property
    def _authority(self) -> ca.Authority:
        path = self._vault.user_ca
        return ca.Authority(self._vault.read(path), self._keyring.passphrase, str(path))

    @cached_property
    def _account(self) -> str:
        return settings.read(self._vault.read(self._vault.settings), str(self._vault.settings)).account


def _own_certificate(authority: ca.Authority, key: PublicKey) -> bytes:
    issued = now()
    statement = Certificate(
        key_id=ALIAS,
        serial=new_serial(),
        role=certificate.HOST,
        principals=[ALIAS],
        valid_after=issued - SLACK,
        valid_before=issued + _OWN_DAYS * DAY,
    )
    return f"{authority.certify(statement, key)}\n".encode()


def _key(entry: Entry) -> PublicKey:
    kind, blob = entry.certificate.split()[0], certificate.read(entry.certificate)[1]
    plain = kind.removesuffix("-cert-v01@openssh.com")
    return PublicKey(plain + ("@openssh.com" if plain.startswith("sk-") else ""), blob)
