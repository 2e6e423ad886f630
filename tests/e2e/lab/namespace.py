"""Hosts and the wires between them: network namespaces and veth pairs."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

LONGEST_COMMAND = 30.0


class Namespace:
    """A host with its own addresses, ports, routes, firewall and /etc/resolv.conf, and this machine's files.

    The name carries this process's id, so that two runs on one machine do not meet.
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self.name = f"panteras-{os.getpid()}-{role}"
        self._etc = Path("/etc/netns") / self.name
        command("ip", "netns", "add", self.name)
        command("ip", "-n", self.name, "link", "set", "lo", "up")

    @property
    def prefix(self) -> Sequence[str]:
        """What makes a command run in it. `ip netns exec` becomes the command: they have one process id."""
        return ("ip", "netns", "exec", self.name)

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.name

    def add_address(self, address: str, device: str = "lo", checked: bool = False) -> None:
        """Give it *address*, with its prefix length; *checked*: an IPv6 address is first looked for on the wire."""
        nodad = ("nodad",) if ":" in address and not checked else ()
        command("ip", "-n", self.name, "address", "add", address, "dev", device, *nodad)

    def remove_address(self, address: str, device: str) -> None:
        command("ip", "-n", self.name, "address", "delete", address, "dev", device)

    def address_of(self, device: str) -> str:
        """The first IPv4 address of a device."""
        told = command("ip", "-n", self.name, "-4", "-brief", "address", "show", "dev", device)
        return told.split()[2].split("/")[0]

    def add_route(self, to: str, via: str) -> None:
        command("ip", "-n", self.name, "route", "add", to, "via", via)

    def add_bridge(self, device: str, address: str) -> None:
        """A bridge with *address*, as docker makes them."""
        command("ip", "-n", self.name, "link", "add", device, "type", "bridge")
        self.add_address(address, device)
        command("ip", "-n", self.name, "link", "set", device, "up")

    def remove_device(self, device: str) -> None:
        command("ip", "-n", self.name, "link", "delete", device)

    def use_resolvers(self, *addresses: str) -> None:
        """Name *addresses* in its /etc/resolv.conf."""
        self._etc.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"nameserver {address}\n" for address in addresses)
        (self._etc / "resolv.conf").write_text(lines)

    def run(self, *words: str, within: float = LONGEST_COMMAND) -> str:
        """The output of a command run in it; an exit status other than 0 is an error."""
        return command(*self.prefix, *words, within=within)

    def delete(self) -> None:
        command("ip", "netns", "delete", self.name)
        shutil.rmtree(self._etc, ignore_errors=True)


def join(one: Namespace, other: Namespace, one_end: Sequence[str], other_end: Sequence[str]) -> None:
    """Lay a wire between two hosts; each end gets its addresses, and the name of the host it leads to."""
    # fmt: off
    command(
        "ip", "-n", one.name, "link", "add", other.role, "type", "veth",
        "peer", "name", one.role, "netns", other.name,
    )
    # fmt: on
    for near, far, addresses in ((one, other, one_end), (other, one, other_end)):
        for address in addresses:
            near.add_address(address, far.role)
        command("ip", "-n", near.name, "link", "set", far.role, "up")


def command(*words: str, within: float = LONGEST_COMMAND) -> str:
    """The output of a command; its errors are in the error if it fails."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
