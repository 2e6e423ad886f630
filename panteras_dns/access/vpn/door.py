"""The VPN door as the identities see it: certificates of X.509, keys of tls-crypt-v2, sessions of OpenVPN."""

import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from cryptography import x509 as names
from cryptography.hazmat.primitives.asymmetric import ec

from panteras_dns.access.door import ALIAS, DAY, SLACK, Ended, Ending, Terms, checked, now
from panteras_dns.access.index import Entry, Index, new_serial
from panteras_dns.access.report import instant
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vault import UNLOCKED, Keyring, Vault
from panteras_dns.access.vpn import management, tlscrypt, x509
from panteras_dns.access.vpn.roster import Listed
from panteras_dns.access.vpn.settings import Vpn
from panteras_dns.access.vpn.x509 import Authority, Statement

CA_DAYS, SERVER_DAYS, MOST_DAYS = 3650, 825, 365
_CA_NAME = "PanteraS VPN CA"
_EVERYBODY = 0o644  # what OpenVPN looks at when it is no longer root
NOBODY = (FileNotFoundError, ConnectionRefusedError)  # listens there: that OpenVPN has ended, with its sessions
_SOCKETS = "*.sock"


class VpnDoor:
    """The way in for OpenVPN."""

    kind = "vpn"

    def __init__(self, vault: Vault, keyring: Keyring = UNLOCKED) -> None:
        self._vault = vault
        self._keyring = keyring
        self._ca_key = keyring.vpn_ca or vault.vpn_ca

    @staticmethod
    def create(vault: Vault, chosen: Vpn, keyring: Keyring = UNLOCKED) -> None:
        """Make the CA, the server's certificate and keys, and the settings."""
        vault.create_vpn()
        for path in (vault.vpn_ca, vault.vpn_key, vault.vpn_wrapping_key):
            path.unlink(missing_ok=True)  # of an attempt that was cut short: nothing was signed with them
        began = now()
        key, server = x509.new_key(), x509.new_key()
        certificate = x509.new_authority(key, _CA_NAME, new_serial(), began - SLACK, began + CA_DAYS * DAY)
        vault.write(keyring.vpn_ca or vault.vpn_ca, x509.key_as_pem(key, keyring.passphrase))
        vault.write(vault.vpn_key, x509.key_as_pem(server))
        vault.write(vault.vpn_wrapping_key, tlscrypt.new_server_key().encode())
        vault.replace(vault.vpn_ca_certificate, certificate)
        vault.replace(vault.vpn_settings, chosen.as_text().encode())
        door = VpnDoor(vault, keyring)
        vault.replace(vault.vpn_certificate, door._own_certificate(server.public_key()))

    def issue(self, name: str, device: str, terms: Terms) -> Entry:
        key = x509.new_key()
        wrapped = tlscrypt.new_client_key(self._wrapping_key, f"{name}/{device}")
        return self._issue(name, device, terms, key, wrapped)

    def renew(self, old: Entry, terms: Terms) -> Entry:
        key = x509.load_key(old.private_key, None, old.id)
        return self._issue(old.name, old.device, terms, key, old.wrapped_key)

    def shut(self, index: Index) -> None:
        """One empty file a serial, named by it. It has no date: a list that had one would lock all out some day."""
        serials, _ = index.revoked(self.kind)
        for serial in serials:
            if not (path := self._vault.vpn_revoked / str(serial)).exists():
                self._vault.replace(path, b"", _EVERYBODY)

    def end(self, entries: Sequence[Entry]) -> Ended:
        who = {x509.common_name(entry.name, entry.device) for entry in entries}
        ended, whys = 0, []
        for socket in sorted(self._vault.vpn_run.glob(_SOCKETS)) if who else ():
            try:
                with management.conversation(socket) as server:
                    found = {client.name for client in server.clients() if client.name in who}
                    ended += sum([server.kill(name, "your access was revoked") for name in sorted(found)])
                    if any(client.name in who for client in server.clients()):
                        whys.append(f"a session of the VPN door still lives: stop the OpenVPN of {socket}")
            except NOBODY:
                continue
            except Trouble as problem:
                whys.append(f"no proof that the VPN door let go: {problem}; stop its container")
        return Ended(ended, not whys, "; ".join(whys))

    def sessions(self, entries: Sequence[Entry]) -> Sequence[Mapping[str, Any]]:
        who = {x509.common_name(entry.name, entry.device): entry for entry in entries if entry.door == self.kind}
        found: list[Mapping[str, Any]] = []
        for socket in sorted(self._vault.vpn_run.glob(_SOCKETS)):
            with (
                contextlib.suppress(*NOBODY),
                management.conversation(socket) as talk,
            ):
                found += [_shown(one, who.get(one.name)) for one in talk.clients() if one.virtual or one.virtual6]
        return found

    def renew_own(self) -> None:
        key = x509.load_key(self._vault.read(self._vault.vpn_key), None, str(self._vault.vpn_key))
        self._vault.replace(self._vault.vpn_certificate, self._own_certificate(key.public_key()))

    def own(self) -> Sequence[Ending]:
        return [
            Ending(what, x509.until(x509.load(self._vault.read(path), str(path))), renew)
            for path, what, renew in (
                (self._vault.vpn_certificate, "the VPN door's certificate", "panteras access renew gateway:"),
                (self._vault.vpn_ca_certificate, "the VPN's CA", "panteras access init --state NEW; new kits for all"),
            )
        ]

    def _issue(self, name: str, device: str, terms: Terms, key: ec.EllipticCurvePrivateKey, wrapped: str) -> Entry:
        issued, digest = now(), x509.digest(key.public_key())
        said = Statement(
            common_name=x509.common_name(name, device),
            alternative=names.UniformResourceIdentifier(f"urn:panteras:{name}/{device}"),
            purpose=x509.CLIENT,
            serial=new_serial(),
            not_before=issued - SLACK,
            not_after=issued + checked(terms.days, MOST_DAYS, "VPN") * DAY,
        )
        entry = Entry(
            serial=said.serial,
            door=self.kind,
            name=name,
            device=device,
            fingerprint=f"SHA256:{digest.hex()}",
            digest=digest,
            services=",".join(terms.services),
            issued=issued,
            not_before=said.not_before,
            not_after=said.not_after,
            certificate=self._authority.certify(said, key.public_key()).decode(),
            private_key=x509.key_as_pem(key),
            wrapped_key=wrapped,
        )
        listed = Listed(entry.serial, name, device, tuple(terms.services), entry.not_after)
        self._vault.replace(self._vault.vpn_roster / str(entry.serial), listed.as_bytes())
        return entry

    def _own_certificate(self, key: ec.EllipticCurvePublicKey) -> bytes:
        issued = now()
        said = Statement(
            common_name=ALIAS,
            alternative=names.DNSName(ALIAS),
            purpose=x509.SERVER,
            serial=new_serial(),
            not_before=issued - SLACK,
            not_after=issued + SERVER_DAYS * DAY,
        )
        return self._authority.certify(said, key)

    @cached_property
    def _authority(self) -> Authority:
        if not self._ca_key.exists():
            raise Trouble(f"{self._ca_key}: the key of the VPN's CA is not here; say with --ca-key where it is kept")
        certificate = self._vault.read(self._vault.vpn_ca_certificate)
        return Authority(self._vault.read(self._ca_key), self._keyring.passphrase, certificate, str(self._ca_key))

    @cached_property
    def _wrapping_key(self) -> str:
        return self._vault.read(self._vault.vpn_wrapping_key).decode("ascii", "replace")


def _shown(client: management.Client, entry: Entry | None) -> Mapping[str, Any]:
    return {
        "identity": entry.name if entry else client.name,
        "device": entry.device if entry else "",
        "door": "vpn",
        "from": client.address,
        "address": client.virtual or client.virtual6,
        "since": instant(client.since),
        "bytes": client.received + client.sent,
    }
