"""One running instance of a service: a real web server that says at which address it was found."""

import sys
from pathlib import Path

from lab.namespace import Namespace, command
from lab.process import Process

PORT = 8000


class Instance(Process):
    """A web server on *address* of *host*; constructed, it accepts connections."""

    def __init__(self, host: Namespace, address: str, directory: Path, port: int = PORT) -> None:
        self.address = address
        pages = directory / address
        pages.mkdir(exist_ok=True)
        (pages / "index.html").write_text(f"python1 at {address}\n")
        serve = [sys.executable, "-m", "http.server", str(port), "--bind", address, "--directory", str(pages)]
        super().__init__(serve, directory / f"{address}.log", host)
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.wait_until(lambda: f"{place} " in command("ss", "-N", host.name, "-Htln"), "a listening instance")
