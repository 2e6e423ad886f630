"""A state directory of a test's own, and the commands on it as a person types them."""

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from panteras_dns.access.commands import access
from panteras_dns.access.index import Entry
from panteras_dns.access.vault import Vault

NETWORK, DNS = "10.1.0.0/16", "10.1.0.1"


class Household:
    """Who may come in, of one test."""

    def __init__(self, directory: Path) -> None:
        self.vault = Vault(directory / "access")

    def begin(self, *options: str) -> "Household":
        self.run("init", "--network", NETWORK, "--dns", DNS, "--uid", str(os.geteuid()), *options)
        return self

    def run(self, *words: str) -> str:
        """What a command that goes well prints."""
        status, told = self.attempt(*words)
        assert status == 0, told
        return told

    def attempt(self, *words: str) -> tuple[int, str]:
        """The exit status of a command, and what it printed; never a traceback."""
        done = CliRunner().invoke(access, [*words, "--state", str(self.vault.root)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.output

    def listed(self) -> list[dict[str, Any]]:
        return json.loads(self.run("list", "--json"))


def an_entry(serial: int = 1, **changes: Any) -> Entry:
    values = {
        "serial": serial,
        "name": "alice",
        "device": "laptop",
        "fingerprint": "SHA256:abc",
        "digest": serial.to_bytes(32),
        "services": "",
        "issued": 1_700_000_000,
        "not_before": 1_700_000_000,
        "not_after": 1_900_000_000,
        "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA alice/laptop",
        "private_key": b"",
    }
    return Entry(**(values | changes))
