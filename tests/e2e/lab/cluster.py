"""Machines of datacenters on one network, each with the Consul that `panteras box render` makes of it."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.gateway import command as panteras
from lab.namespace import Namespace, command, join
from lab.process import Process

_WORD = re.compile(r'^      - "(-[^"]*)"$', re.MULTILINE)  # only Consul's command is a list of such lines


class Lan:
    """A switch, and whoever is plugged in."""

    def __init__(self, role: str) -> None:
        self._switch = Namespace(role)
        self._switch.add_bridge("lan", "10.79.0.254/24")
        self._machines: list[Namespace] = []

    def machine(self, role: str, address: str) -> Namespace:
        made = Namespace(role)
        self._machines.append(made)
        join(self._switch, made, [], [f"{address}/24"])
        command("ip", "-n", self._switch.name, "link", "set", role, "master", "lan")
        return made

    def delete(self) -> None:
        for one in (*self._machines, self._switch):
            one.delete()


class Agent(Process):
    """Consul on one machine, with the words that the rendered file gives its container."""

    def __init__(self, machine: Namespace, directory: Path, role: str, **said: str) -> None:
        self._machine = machine
        data = directory / f"consul-{machine.role}"
        own = directory / f"consul-{machine.role}.d"
        for path in (data, own):
            path.mkdir(exist_ok=True)
        # Raft as fast as on a network of servers: Consul's default is for small virtual machines.
        (own / "own.json").write_text('{"performance": {"raft_multiplier": 1}, "disable_update_check": true}')
        said = {"NODE": machine.role, **said}
        rendered = command(
            "env", *(f"{key}={value}" for key, value in said.items()), *panteras("box", "render", "--role", role)
        )
        words = [
            word.replace("/var/lib/consul", str(data)).replace("/etc/consul.d", str(own))
            for word in _WORD.findall(rendered)
        ]
        assert words
        super().__init__(["consul", "agent", *words], directory / f"consul-{machine.role}.log", machine)

    def ask(self, path: str) -> Any:
        return json.loads(self._machine.run("curl", "--silent", f"http://127.0.0.1:8500/v1/{path}") or "null")

    def leader(self) -> str:
        """The address of who leads the datacenter, or ""."""
        try:
            return str(self.ask("status/leader")).partition(":")[0]
        except (AssertionError, ValueError):
            return ""

    def register(self, definition: Mapping[str, Any]) -> None:
        url = "http://127.0.0.1:8500/v1/agent/service/register"
        self._machine.run(*shlex.split(f"curl --silent --fail -X PUT {url} --data"), json.dumps(definition))
