"""`pytest tests/conformance --server NAME` holds another server against the table; `--results FILE` keeps what came."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.bench import Bench
from conformance.peers import PEERS

OWN = "panteras"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", default=OWN, choices=sorted(PEERS), help="the server to hold against the table")
    parser.addoption("--results", help="a file for what came back, as JSON")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(PEERS[request.config.getoption("--server", OWN)])
    yield made
    made.close()


class Results:
    """What came back, row by row, of all workers."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: dict[str, dict[str, dict[str, str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if report.when == "call" and "row" in told:
            self.found.setdefault(str(told["row"]), {})[str(told["over"])] = {
                key: str(told.get(key, "")) for key in ("broken", "not shown")
            }

    def pytest_sessionfinish(self) -> None:
        self.file.write_text(json.dumps(self.found, indent=1))


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--results", None)
    if file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(file)))
