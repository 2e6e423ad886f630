"""The configuration of sshd for the version that is there: an older one refuses to start on a word it does not know."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panteras_dns.access.trouble import Misuse, Trouble

Version = tuple[int, int]

PORT = 2222
_OLDEST: Version = (8, 5)
_VERSION = re.compile(r"OpenSSH_(\d{1,3})\.(\d{1,3})")
_ASKING = 10  # seconds

# What ssh-audit has no objection to, in the order of preference.
_KEX = ("mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com")
_OLD_KEX = ("sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "curve25519-sha256@libssh.org")
_NEW: Version = (
    9,
    9,
)  # the first with ML-KEM: before it, libraries for SSH share no method with sshd that outlasts quanta
_CIPHERS = "aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
_MACS = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,umac-128-etm@openssh.com"
_HOST_KEYS = "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519"
_SIGNATURES = (
    "ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,"
    "ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,"
    "rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519"  # the last: the container's own check of its health
)


@dataclass(frozen=True)
class Place:
    """Where things are in the container."""

    state: Path
    run: Path
    account: str
    port: int = PORT

    @property
    def door(self) -> Path:
        return self.state / "door"

    @property
    def health_key(self) -> Path:
        """The container's own key, made anew at each start."""
        return self.run / "health_key"

    @property
    def banner(self) -> Path:
        return self.run / "banner"


def render(version: Version, place: Place) -> str:
    """The text of sshd_config."""
    lines = []
    for since, line in _directives(version, place):
        if version >= since:
            lines.append(line)
    return "\n".join((f"# For OpenSSH {version[0]}.{version[1]}; written by: panteras access render sshd", *lines, ""))


def _directives(version: Version, place: Place) -> Sequence[tuple[Version, str]]:
    """Each line with the version that knows it first."""
    return (*_identity(version, place), *_people(place), *_conduct(place), *_limits())


_ALWAYS: Version = (0, 0)


def _identity(version: Version, place: Place) -> Sequence[tuple[Version, str]]:
    kex = ",".join(_KEX if version >= _NEW else _OLD_KEX)
    return (
        (_ALWAYS, f"Port {place.port}"),
        (_ALWAYS, "PidFile none"),
        (_ALWAYS, f"HostKey {place.door}/ssh_host_ed25519_key"),
        (_ALWAYS, f"HostCertificate {place.door}/ssh_host_ed25519_key-cert.pub"),
        (_ALWAYS, f"KexAlgorithms {kex}"),
        (_ALWAYS, f"Ciphers {_CIPHERS}"),
        (_ALWAYS, f"MACs {_MACS}"),
        (_ALWAYS, f"HostKeyAlgorithms {_HOST_KEYS}"),
        (_ALWAYS, f"PubkeyAcceptedAlgorithms {_SIGNATURES}"),
        (_ALWAYS, "CASignatureAlgorithms ssh-ed25519"),
        ((9, 1), "RequiredRSASize 3072"),
    )


def _people(place: Place) -> Sequence[tuple[Version, str]]:
    return (
        (_ALWAYS, "# Who may come in: certificates of our CA, and the container's own key, to see after its health."),
        (_ALWAYS, f"AllowUsers {place.account}"),
        (_ALWAYS, "AuthenticationMethods publickey"),
        (_ALWAYS, "PasswordAuthentication no"),
        (_ALWAYS, "KbdInteractiveAuthentication no"),
        (_ALWAYS, "PermitRootLogin no"),
        (_ALWAYS, "UsePAM no"),
        (_ALWAYS, f"TrustedUserCAKeys {place.door}/user_ca.pub"),
        (_ALWAYS, f"RevokedKeys {place.door}/revoked.krl"),
        (_ALWAYS, f"AuthorizedKeysFile {place.health_key}.authorized"),
    )


def _conduct(place: Place) -> Sequence[tuple[Version, str]]:
    gate = f"exec {sys.executable} -I -m panteras_dns.access.ssh.gate --state {place.state} --run {place.run}"
    return (
        (_ALWAYS, "# What they may do: the gate decides. It opens sockets itself, sshd forwards nothing."),
        (_ALWAYS, "ExposeAuthInfo yes"),
        (_ALWAYS, f"ForceCommand {gate}"),
        (_ALWAYS, "Subsystem sftp /bin/false"),  # so that the gate sees it, and tells the log
        (_ALWAYS, f"Banner {place.banner}"),  # the only words that reach who asks for a subsystem, or for forwarding
        (_ALWAYS, "DisableForwarding yes"),
        (_ALWAYS, "PermitTTY no"),
        (_ALWAYS, "PermitUserRC no"),
        (_ALWAYS, "PermitUserEnvironment no"),
        (_ALWAYS, "PermitTunnel no"),
        (_ALWAYS, "PrintMotd no"),
        (_ALWAYS, "PrintLastLog no"),
    )


def _limits() -> Sequence[tuple[Version, str]]:
    return (
        (_ALWAYS, "# How long, how many."),
        (_ALWAYS, "LoginGraceTime 20"),
        (_ALWAYS, "MaxAuthTries 3"),
        (_ALWAYS, "MaxSessions 4"),
        (_ALWAYS, "MaxStartups 10:30:60"),
        (_ALWAYS, "ClientAliveInterval 15"),
        (_ALWAYS, "ClientAliveCountMax 4"),
        ((9, 2), "UnusedConnectionTimeout 30"),
        # Behind docker's NAT all people may come from one address: one bad key must not lock out the rest.
        ((9, 8), "PerSourcePenalties no"),
        (_ALWAYS, "LogLevel VERBOSE"),  # the id and the serial of each certificate
        (_ALWAYS, "Match Address 127.0.0.1,::1"),  # the container's own look at its health is no news
        (_ALWAYS, "    LogLevel ERROR"),
    )


def installed() -> Version:
    """The version of the sshd that is there."""
    path = binary()
    done = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=_ASKING, check=False)
    return read_version(done.stdout + done.stderr, path)


def read_version(text: str, origin: str) -> Version:
    """Find `OpenSSH_9.2` (or, from a command line, `9.2`) in *text*."""
    found = _VERSION.search(text) or re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:p\d+)?", text.strip())
    if not found:
        raise Misuse(f"{origin}: not a version of OpenSSH: {text.strip()[:60]!r}, expected one like 9.2")
    version = int(found[1]), int(found[2])
    if version < _OLDEST:
        raise Misuse(f"{origin}: OpenSSH {version[0]}.{version[1]} is too old, expected {_OLDEST[0]}.{_OLDEST[1]}")
    return version


def binary() -> str:
    """The full path of sshd, which it insists on."""
    found = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")
    if found is None:
        raise Trouble("sshd: not found; install openssh-server, or use the container in sshd/")
    return found


def verify(config: Path) -> None:
    """Trouble with sshd's own words unless it takes *config*."""
    done = subprocess.run([binary(), "-t", "-f", config], capture_output=True, text=True, timeout=_ASKING, check=False)
    if done.returncode:
        raise Trouble(f"{config}: sshd does not take it: {' '.join(done.stderr.split())}")
