"""A real Consul agent in development mode: DNS on port 8600 of its host's loopback, HTTP also on a file.

The file is how tests speak to it from outside of its namespace.
"""

import http.client
import json
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.namespace import Namespace
from lab.patience import eventually
from lab.process import Process


class Consul:
    """An agent that can be stopped, frozen and started again; it forgets all services when it stops."""

    def __init__(self, host: Namespace, directory: Path) -> None:
        self._host = host
        self._directory = directory
        self._socket = directory / "consul.sock"
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Return when it has a leader and knows its own node, so that it answers."""
        configuration = self._directory / "consul.json"
        configuration.write_text(json.dumps(self._configuration()))
        self._process = Process(
            ["consul", "agent", "-dev", "-log-level", "warn", "-config-file", str(configuration)],
            self._directory / "consul.log",
            self._host,
        )
        self._process.wait_until(self._leads, "a Consul with a leader", within=30)

    def stop(self) -> None:
        """Its port is closed from now on: the kernel refuses what comes."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def freeze(self) -> None:
        """Its port stays open, and silent."""
        assert self._process is not None
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def register(self, service: str, *addresses: str, port: int = 80, check: Mapping[str, str] | None = None) -> None:
        """One instance of *service* at each address; return when the catalogue has them all."""
        for address in addresses:
            self._ask("PUT", "/v1/agent/service/register", _definition(service, address, port, check))
        self._wait_for(service, lambda known: set(addresses) <= known)

    def deregister(self, service: str, *addresses: str) -> None:
        """Return when the catalogue has none of them left."""
        for address in addresses:
            self._ask("PUT", f"/v1/agent/service/deregister/{service}@{address}")
        self._wait_for(service, lambda known: not set(addresses) & known)

    def forget_all(self) -> None:
        """Deregister whatever is registered."""
        for key in self.known():
            self._ask("PUT", f"/v1/agent/service/deregister/{quote(key, safe='')}")
        eventually(lambda: set(self._ask("GET", "/v1/catalog/services")) == {"consul"}, "an empty catalogue")

    def known(self) -> Mapping[str, Any]:
        """The services of the agent, by id."""
        found: Mapping[str, Any] = self._ask("GET", "/v1/agent/services")
        return found

    def instances(self, service: str) -> Sequence[Mapping[str, Any]]:
        """What the catalogue has of a service, with its checks."""
        found: Sequence[Mapping[str, Any]] = self._ask("GET", f"/v1/health/service/{service}")
        return found

    def put(self, path: str, body: object = None) -> None:
        """Whatever else an operator tells the agent."""
        self._ask("PUT", path, body)

    def passing(self, service: str) -> set[str]:
        """The addresses of the instances that Consul itself holds for healthy now."""
        found = self._ask("GET", f"/v1/health/service/{service}?passing")
        return {instance["Service"]["Address"] for instance in found}

    def wait_for_passing(self, service: str, *addresses: str) -> None:
        """Return as soon as the healthy instances are those at *addresses* and no others."""
        eventually(lambda: self.passing(service) == set(addresses), f"{service} healthy at {addresses}")

    def _wait_for(self, service: str, right: Any) -> None:
        """The agent tells the catalogue by itself, a moment after it was told."""
        path = f"/v1/catalog/service/{service}"
        eventually(
            lambda: right({one["ServiceAddress"] for one in self._ask("GET", path)}),
            f"{service} in the catalogue",
        )

    def _leads(self) -> bool:
        try:
            return bool(self._ask("GET", "/v1/status/leader") and self._ask("GET", "/v1/catalog/nodes"))
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def _configuration(self) -> Mapping[str, Any]:
        return {
            "bind_addr": "127.0.0.1",
            "addresses": {"http": f"127.0.0.1 unix://{self._socket}"},
            "node_name": "box",
            "disable_update_check": True,
            "disable_anonymous_signature": True,
        }

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = _FileConnection(self._socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        assert response.status == 200, f"{method} {path}: {response.status} {text!r}"
        return json.loads(text) if text else None


class _FileConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _definition(service: str, address: str, port: int, check: Mapping[str, str] | None) -> Mapping[str, object]:
    definition: dict[str, object] = {
        "ID": f"{service}@{address}",
        "Name": service,
        "Address": address,
        "Port": port,
    }
    if check:
        definition["Check"] = check
    return definition


def reached_by_tcp(address: str, port: int) -> Mapping[str, str]:
    """A check that passes as long as somebody listens there; Consul allows no shorter interval."""
    return {"TCP": f"{address}:{port}", "Interval": "1s", "Timeout": "500ms", "Status": "critical"}
