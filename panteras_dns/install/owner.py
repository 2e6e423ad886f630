"""Who writes resolv.conf here, and whether the servers that it had stay known where the gateway finds them.

Owners that would write over ours, and can't be told not to in a way that is undone exactly, are refused by name.
"""

import re
from dataclasses import dataclass

from panteras_dns.host.resolv import STUBS, nameservers
from panteras_dns.install.system import System
from panteras_dns.install.trouble import Trouble

RESOLV_CONF = "/etc/resolv.conf"
HOOKS = "/etc/dhcp/dhclient-enter-hooks.d"
_OWN = "/systemd/resolve/"
_RESOLVED = "systemd-resolved.service"
_RESOLVED_FILES = (
    "/etc/systemd/resolved.conf",
    "/run/systemd/resolved.conf",
    "/usr/local/lib/systemd/resolved.conf",
    "/usr/lib/systemd/resolved.conf",
)
_STRANGERS = {  # who signs the file, or where the link leads -> how it is told to leave it
    "resolvconf": "remove the package, or name the gateway in /etc/resolvconf.conf",
    "dhcpcd": "add the line `nohook resolv.conf` to /etc/dhcpcd.conf first",
    "netconfig": 'set NETCONFIG_DNS_POLICY="" in /etc/sysconfig/network/config first',
    "wsl": "set generateResolvConf = false in /etc/wsl.conf first",
}
_SIGNED = re.compile(
    r"^[#;].*\b(?:generated|written|managed|created).* by (?:man:)?(\S+)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Owner:
    """*resolved* runs; *stub*: resolv.conf only leads to it. *follows*: the network's own servers stay in a file that
    the gateway reads. *mounted*: something is mounted on resolv.conf."""

    resolved: bool = False
    stub: bool = False
    manager: bool = False  # NetworkManager writes it
    dhclient: bool = False
    mounted: bool = False
    follows: bool = False

    @property
    def name(self) -> str:
        if self.stub:
            return "systemd-resolved"
        if self.manager:
            return "NetworkManager"
        return "dhclient" if self.dhclient else "nobody but people"


def find(system: System) -> Owner:
    """`Trouble` for an owner that would not leave it to us."""
    text = system.read(RESOLV_CONF)
    path = system.path(RESOLV_CONF)
    target = str(path.readlink()) if path.is_symlink() else ""
    signed = _SIGNED.search(text)
    writer = signed[1].strip("().,").lower() if signed else ""
    resolved = system.is_active(_RESOLVED)
    manager = "networkmanager" in (writer, target.lower().removeprefix("..").removeprefix("/run/").partition("/")[0])
    manager = manager and system.is_active("NetworkManager.service")
    servers = nameservers(text)
    stub = resolved and bool(servers) and set(servers) <= set(STUBS)
    dhclient = not stub and not manager and system.is_running("dhclient")
    if not stub and not manager:
        _refuse_strangers(writer, target)
    if dhclient and not system.path(HOOKS).is_dir():
        raise Trouble(f"{RESOLV_CONF}: dhclient would write over it, and has no {HOOKS} to be told otherwise")
    if resolved:
        _refuse_other_servers(system)
    return Owner(
        resolved,
        stub,
        manager,
        dhclient=dhclient,
        mounted=system.is_mounted(RESOLV_CONF),
        follows=manager or (resolved and (stub or _OWN in target) and links_have_servers(system)),
    )


def _refuse_strangers(writer: str, target: str) -> None:
    for name, remedy in _STRANGERS.items():
        if name in writer or f"/{name}/" in f"/{target}":
            raise Trouble(f"{RESOLV_CONF}: {name} would write over it: {remedy}")


def _refuse_other_servers(system: System) -> None:
    """Beside another global server, ours would be one of two that are asked in turn (systemd/systemd#20119)."""
    files = [system.path(name) for name in _RESOLVED_FILES]
    parts = [part for file in files for part in sorted(file.with_name(f"{file.name}.d").glob("*.conf"))]
    for file in (*files, *parts):
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        if found := re.search(r"^[ \t]*DNS[ \t]*=[ \t]*(\S.*)$", text, re.MULTILINE):
            servers = " ".join(found[1].split())
            raise Trouble(
                f"{file}: DNS={servers}: systemd-resolved would ask it beside the gateway: take it out, and name it "
                f"with --upstream"
            )


def links_have_servers(system: System) -> bool:
    """Whether the network gave systemd-resolved servers, by DHCP for instance."""
    lines = system.says("resolvectl", "dns").splitlines()
    return any(re.match(r"Link \d+ \(.*\): *\S", line) for line in lines)
