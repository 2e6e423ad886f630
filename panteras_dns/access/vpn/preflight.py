"""What the VPN door needs of its host, looked at before anyone knocks: each thing that is missing, with its remedy."""

import contextlib
import grp
import ipaddress
import json
import os
import pwd
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from panteras_dns.access import lookup
from panteras_dns.access.settings import Network
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vault import Vault
from panteras_dns.access.vpn import firewall, x509
from panteras_dns.access.vpn.programs import python, tool
from panteras_dns.access.vpn.settings import Transport, Vpn

TUN = Path("/dev/net/tun")

_DAY = 86_400
_WARN = 60  # days ahead
_ANSWER = 5.0  # seconds for the DNS to answer at start
_PROC = Path("/proc/sys/net")
_LEGACY = (Path("/proc/net/ip_tables_names"), Path("/proc/net/ip6_tables_names"))


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. *fatal*: the door would be of no use."""

    what: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


@dataclass(frozen=True)
class Surroundings:
    """What is looked at."""

    vault: Vault
    chosen: Vpn
    user: str


def findings(around: Surroundings) -> Sequence[Finding]:
    """All that is wrong; what one check can't tell since another thing is missing, it leaves to that."""
    checks: Sequence[Callable[[Surroundings], Iterator[Finding]]] = (
        _tun, _programs, _rights, _forwarding, _mixed, _overlaps, _files, _certificates, _account, _ports, _resolver,
    )  # fmt: skip
    return [finding for check in checks for finding in check(around)]


def ending(vault: Vault, now: float) -> Iterator[Finding]:
    """The door's own certificates that end within 60 days."""
    for path, what, renew in (
        (vault.vpn_certificate, "the VPN door's certificate", "run: panteras access renew gateway:"),
        (vault.vpn_ca_certificate, "the VPN's CA", "make new identities: panteras access init --state NEW"),
    ):
        until = x509.until(x509.load(vault.read(path), str(path)))
        days = int((until - now) // _DAY)
        if days < _WARN:
            day = time.strftime("%Y-%m-%d", time.gmtime(until))
            yield Finding(f"{what} ends on {day}, in {days} days", renew, fatal=days < 0)


def six() -> bool:
    """Whether this host has IPv6."""
    with contextlib.suppress(OSError):
        return (_PROC / "ipv6/conf/all/disable_ipv6").read_text().strip() == "0"
    return False


def _tun(_: Surroundings) -> Iterator[Finding]:
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as problem:
        yield Finding(
            f"{TUN}: {problem.strerror}",
            f"run the container with --device {TUN}; on the host itself: modprobe tun",
        )


def _programs(_: Surroundings) -> Iterator[Finding]:
    for name in ("openvpn", "nft", "conntrack"):
        try:
            tool(name)
        except Trouble as problem:
            what, remedy = str(problem).split("; ", 1)
            yield Finding(what, remedy)
    try:
        python()
    except Trouble as problem:
        what, remedy = str(problem).split("; ", 1)
        yield Finding(what, remedy)


def _rights(_: Surroundings) -> Iterator[Finding]:
    effective = int(_status("CapEff"), 16)
    if not effective >> 12 & 1:  # CAP_NET_ADMIN
        yield Finding("no right to change the network (NET_ADMIN)", "run the container with --cap-add NET_ADMIN")
    if effective >> 6 & 3 != 3:  # CAP_SETGID, CAP_SETUID
        yield Finding(
            "no right to give up root (SETUID, SETGID)", "run the container with --cap-add SETUID --cap-add SETGID"
        )


def _forwarding(around: Surroundings) -> Iterator[Finding]:
    wanted = [("ipv4/ip_forward", "net.ipv4.ip_forward")]
    if around.chosen.six and six():
        wanted.append(("ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"))
    for path, name in wanted:
        if (_PROC / path).read_text().strip() != "1":
            yield Finding(
                f"{name} is off, so nothing goes through",
                f"run the container with --sysctl {name}=1; on the host itself: sysctl -w {name}=1",
            )
    if not six() and any(one.version == 6 for one in around.chosen.networks):
        yield Finding(
            "networks has IPv6, and this host has none",
            "run the container with --sysctl net.ipv6.conf.all.disable_ipv6=0, or take it out of vpn.toml",
        )


def _mixed(around: Surroundings) -> Iterator[Finding]:
    """Another firewall that drops what we let through: rules of both count."""
    for path in _LEGACY:
        with contextlib.suppress(OSError):
            if tables := path.read_text().split():
                yield Finding(
                    f"old iptables ({', '.join(tables)}) stand beside nftables, and both filter",
                    "use one of the two: update-alternatives --set iptables /usr/sbin/iptables-nft, and restart",
                    fatal=False,
                )
    for family, table, chain in _closed_chains(around.chosen.transports):
        yield Finding(
            f"the chain {chain} of the table {family} {table} drops what nobody lets through",
            " && ".join(_let_through(chain, one.device) for one in around.chosen.transports),
        )


def _closed_chains(transports: Sequence[Transport]) -> Iterator[tuple[str, str, str]]:
    """Chains that drop forwarded packets by policy, and in whose table nobody speaks of our devices."""
    with contextlib.suppress(Trouble, OSError, ValueError, subprocess.SubprocessError):
        words = [tool("nft"), "--json", "list", "ruleset"]
        told = subprocess.run(words, capture_output=True, text=True, timeout=_ANSWER, check=True).stdout
        whole = json.loads(told)["nftables"]
        spoken = [json.dumps(one["rule"]) for one in whole if "rule" in one]
        for one in whole:
            chain = one.get("chain", {})
            ours = f"{chain.get('family')} {chain.get('table')}" == firewall.TABLE
            if (chain.get("hook"), chain.get("policy")) == ("forward", "drop") and not ours:
                table = f'"table": "{chain["table"]}"'
                if not all(any(f'"{t.device}"' in rule and table in rule for rule in spoken) for t in transports):
                    yield chain["family"], chain["table"], chain["name"]


def _let_through(chain: str, device: str) -> str:
    return (
        f"iptables -I {chain} -i {device} -j ACCEPT && "
        f"iptables -I {chain} -o {device} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    )


def _overlaps(around: Surroundings) -> Iterator[Finding]:
    ours = {one.device for one in around.chosen.transports}
    for pool, key in ((around.chosen.pool, "pool"), (around.chosen.pool6, "pool6")):
        for device, network in (*_networks(), *_routes()):
            if device not in ours and network.overlaps(pool):
                yield Finding(
                    f"{key}: {pool} overlaps with {network} of {device}",
                    f"choose another {key} in vpn.toml, and hand out new kits",
                )


def _networks() -> Iterator[tuple[str, Network]]:
    for device, addresses in psutil.net_if_addrs().items():
        for one in addresses:
            if one.family in {socket.AF_INET, socket.AF_INET6} and one.netmask:
                with contextlib.suppress(ValueError):
                    address = one.address.partition("%")[0]
                    bits = bin(int(ipaddress.ip_address(one.netmask))).count("1")
                    yield device, ipaddress.ip_interface(f"{address}/{bits}").network


def _routes() -> Iterator[tuple[str, Network]]:
    """Of IPv4, beyond the networks that are attached."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        device, destination, _, _, _, _, _, mask = line.split()[:8]
        if int(mask, 16):
            base, bits = (socket.inet_ntoa(int(word, 16).to_bytes(4, "little")) for word in (destination, mask))
            yield device, ipaddress.ip_network(f"{base}/{bits}", strict=False)


def _files(around: Surroundings) -> Iterator[Finding]:
    """OpenVPN looks for the revoked when it is no longer root; what it can't see it takes for not there."""
    revoked = around.vault.vpn_revoked
    try:
        paths = [(one, stat.S_IXOTH, "o+x") for one in revoked.resolve().parents]
        paths += [(revoked, stat.S_IXOTH, "o+x"), *((one, stat.S_IROTH, "o+r") for one in revoked.iterdir())]
        for path, wanted, mode in paths:
            if not path.stat().st_mode & wanted:
                yield Finding(f"{path}: OpenVPN can't get there, and would let the revoked in", f"chmod {mode} {path}")
    except OSError as problem:
        yield Finding(f"{revoked}: {problem.strerror}: nobody can tell who was revoked", "run: panteras access repair")
    if not os.access(around.vault.vpn_run, os.W_OK | os.X_OK):
        yield Finding(f"{around.vault.vpn_run}: can't be written", "mount it without :ro, owned by root")


def _certificates(around: Surroundings) -> Iterator[Finding]:
    vault, now = around.vault, time.time()
    try:
        for path in (vault.vpn_key, vault.vpn_wrapping_key):
            vault.read(path)
        ca = x509.load(vault.read(vault.vpn_ca_certificate), str(vault.vpn_ca_certificate))
        own = x509.load(vault.read(vault.vpn_certificate), str(vault.vpn_certificate))
        for why in x509.objections(own, ca, now):
            yield Finding(f"{vault.vpn_certificate}: {why}", "run: panteras access renew gateway:")
        yield from (one for one in ending(vault, now) if not one.fatal)
    except Trouble as problem:
        yield Finding(str(problem), "bring it back from a backup, or run: panteras access renew gateway:")


def _account(around: Surroundings) -> Iterator[Finding]:
    try:
        grp.getgrgid(pwd.getpwnam(around.user).pw_gid)
    except KeyError:
        yield Finding(f"no account {around.user!r} for OpenVPN", "name another one with --user, like nobody")


def _ports(around: Surroundings) -> Iterator[Finding]:
    for one in around.chosen.transports:
        kind = socket.SOCK_DGRAM if one.kind == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, one.kind == "tcp")
            try:
                sock.bind(("0.0.0.0", one.port))  # noqa: S104  (a door is for the world)
            except PermissionError:
                remedy = "run the container with --sysctl net.ipv4.ip_unprivileged_port_start=0"
                yield Finding(f"port {one.port}/{one.kind}: not allowed", remedy)
            except OSError as problem:
                remedy = f"see who has it: ss -lnp 'sport = :{one.port}'; or choose another one in vpn.toml"
                yield Finding(f"port {one.port}/{one.kind}: {problem.strerror}", remedy)


def _resolver(around: Surroundings) -> Iterator[Finding]:
    name, deadline = f"consul.service.{around.chosen.domain}", time.monotonic() + _ANSWER
    try:
        lookup.reply(str(around.chosen.dns), name, "A", deadline)
    except lookup.Unknown as problem:
        yield Finding(
            f"the DNS at {around.chosen.dns} does not answer ({problem})",
            "is panteras serve running on the docker host, and does its access list allow this container?",
        )


def _status(key: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{key}:"))
