"""Identities: who may come in, with which devices, until when. What the commands do, without a command line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from panteras_dns.access import ca, certificate, krl, names, sessions, settings
from panteras_dns.access.certificate import Certificate
from panteras_dns.access.index import Entry, Index
from panteras_dns.access.publickey import PublicKey, public_key
from panteras_dns.access.report import day
from panteras_dns.access.trouble import Misuse, Trouble
from panteras_dns.access.vault import Vault

HOST_ALIAS = "panteras-gateway"  # the name that the host certificate is for: kits look it up, whatever the address

_DAY = 86_400  # seconds
_HOST_DAYS = 730
_MOST_DAYS = 3650
_SLACK = 300  # seconds that the clock of the door may be behind
_PATIENCE = 5.0  # seconds for sessions to end


@dataclass(frozen=True)
class Revocation:
    """What a revoke did: certificates that it shut out, sessions that it ended, and how long that took."""

    entries: Sequence[Entry]
    ended: int
    proved: bool
    seconds: float


class Identities:
    """The identities of one state directory. *passphrase*: of the CA, where it has one."""

    def __init__(self, vault: Vault, passphrase: bytes | None = None) -> None:
        vault.check()
        self._vault = vault
        self._passphrase = passphrase
        self._index = Index(vault.index)

    @staticmethod
    def create(vault: Vault, chosen: settings.Settings, passphrase: bytes | None, door_uid: int) -> None:
        """Make the state directory. The index comes last: without it, there is none yet and this may run again."""
        vault.create(door_uid)
        for path in (vault.user_ca, vault.host_ca, vault.host_key):
            path.unlink(missing_ok=True)  # of an attempt that was cut short: nothing was signed with them
        user_ca, user_public = ca.new_key("user CA", passphrase)
        host_ca, host_public = ca.new_key("host CA", passphrase)
        host_key, _ = new_host = ca.new_key("host key")
        vault.write(vault.user_ca, user_ca)
        vault.write(vault.host_ca, host_ca)
        vault.write(vault.host_key, host_key)
        vault.replace(vault.user_ca_public, f"{user_public} panteras user CA\n".encode())
        vault.replace(vault.host_ca_public, f"{host_public} panteras host CA\n".encode())
        vault.replace(vault.settings, chosen.as_text().encode())
        authority = ca.Authority(host_ca, passphrase, str(vault.host_ca))
        vault.replace(vault.host_certificate, _host_certificate(authority, new_host[1]))
        vault.replace(vault.revoked, krl.write(user_public.blob, [], [], 1, ca.now()))
        fresh = vault.index.with_name(".index.db.new")
        fresh.unlink(missing_ok=True)
        Index(fresh, create=True)
        fresh.rename(vault.index)

    def grant(
        self, name: str, device: str, days: int, services: Sequence[str] = (), key: PublicKey | None = None
    ) -> Entry:
        """A certificate for a new device; without *key* a key pair is made."""
        authority = self._authority()
        private = b""
        if key is None:
            private, key = ca.new_key(f"{name}/{device}")
        with self._index.writing():
            self._refuse_taken(name, device, key)
            entry = self._issue(authority, name, device, days, services, key, private)
            self._index.add([entry])
        return entry

    def renew(self, name: str, device: str | None, days: int, services: Sequence[str] | None) -> Sequence[Entry]:
        """New certificates for the same keys; what was revoked stays so."""
        authority = self._authority()
        with self._index.writing():
            fresh = [
                self._issue(
                    authority,
                    old.name,
                    old.device,
                    days,
                    _listed(old) if services is None else services,
                    _key(old),
                    old.private_key,
                )
                for old in latest(self._known(name, device))
                if not old.revoked
            ]
            if not fresh:
                raise Trouble(f"{_shown(name, device)}: revoked; what is revoked is not renewed: grant it anew")
            self._index.add(fresh)
        return fresh

    def revoke(self, name: str, device: str | None) -> Revocation:
        """Shut out every certificate and key, end the live sessions, and look again."""
        began = ca.now()
        with self._index.writing():
            entries = self._known(name, device)
            self._index.revoke([entry.serial for entry in entries], began)
            self.write_revoked()
        serials = {entry.serial for entry in entries}
        ended = len(sessions.live(self._vault.sessions, serials))
        proved, seconds = sessions.gone(self._vault.sessions, serials, _PATIENCE)
        return Revocation(entries, ended, proved, seconds)

    def write_revoked(self) -> None:
        """The list of revoked keys, anew from the index."""
        serials, digests = self._index.revoked()
        ours = public_key(self._vault.read(self._vault.user_ca_public).decode(), str(self._vault.user_ca_public))
        self._vault.replace(self._vault.revoked, krl.write(ours.blob, serials, digests, len(serials) + 1, ca.now()))

    def renew_door(self) -> None:
        """A new certificate for the door's key: kits stay as they are."""
        private = self._vault.read(self._vault.host_key)
        authority = ca.Authority(self._vault.read(self._vault.host_ca), self._passphrase, str(self._vault.host_ca))
        door = ca.Authority(private, None, str(self._vault.host_key))
        self._vault.replace(self._vault.host_certificate, _host_certificate(authority, door.public))

    def all(self) -> Sequence[Entry]:
        return self._index.all()

    def device(self, name: str, device: str | None) -> Entry:
        """The last certificate of a device; *device* may be left out where there is one."""
        last = latest(self._known(name, device))
        if len(last) > 1:
            devices = ", ".join(entry.id for entry in last)
            raise Misuse(f"{name}: has several devices, expected one of {devices}")
        return last[0]

    def door_expires(self) -> int:
        """When the host certificate ends, in seconds since 1970."""
        line = self._vault.read(self._vault.host_certificate).decode("ascii", "replace")
        return certificate.read(line)[0].valid_before

    def settings(self) -> settings.Settings:
        return settings.read(self._vault.read(self._vault.settings), str(self._vault.settings))

    def host_ca(self) -> str:
        """The public key that vouches for the door, as a line."""
        return self._vault.read(self._vault.host_ca_public).decode().strip()

    def _issue(
        self,
        authority: ca.Authority,
        name: str,
        device: str,
        days: int,
        services: Sequence[str],
        key: PublicKey,
        private: bytes,
    ) -> Entry:
        if not 1 <= days <= _MOST_DAYS:
            raise Misuse(f"days: {days}, expected 1 to {_MOST_DAYS}")
        issued = ca.now()
        statement = Certificate(
            key_id=f"{name}/{device}",
            serial=ca.new_serial(),
            role=certificate.USER,
            principals=[self.settings().account],
            valid_after=issued - _SLACK,
            valid_before=issued + days * _DAY,
            extensions=certificate.limit(services),
        )
        return Entry(
            serial=statement.serial,
            name=name,
            device=device,
            fingerprint=key.fingerprint,
            digest=key.digest,
            services=",".join(services),
            issued=issued,
            not_before=statement.valid_after,
            not_after=statement.valid_before,
            revoked=0,
            certificate=authority.certify(statement, key),
            private_key=private,
        )

    def _known(self, name: str, device: str | None) -> Sequence[Entry]:
        entries = self._index.of(name, device)
        if not entries:
            raise Trouble(f"{_shown(name, device)}: nobody here by that name; see: panteras access list")
        return entries

    def _refuse_taken(self, name: str, device: str, key: PublicKey) -> None:
        for entry in self._index.with_key(key.digest):
            why = "was revoked with" if entry.revoked else "belongs to"
            raise Trouble(
                f"{key.fingerprint}: this key {why} {entry.id}; a key is for one device, and never comes back"
            )
        for entry in self._index.of(name, device):
            if entry.state(ca.now()) in {"valid", "waiting"}:
                raise Trouble(
                    f"{entry.id}: has a certificate until {day(entry.not_after)}; renew it, revoke it, "
                    f"or name another --device"
                )

    def _authority(self) -> ca.Authority:
        path = self._vault.user_ca
        return ca.Authority(self._vault.read(path), self._passphrase, str(path))


def latest(entries: Iterable[Entry]) -> Sequence[Entry]:
    """The last certificate of each device."""
    return list({entry.id: entry for entry in entries}.values())


def read_public_key(path: Path) -> PublicKey:
    try:
        return public_key(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise Misuse(f"{path}: {getattr(problem, 'strerror', None) or 'not a public key'}") from None


def _host_certificate(authority: ca.Authority, key: PublicKey) -> bytes:
    issued = ca.now()
    statement = Certificate(
        key_id=HOST_ALIAS,
        serial=ca.new_serial(),
        role=certificate.HOST,
        principals=[HOST_ALIAS],
        valid_after=issued - _SLACK,
        valid_before=issued + _HOST_DAYS * _DAY,
    )
    return f"{authority.certify(statement, key)}\n".encode()


def _key(entry: Entry) -> PublicKey:
    kind, blob = entry.certificate.split()[0], certificate.read(entry.certificate)[1]
    plain = kind.removesuffix("-cert-v01@openssh.com")
    return PublicKey(plain + ("@openssh.com" if plain.startswith("sk-") else ""), blob)


def _listed(entry: Entry) -> tuple[str, ...]:
    return names.services(entry.services)


def _shown(name: str, device: str | None) -> str:
    return name if device is None else f"{name}/{device}"
