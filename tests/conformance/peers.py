"""How each server is started as a forwarder: the same routes, each with what its own manual offers for these duties.

A peer is started on ports of loopback that were free a moment ago, and ended by its process id.
"""

import contextlib
import getpass
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from program import Gateway, eventually

LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Setting:
    """Routes (domain -> ports of 127.0.0.1), who may ask, where to listen, and what only this server understands."""

    routes: dict[str, tuple[int, ...]]
    consul: tuple[str, ...] = ("consul",)
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    listen: tuple[str, ...] = (LOCAL,)
    extra: dict[str, dict[str, Any]] = field(default_factory=dict)  # table of the configuration -> keys


class Daemon:
    """A running server: `port`, `log`, `stop()`."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        self.port = port
        self.log: list[str] = []
        self._folder = folder
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self) -> None:
        for line in self.process.stdout or ():
            self.log.append(line.rstrip("\n"))

    def ready(self) -> "Daemon":
        eventually(lambda: self.process.poll() is not None or _answers(self.port))
        assert self.process.poll() is None, "\n".join(self.log)
        return self

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        shutil.rmtree(self._folder, ignore_errors=True)


def _answers(port: int) -> bool:
    """Whether anything comes back to an ordinary question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        with contextlib.suppress(OSError):
            sock.connect((LOCAL, port))
            sock.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\5ready\5plain\7example\0\0\1\0\1")
            return bool(sock.recv(512))
    return False


def free_port() -> int:
    """A port that is free for UDP and TCP at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((LOCAL, 0))
            with contextlib.suppress(OSError):
                tcp.bind((LOCAL, udp.getsockname()[1]))
                return int(udp.getsockname()[1])


@dataclass(frozen=True)
class Peer:
    """A server to hold the table against."""

    name: str
    start: Callable[[Setting], Any]  # something with `port`, `log`, `ready()` and `stop()`
    version: Callable[[], str]
    own: bool = False


def started(peer: Peer, setting: Setting) -> Any:
    """The server, answering; AssertionError says why it does not. Nothing is left running then."""
    server = peer.start(setting)
    for tries in range(3):  # a busy machine may need longer than a test should
        try:
            server.ready()
            break
        except AssertionError as problem:
            if server.process.poll() is None and tries < 2:
                continue
            server.stop()
            raise AssertionError(f"{peer.name} does not start: {problem} {server.log[-3:]}") from None
    return server


# This server -------------------------------------------------------------------------------------


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


DEFAULT_ROUTES = {".": "--upstream", "consul": "--consul"}


def panteras(setting: Setting) -> Gateway:
    tables = [("[dns]", {"allow": setting.allow, **setting.extra.get("dns", {})})]
    tables += [(f"[{name}]", keys) for name, keys in setting.extra.items() if name not in ("dns", "route")]
    own: dict[str, dict[str, Any]] = setting.extra.get("route", {})
    options: list[str] = []
    for domain, ports in setting.routes.items():
        if domain in (".", "consul") and domain not in own:  # with the timings of who has no file
            options += [word for port in ports for word in (DEFAULT_ROUTES[domain], f"{LOCAL}:{port}")]
            continue
        keys = {"domains": [domain], "servers": [f"{LOCAL}:{port}" for port in ports], **own.get(domain, {})}
        if domain in setting.consul:
            keys["kind"] = "consul"
        tables.append(("[[route]]", keys))
    lines = [f"{head}\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items()) for head, keys in tables]
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    file = folder / "panteras.toml"
    file.write_text("\n".join(lines))
    if "listen" not in setting.extra.get("dns", {}):
        port = free_port()  # both UDP and TCP: with port 0 one of them may be taken
        options += [word for host in setting.listen for word in ("--listen", f"{host}:{port}")]
    gateway = Gateway("--config", str(file), *options)
    stop = gateway.stop

    def stop_and_sweep() -> None:
        stop()
        shutil.rmtree(folder, ignore_errors=True)

    gateway.stop = stop_and_sweep  # type: ignore[method-assign, assignment]
    return gateway


# Its peers ---------------------------------------------------------------------------------------

UNBOUND = """\
server:
{interfaces}
  port: {port}
  username: ""
  chroot: ""
  directory: ""
  pidfile: ""
  use-syslog: no
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  so-rcvbuf: 4m
  ede: yes
  serve-expired: yes
  serve-expired-ttl: 86400
  serve-expired-client-timeout: 1800
  ede-serve-expired: yes
  edns-tcp-keepalive: yes
  deny-any: yes
  max-udp-size: 1232
  use-caps-for-id: yes
  caps-exempt: "consul"
  caps-exempt: "lower.example"
  access-control: 0.0.0.0/0 refuse
  access-control: 127.0.0.0/8 refuse
{allow}
remote-control:
  control-enable: no
"""


def unbound(setting: Setting) -> Daemon:
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="conformance-"))
    allow = "\n".join(f"  access-control: {network} allow" for network in setting.allow)
    interfaces = "\n".join(f"  interface: {host}" for host in setting.listen)
    text = UNBOUND.format(port=port, allow=allow, interfaces=interfaces)
    for domain, ports in setting.routes.items():
        servers = "".join(f"  forward-addr: {LOCAL}@{one}\n" for one in ports)
        plain = "  forward-no-cache: yes\n" if domain in setting.consul else ""
        text += f'forward-zone:\n  name: "{domain}"\n{servers}{plain}'
    file = folder / "unbound.conf"
    file.write_text(text)
    return Daemon(["unbound", "-d", "-c", str(file)], port, folder)


def dnsmasq(setting: Setting) -> Daemon:
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="conformance-"))
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--log-facility=-"]
    command += [f"--user={getpass.getuser()}", "--no-resolv", "--no-hosts", "--bind-interfaces", f"--port={port}"]
    command += ["--cache-size=10000", "--bogus-priv", "--dns-loop-detect", "--proxy-dnssec", "--max-ttl=604800"]
    command += [f"--listen-address={host}" for host in setting.listen]
    for domain, ports in setting.routes.items():
        command += [f"--server={'' if domain == '.' else f'/{domain}/'}{LOCAL}#{one}" for one in ports]
    return Daemon(command, port, folder)


def dnsdist(setting: Setting) -> Daemon:
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="conformance-"))
    lines = ['setSecurityPollSuffix("")', "setServFailWhenNoServer(true)", "setStaleCacheEntriesTTL(86400)"]
    lines += [f'setLocal("{setting.listen[0]}:{port}")', *(f'addLocal("{host}:{port}")' for host in setting.listen[1:])]
    lines += ["setACL({" + ", ".join(f'"{network}"' for network in setting.allow) + "})"]
    lines += ["addAction(AndRule({QTypeRule(DNSQType.ANY), TCPRule(false)}), TCAction())"]
    for domain, ports in sorted(setting.routes.items(), key=lambda route: -len(route[0])):
        pool = "" if domain == "." else domain
        lines += [f'newServer({{address="{LOCAL}:{one}", pool="{pool}"}})' for one in ports]
        if pool:
            lines.append(f'addAction("{domain}.", PoolAction("{pool}"))')
        if domain not in setting.consul:
            lines.append(f'getPool("{pool}"):setCache(newPacketCache(10000, {{temporaryFailureTTL=1, staleTTL=30}}))')
    file = folder / "dnsdist.conf"
    file.write_text("\n".join(lines) + "\n")
    return Daemon(["dnsdist", "--supervised", "--disable-syslog", "-C", str(file)], port, folder)


def _version(*command: str) -> Callable[[], str]:
    def version() -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        found = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
        return found[0] if found else "unknown"

    return version


PEERS = {
    peer.name: peer
    for peer in (
        Peer("panteras", panteras, lambda: "this tree", own=True),
        Peer("unbound", unbound, _version("unbound", "-V")),
        Peer("dnsmasq", dnsmasq, _version("dnsmasq", "--version")),
        Peer("dnsdist", dnsdist, _version("dnsdist", "--version")),
    )
}
