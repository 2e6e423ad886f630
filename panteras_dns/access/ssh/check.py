"""Whether the SSH door lets one in, from the laptop's side: step by step, with a remedy at the first that fails."""

import logging
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dnslib import QTYPE, RCODE, DNSError, DNSQuestion, DNSRecord

from panteras_dns.access.ssh import certificate
from panteras_dns.access.ssh.certificate import HOST, Certificate
from panteras_dns.access.ssh.publickey import PublicKey, public_key
from panteras_dns.access.ssh.wire import Malformed, Reader
from panteras_dns.access.trouble import Misuse

_PATIENCE = 5.0  # seconds for a step
_HELLO = b"\0\0SSHUTTLE0001"
_COMMAND = (
    "python3 -c \"import sys, os; verbosity=0; stdin = os.fdopen(0, 'rb'); "
    "exec(compile(stdin.read(1), 'assembler.py', 'exec')); sys.exit(98);\""
)
_HEADER = struct.Struct("!2sHHH")  # of sshuttle: SS, channel, command, length
_DNS_REQUEST, _DNS_RESPONSE = 0x420A, 0x420B
_LOG = "look at the log of the door's container"
_CERTIFIED = "ssh-ed25519-cert-v01@openssh.com"


@dataclass(frozen=True)
class Step:
    """One thing that was tried. *remedy*: what to do when it failed."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Laptop:
    """What a person has: her key, its certificate, the CA that vouches for the door, and the door's account."""

    key: Path
    certificate: Path
    host_ca: PublicKey
    host_alias: str
    account: str


class _Failed(Exception):
    """A step failed: its detail and its remedy."""

    def __init__(self, detail: object, remedy: str) -> None:
        super().__init__(str(detail) or type(detail).__name__)
        self.remedy = remedy


class _Transport(paramiko.Transport):
    """Takes nothing but a host key with a certificate."""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return (_CERTIFIED,)


def steps(host: str, port: int, laptop: Laptop, name: str) -> Iterator[Step]:
    """Try one thing after the other, up to the first that fails."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("paramiko").propagate = False
    visit = _Visit(host, port, laptop, name)
    try:
        for what, attempt in visit.attempts:
            try:
                yield Step(what, True, attempt())
            except _Failed as problem:
                yield Step(what, False, str(problem), problem.remedy)
                return
            except (OSError, EOFError, paramiko.SSHException, Malformed) as problem:
                yield Step(what, False, str(problem) or type(problem).__name__, _LOG)
                return
    finally:
        visit.close()


def host_ca(text: str, origin: str) -> tuple[str, PublicKey]:
    """The alias and the CA of a known_hosts with a line `@cert-authority ALIAS KEY`."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] == "@cert-authority":
            return words[1], public_key(" ".join(words[2:4]), origin)
    raise Misuse(f"{origin}: no line '@cert-authority', expected the known_hosts of a kit")


class _Visit:
    """One attempt to get in; each step needs those before it."""

    def __init__(self, host: str, port: int, laptop: Laptop, name: str) -> None:
        self._host, self._port, self._laptop, self._name = host, port, laptop, name
        self._socket: socket.socket | None = None
        self._transport: _Transport | None = None
        self._channel: paramiko.Channel | None = None
        self.attempts = (
            ("port", self._reach),
            ("host key", self._prove),
            ("login", self._log_in),
            ("gate", self._enter),
            ("name", self._resolve),
        )

    def close(self) -> None:
        for one in (self._transport, self._socket):
            if one is not None:
                one.close()

    def _reach(self) -> str:
        remedy = f"is the container of the door running, its port published, and {self._host} the right host?"
        try:
            self._socket = socket.create_connection((self._host, self._port), _PATIENCE)
        except OSError as problem:
            raise _Failed(f"{self._host}:{self._port}: {problem.strerror or problem}", remedy) from None
        return f"{self._host}:{self._port} is open"

    def _prove(self) -> str:
        assert self._socket is not None
        self._transport = _Transport(self._socket)
        self._transport.banner_timeout = self._transport.handshake_timeout = _PATIENCE
        remedy = "this is not the door that the kit is for: do not go on; ask who runs it for a new kit"
        try:
            self._transport.start_client(timeout=_PATIENCE)
        except paramiko.SSHException as problem:
            raise _Failed(problem, f"what answers there is no door of ours; {remedy}") from None
        shown = self._transport.get_remote_server_key().public_blob
        if shown is None:
            raise _Failed("the host shows a key without a certificate", remedy)
        line = f"{shown.key_type} {_base64(shown.key_blob)}"
        found = _certified(line, self._laptop.host_ca)
        if found is None or found.role != HOST or self._laptop.host_alias not in found.principals:
            raise _Failed("the host key is not vouched for by the CA of the kit", remedy)
        return f"vouched for by the CA, {_valid(found, 'run: panteras access renew gateway:')}"

    def _log_in(self) -> str:
        assert self._transport is not None
        try:
            line = self._laptop.certificate.read_text()
            key = paramiko.PKey.from_path(str(self._laptop.key))
            key.load_certificate(str(self._laptop.certificate))
        except paramiko.PasswordRequiredException:
            raise _Failed(
                f"{self._laptop.key}: is locked by a passphrase", "unlock a copy of it for this check"
            ) from None
        except (OSError, ValueError, TypeError, paramiko.SSHException, UnicodeDecodeError) as problem:
            raise _Failed(problem, "give her private key with --key, and its certificate with --certificate") from None
        mine, blob = certificate.read(line)
        if blob != PublicKey(key.get_name(), key.asbytes() if key.public_blob is None else blob).blob:
            raise _Failed("the certificate is not for this key", "take both from one kit")
        until = _valid(mine, f"ask for a new one: panteras access renew {mine.key_id}")
        try:
            self._transport.auth_publickey(self._laptop.account, key)
        except paramiko.SSHException:
            remedy = f"it may be revoked: ask; who runs the door sees why in its log, by serial {mine.serial}"
            raise _Failed(f"{mine.key_id} is refused, though its certificate is {until}", remedy) from None
        return f"{mine.key_id}, {until}"

    def _enter(self) -> str:
        assert self._transport is not None
        self._channel = self._transport.open_session(timeout=_PATIENCE)
        self._channel.settimeout(_PATIENCE)
        self._channel.exec_command(_COMMAND)
        self._channel.sendall(_upload())
        try:
            if self._take(len(_HELLO)) == _HELLO:
                return "sshuttle may run"
        except (EOFError, TimeoutError):
            pass
        raise _Failed(self._said() or "the gate says nothing", _LOG)

    def _resolve(self) -> str:
        assert self._channel is not None
        question = DNSRecord(q=DNSQuestion(self._name, QTYPE.A)).pack()
        self._channel.sendall(_HEADER.pack(b"SS", 1, _DNS_REQUEST, len(question)) + question)
        deadline = time.monotonic() + _PATIENCE
        remedy = "is panteras serve running on the docker host, and does its access list allow the container?"
        try:
            while time.monotonic() < deadline:
                _, channel, command, size = _HEADER.unpack(self._take(_HEADER.size))
                data = self._take(size)
                if (channel, command) == (1, _DNS_RESPONSE):
                    reply = DNSRecord.parse(data)
                    found = ", ".join(str(one.rdata) for one in reply.rr)
                    if RCODE[reply.header.rcode] not in {"NOERROR", "NXDOMAIN"}:
                        raise _Failed(
                            f"{self._name}: {RCODE[reply.header.rcode]}", "is Consul running on the docker host?"
                        )
                    return f"{self._name}: {found or RCODE[reply.header.rcode]}"
        except EOFError:
            raise _Failed(self._said() or "the tunnel ended", _LOG) from None
        except (TimeoutError, DNSError):
            pass
        raise _Failed(f"{self._name}: no answer within {_PATIENCE:.0f} s", remedy)

    def _said(self) -> str:
        """What came on standard error."""
        assert self._channel is not None
        ready = self._channel.recv_stderr_ready()
        return self._channel.recv_stderr(4096).decode("utf-8", "replace").strip() if ready else ""

    def _take(self, size: int) -> bytes:
        assert self._channel is not None
        data = b""
        while len(data) < size:
            some = self._channel.recv(size - len(data))
            if not some:
                raise EOFError
            data += some
        return data


def _certified(line: str, ca: PublicKey) -> Certificate | None:
    """What the certificate says, if *ca* has signed it."""
    body, signer, signature = certificate.signed(line)
    reader, key = Reader(signature), Reader(ca.blob)
    if signer != ca.blob or key.string() != b"ssh-ed25519" or reader.string() != b"ssh-ed25519":
        return None
    try:
        Ed25519PublicKey.from_public_bytes(key.string()).verify(reader.string(), body)
    except InvalidSignature:
        return None
    return certificate.read(line)[0]


def _valid(found: Certificate, remedy: str) -> str:
    now = time.time()
    until = time.strftime("%Y-%m-%d", time.gmtime(min(found.valid_before, 2**40)))
    if now >= found.valid_before:
        raise _Failed(f"the certificate has expired on {until}", remedy)
    if now < found.valid_after:
        raise _Failed("the certificate is not valid yet", "is the clock of this machine right?")
    return f"good until {until}"


def _upload() -> bytes:
    """What sshuttle uploads, without its code: the gate would throw that away."""
    options = b"latency_control=True\nlatency_buffer_size=None\n"
    pack = zlib.compressobj()
    data = pack.compress(options) + pack.flush(zlib.Z_SYNC_FLUSH)
    return b"#sshuttle.cmdline_options\n%d\n%b\n" % (len(data), data)


def _base64(data: bytes) -> str:
    import base64  # noqa: PLC0415

    return base64.b64encode(data).decode()
